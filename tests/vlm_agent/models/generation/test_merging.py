"""Adapters merged into their base weights while replies are written."""

import copy

import numpy as np
import pytest
import torch

from tests.support.products import Operations
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.models.policy import VLMPolicy


@pytest.fixture
def adapter(make_policy, tmp_path):
    """The directory of an adapter on every part of a tiny model."""
    make_policy().save(tmp_path / "model")
    options = ModelOptions(lora=True, lora_rank=4)
    policy = VLMPolicy.load(tmp_path / "model", options=options)
    # Its own, because sums of another order choose another token where two are nearly as likely.
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if ".lora_B." in name:
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
    policy.save(tmp_path / "adapter")
    return tmp_path / "adapter"


def weights(policy):
    return {name: value.clone() for name, value in policy.model.state_dict().items()}


def assert_unchanged(policy, before):
    after = policy.model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not any(getattr(m, "merged_adapters", None) for m in policy.model.modules())


def layers_of(policy):
    return [module for module in policy.model.modules() if hasattr(module, "lora_A")]


def draws(count):
    return [np.random.default_rng(index) for index in range(count)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_token_takes_as_many_operations_as_without_adapters(
    adapter, observations, dtype, monkeypatch
):
    adapted = VLMPolicy.load(adapter, options=LoadOptions(dtype=dtype))
    plain = VLMPolicy.load(adapter.parent / "model", options=LoadOptions(dtype=dtype))
    plain.model.requires_grad_(False)  # as the base of an adapter, which other kernels may serve
    counts = {}
    for name, policy in {"plain": plain, "adapted": adapted}.items():
        policy.encoder.end_tokens[:] = [-1]  # all replies have the full length
        with policy.writing(), Operations() as found:
            policy.act(observations)
        counts[name] = found.total
    assert counts["adapted"] == counts["plain"]
    monkeypatch.setattr(adapted._merging, "_merge", lambda: None)
    with adapted.writing(), Operations() as found:
        adapted.act(observations)
    tokens = adapted.generation_config.max_new_tokens
    assert found.total > counts["plain"] + tokens * len(layers_of(adapted)), "the control"


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_base_weights_are_restored_bit_by_bit(adapter, observations, dtype):
    policy = VLMPolicy.load(adapter, options=LoadOptions(dtype=dtype))
    before = weights(policy)
    with policy.writing():
        policy.act(observations)
        changed = {n for n, w in policy.model.state_dict().items() if not torch.equal(w, before[n])}
        assert len(changed) == len(layers_of(policy))
        with policy.writing():
            pass
        assert any(layer.merged for layer in layers_of(policy)), "until the outer context ends"
    assert_unchanged(policy, before)
    policy.act(observations)
    assert_unchanged(policy, before)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_base_weights_are_restored_after_an_error(adapter, observations, error, monkeypatch):
    policy = VLMPolicy.load(adapter, options=LoadOptions(dtype="bfloat16"))
    before = weights(policy)

    def fail(*args):
        raise error

    handle = policy.network.get_output_embeddings().register_forward_pre_hook(fail)
    with pytest.raises(error), policy.writing():
        policy.act(observations)
    handle.remove()
    assert_unchanged(policy, before)
    # While merging.
    layer = layers_of(policy)[3]
    monkeypatch.setattr(layer, "get_delta_weight", fail)
    with pytest.raises(error):
        policy.act(observations)
    assert_unchanged(policy, before)


def test_replies_and_log_probs_are_those_of_the_adapters(adapter, observations):
    policy = VLMPolicy.load(adapter)
    with policy.writing():
        replies = policy.act(observations, draws(len(observations)))
    policy._merging._merge = lambda: None
    unmerged = policy.act(observations, draws(len(observations)))
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in unmerged]
    scores = policy.score(observations, [reply.tokens for reply in replies])
    for reply, row, mask in zip(replies, scores.log_probs, scores.mask, strict=True):
        expected = torch.tensor(reply.log_probs)
        torch.testing.assert_close(row[mask].detach(), expected, atol=1e-4, rtol=1e-4)
    plain = VLMPolicy.load(adapter.parent / "model")
    other = plain.act(observations, draws(len(observations)))
    assert [reply.tokens for reply in other] != [reply.tokens for reply in replies], "the control"


def test_a_score_inside_has_gradients(adapter, observations):
    options = ModelOptions(dtype="bfloat16", lora=True)
    policy = VLMPolicy.load(adapter, options=options)
    before = weights(policy)
    with policy.writing():
        replies = policy.act(observations)
        scores = policy.score(observations, [reply.tokens for reply in replies])
        assert_unchanged(policy, before)
        scores.log_probs.sum().backward()
        gradients = [p.grad for n, p in policy.named_parameters() if ".lora_" in n]
        assert gradients
        assert all(gradient is not None for gradient in gradients)
        policy.act(observations)
        assert any(layer.merged for layer in layers_of(policy))
    assert_unchanged(policy, before)


def test_small_changes_are_kept_on_average(adapter, observations):
    policy = VLMPolicy.load(adapter, options=LoadOptions(dtype="bfloat16"))
    layer = max(layers_of(policy), key=lambda each: each.get_base_layer().weight.numel())
    weight = layer.get_base_layer().weight
    with torch.no_grad():
        weight.fill_(0.03)
        layer.lora_A["default"].weight.fill_(1e-3)
        layer.lora_B["default"].weight.fill_(1e-4)
    delta = layer.get_delta_weight("default").mean().item()
    exact = weight[0, 0].item() + delta
    assert torch.tensor(exact).bfloat16().item() == weight[0, 0].item(), "below half of a step"
    with policy.writing():
        mean = weight.float().mean().item()
        first = weight.clone()
    assert abs(mean - exact) < 0.2 * delta
    with policy.writing():
        assert torch.equal(weight, first), "the same weights are merged in the same way"


def test_a_new_adapter_changes_nothing(make_policy, tmp_path):
    make_policy().save(tmp_path)
    options = ModelOptions(dtype="bfloat16", lora=True, lora_rank=2)
    policy = VLMPolicy.load(tmp_path, options=options)
    before = weights(policy)
    with policy.writing():
        after = policy.model.state_dict()
        assert all(torch.equal(after[name], before[name]) for name in before)


def test_what_cannot_be_merged_still_counts(adapter, observations):
    exact = VLMPolicy.load(adapter)
    policy = copy.deepcopy(exact)
    layer = max(layers_of(policy), key=lambda each: each.get_base_layer().weight.numel())
    # As weights that are tied to other ones are.
    policy.model.other = torch.nn.Linear(1, 1)
    policy.model.other.weight = layer.get_base_layer().weight
    before = weights(policy)
    with policy.writing():
        assert not layer.merged
        assert sum(each.merged for each in layers_of(policy)) == len(layers_of(policy)) - 1
        replies = policy.act(observations, draws(len(observations)))
    assert_unchanged(policy, before)
    expected = exact.act(observations, draws(len(observations)))
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in expected]


def test_adapters_on_four_bits_are_not_merged(adapter, observations):
    options = LoadOptions(load_in_4bit=True, dtype="float32")
    policy = VLMPolicy.load(adapter, options=options)
    before = weights(policy)
    with policy.writing():
        replies = policy.act(observations, draws(len(observations)))
    assert_unchanged(policy, before)
    scores = policy.score(observations, [reply.tokens for reply in replies])
    for reply, row, mask in zip(replies, scores.log_probs, scores.mask, strict=True):
        torch.testing.assert_close(
            row[mask].detach(), torch.tensor(reply.log_probs), atol=1e-3, rtol=1e-3
        )
