"""Number formats that low-rank adapters compute in."""

import pytest
import torch

from tests.support.products import Operations
from vlm_agent.config.model import ModelOptions
from vlm_agent.models.adapters.products import compute_in_model_format
from vlm_agent.models.policy import VLMPolicy


@pytest.fixture
def adapted(saved):
    """Makes policies with a new adapter on every part of the model."""

    def make(dtype, **options):
        options = ModelOptions(dtype=dtype, lora=True, lora_rank=4, lora_alpha=4, **options)
        policy = VLMPolicy.load(saved, options=options)
        with torch.no_grad():
            generator = torch.Generator().manual_seed(0)
            for name, parameter in policy.model.named_parameters():
                if ".lora_B." in name:
                    parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
        return policy

    return make


def as_peft_computes(policy):
    """Undoes what a policy does with the adapters of its model."""
    for module in policy.model.modules():
        if hasattr(module, "lora_A"):
            module.__class__ = type(module).__mro__[2]
    return policy


def products_of(policy, observations):
    """Counts products by number format, of `score` and of the backward pass."""
    with Operations() as forward:
        scores = policy.score(observations, [[5, 6, 7]] * len(observations))
    with Operations() as backward:
        (scores.log_probs.sum() + scores.values.sum()).backward()
    return forward.products, backward.products


def test_all_products_of_the_model_are_in_bfloat16(adapted, observations):
    policy = adapted("bfloat16")
    assert {p.dtype for p in policy.parameters() if p.requires_grad} == {torch.float32}
    forward, backward = products_of(policy, observations)
    # Those in float32 are the value head's, by design.
    with Operations() as head:
        value = policy.value_head(torch.zeros(2, policy.value_head.mean.shape[0])).sum()
    assert forward[torch.float32] == head.products[torch.float32] == 2
    with Operations() as head:
        value.backward()
    assert backward[torch.float32] <= head.products[torch.float32] + 1  # and its input's gradient
    layers = sum(hasattr(module, "lora_A") for module in policy.model.modules())
    assert forward[torch.bfloat16] > 3 * layers
    assert backward[torch.bfloat16] > 4 * layers
    gradients = {name: p.grad for name, p in policy.named_parameters() if p.requires_grad}
    assert {g.dtype for g in gradients.values() if g is not None} == {torch.float32}
    for part in ("vision", "projector", "language"):
        assert any(
            ".lora_A." in name and part in name and g is not None and g.any()
            for name, g in gradients.items()
        ), part


def test_peft_by_itself_computes_in_float32(adapted, observations):
    """The control: the counts above can fail."""
    policy = as_peft_computes(adapted("bfloat16"))
    layers = sum(hasattr(module, "lora_A") for module in policy.model.modules())
    forward, backward = products_of(policy, observations)
    assert forward[torch.float32] > 2 * layers
    assert backward[torch.float32] > 3 * layers


def test_frozen_output_embeddings_are_not_copied_for_every_row(adapted, observations):
    policy = adapted("bfloat16")
    replies = [[5, 6, 7]] * len(observations)
    with Operations() as found:
        scores = policy.score(observations, replies)
        (scores.log_probs.sum() + scores.values.sum()).backward()
    # Batched products would be those of hidden states that are not contiguous.
    assert found.names["bmm"] == 0


def test_acting_in_bfloat16(adapted, observations):
    policy = adapted("bfloat16")
    with Operations() as found:
        policy.act(observations)
    merged = sum(hasattr(module, "lora_A") for module in policy.model.modules())
    # Adapters are merged in float32, once; the rest is the value head.
    assert found.products[torch.float32] == merged + 2


def test_nothing_changes_in_float32(adapted, observations):
    policy, plain = adapted("float32"), as_peft_computes(adapted("float32"))
    replies = [[5, 6, 7]] * len(observations)
    found, expected = (each.score(observations, replies).log_probs for each in (policy, plain))
    assert torch.equal(found, expected)
    found.sum().backward()
    expected.sum().backward()
    for one, other in zip(policy.parameters(), plain.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None)
        assert one.grad is None or torch.equal(one.grad, other.grad)


def test_gradients_in_bfloat16_are_those_of_float32_but_for_rounding(adapted, observations):
    grads = {}
    for dtype in ("float32", "bfloat16"):
        policy = adapted(dtype)
        policy.score(observations, [[5, 6, 7]] * len(observations)).log_probs.sum().backward()
        grads[dtype] = torch.cat(
            [p.grad.flatten() for n, p in policy.named_parameters() if ".lora_" in n]
        )
    difference = grads["bfloat16"] - grads["float32"]
    assert 0 < difference.norm() < 0.1 * grads["float32"].norm()


def test_small_contributions_are_not_rounded_away():
    """What is far below a step of bfloat16 still shifts the outputs on average."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    layers = torch.nn.Sequential(torch.nn.Linear(256, 256, bias=False)).bfloat16()
    model = get_peft_model(layers, LoraConfig(r=4, lora_alpha=4, target_modules=["0"]))
    (layer,) = [each for each in model.modules() if hasattr(each, "lora_A")]
    with torch.no_grad():
        layer.lora_B["default"].weight.fill_(3e-4)
    x = torch.randn(512, 256).bfloat16()
    delta = x.float() @ layer.get_delta_weight("default").T
    base = layer.base_layer(x).float()
    slopes = []
    for own in (False, True):
        if own:
            compute_in_model_format(model)
        shift = model(x).float() - x.float() @ layer.base_layer.weight.float().T
        slopes.append(((shift * delta).sum() / (delta * delta).sum()).item())
    assert delta.abs().median() < 2**-9 * base.abs().median(), "below half of a step"
    assert abs(slopes[1] - 1) < 0.05 < abs(slopes[0] - 1)


def test_dropout_and_scale_are_those_of_peft(adapted, observations):
    policy = adapted("bfloat16", lora_dropout=0.5)
    plain = as_peft_computes(adapted("bfloat16", lora_dropout=0.5))
    found = []
    for each in (policy, plain):
        each.train()
        torch.manual_seed(0)
        with torch.no_grad():
            found.append(each.score(observations, [[5, 6, 7]] * len(observations)).log_probs)
        each.eval()
        with torch.no_grad():
            found.append(each.score(observations, [[5, 6, 7]] * len(observations)).log_probs)
    assert (found[0] - found[1]).abs().max() > 0.05, "dropout has an effect"
    assert (found[1] - found[3]).abs().max() < 0.2
