import copy

import torch
from torch import nn

from vlm_agent.training.optimization.muon import MuonWithAdamW, hidden_matrices


def layer():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3))


def optimizer_of(model, lr=0.1):
    matrices = hidden_matrices(model)
    others = [each for each in model.parameters() if each.ndim < 2]
    return MuonWithAdamW(matrices, others, lr=lr)


def backward(model, seed):
    model.zero_grad()
    generator = torch.Generator().manual_seed(seed)
    model(torch.randn(8, 6, generator=generator)).square().sum().backward()


def test_all_directions_of_a_matrix_move_alike_and_other_weights_as_by_adamw():
    model = layer()
    reference = copy.deepcopy(model)
    for each in (model, reference):
        backward(each, 0)
    optimizer_of(model).step()
    torch.optim.AdamW(reference.parameters(), lr=0.1, weight_decay=0.0).step()
    moved = {name: weight - layer().state_dict()[name] for name, weight in model.named_parameters()}
    gradients = {name: each.grad for name, each in model.named_parameters()}
    for name in ("0.weight", "2.weight"):
        before, after = (torch.linalg.svdvals(each[name]) for each in (gradients, moved))
        assert before[0] > 3 * before[-1]
        assert after[0] < 1.8 * after[-1]
    for name in ("0.bias", "2.bias"):
        torch.testing.assert_close(model.get_parameter(name), reference.get_parameter(name))


def test_a_saved_state_continues_bit_identically():
    model = layer()
    optimizer = optimizer_of(model)
    for seed in range(3):
        backward(model, seed)
        optimizer.step()
    other = copy.deepcopy(model)
    again = optimizer_of(other, lr=1.0)
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, stepped in ((model, optimizer), (other, again)):
        backward(each, 3)
        stepped.step()
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_schedule_reaches_both_kinds_of_weights():
    model = layer()
    optimizer = optimizer_of(model)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: float(step > 0))
    start = copy.deepcopy(model.state_dict())
    backward(model, 0)
    optimizer.step()
    assert all(torch.equal(start[name], each) for name, each in model.state_dict().items())
    schedule.step()
    optimizer.step()
    assert not any(torch.equal(start[name], each) for name, each in model.state_dict().items())


def test_muon_gets_the_linear_layers_of_a_model_but_not_its_embeddings(make_policy):
    model = make_policy().model
    found = {
        name
        for name, each in model.named_parameters()
        if any(each is m for m in hidden_matrices(model))
    }
    assert found
    assert all("proj" in name or "fc" in name or "linear" in name for name in found)
    assert not any("embed" in name or "lm_head" in name for name in found)
    frozen = hidden_matrices(model)[0]
    frozen.requires_grad_(False)
    assert not any(each is frozen for each in hidden_matrices(model))
