"""Number formats of weights and computations, and weights of 4 bits."""

import importlib.util
import shutil

import pytest
import torch

from vlm_agent.cli.main import main
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.models.loading import load_model
from vlm_agent.models.policy import VLMPolicy


def log_probs(policy, observations, replies):
    with torch.no_grad():
        return policy.score(observations, [reply.tokens for reply in replies]).log_probs


# ----- number formats -----------------------------------------------------------------------------


def test_trained_weights_are_stored_in_float32(saved, observations):
    whole = VLMPolicy.load(saved, options=ModelOptions(dtype="bfloat16"))
    assert {p.dtype for p in whole.parameters()} == {torch.float32}
    adapted = VLMPolicy.load(saved, options=ModelOptions(dtype="bfloat16", lora=True, lora_rank=2))
    assert {p.dtype for p in adapted.parameters() if p.requires_grad} == {torch.float32}
    frozen = {p.dtype for p in adapted.model.parameters() if not p.requires_grad}
    assert frozen == {torch.bfloat16}
    acting = VLMPolicy.load(saved, options=LoadOptions(dtype="bfloat16"))
    assert {p.dtype for p in acting.model.parameters()} == {torch.bfloat16}
    exact = VLMPolicy.load(saved)
    replies = exact.act(observations)
    expected = log_probs(exact, observations, replies)
    for policy in (whole, adapted, acting):
        assert policy.compute_dtype == torch.bfloat16
        found = log_probs(policy, observations, replies)
        assert 1e-5 < (found - expected).abs().max() < 0.5
        assert all(
            torch.isfinite(torch.tensor(r.log_probs)).all() for r in policy.act(observations)
        )
        assert policy.value_head.layers[0].weight.dtype == torch.float32
    scores = whole.score(observations, [reply.tokens for reply in replies])
    scores.log_probs.sum().backward()
    small = 1e-5 * torch.sign(whole.model.lm_head.weight.grad)
    before = whole.model.lm_head.weight.detach().clone()
    with torch.no_grad():
        whole.model.lm_head.weight -= small
    assert not torch.equal(whole.model.lm_head.weight, before), "a small step is not rounded away"


def test_weights_saved_in_float16_are_trained_in_bfloat16(saved):
    model = VLMPolicy.load(saved).model.half()
    model.save_pretrained(saved)
    assert load_model(str(saved), LoadOptions()).compute_dtype == torch.float16
    loaded = load_model(str(saved), ModelOptions(lora=True, lora_rank=2))
    assert loaded.compute_dtype == torch.bfloat16
    assert load_model(str(saved), ModelOptions()).model.dtype == torch.float32


def weights_of(policy):
    return {name: p.detach() for name, p in policy.model.named_parameters()}


def test_trained_weights_are_loaded_in_full_precision_whatever_computes(saved, small_adapter):
    for name in (saved, small_adapter):
        exact = VLMPolicy.load(name, options=ModelOptions())
        narrow = VLMPolicy.load(name, options=ModelOptions(dtype="bfloat16"))
        assert narrow.compute_dtype == torch.bfloat16
        torch.testing.assert_close(weights_of(narrow), weights_of(exact), atol=0, rtol=0)


def test_an_adapter_on_weights_in_bfloat16_is_merged_in_float32(saved, small_adapter):
    VLMPolicy.load(saved, options=LoadOptions(dtype="bfloat16")).model.save_pretrained(saved)
    merged = VLMPolicy.load(small_adapter, options=ModelOptions())
    assert merged.compute_dtype == torch.bfloat16
    adapted = VLMPolicy.load(small_adapter, options=LoadOptions(dtype="float32"))
    layers = dict(adapted.network.named_modules())
    changed = {name for name, layer in layers.items() if hasattr(layer, "lora_A")}
    assert changed
    for name in changed:
        weight = layers[name].base_layer.weight + layers[name].get_delta_weight("default")
        torch.testing.assert_close(weights_of(merged)[f"{name}.weight"], weight, atol=0, rtol=0)


@pytest.mark.parametrize("dtype", ["auto", "float32", "bfloat16"])
def test_the_number_format_of_saved_merged_weights(
    saved, small_adapter, observations, tmp_path, dtype
):
    VLMPolicy.load(saved, options=LoadOptions(dtype="bfloat16")).model.save_pretrained(saved)
    out = tmp_path / "merged"
    assert main(["merge", "--model", str(small_adapter), "--out", str(out), "--dtype", dtype]) == 0
    expected = torch.float32 if dtype == "float32" else torch.bfloat16
    merged = VLMPolicy.load(out)
    assert {p.dtype for p in merged.model.parameters()} == {expected}
    exact = weights_of(VLMPolicy.load(small_adapter, options=ModelOptions()))
    rounded = {name: weight.to(expected) for name, weight in exact.items()}
    torch.testing.assert_close(weights_of(merged), rounded, atol=0, rtol=0)


def test_a_merged_policy_computes_in_its_new_format(small_adapter, observations):
    policy = VLMPolicy.load(small_adapter)
    replies = policy.act(observations)
    expected = log_probs(policy, observations, replies)
    buffers = {n: b.clone() for n, b in policy.model.named_buffers() if b.is_floating_point()}
    assert buffers
    policy.merge_adapter(torch.bfloat16)
    assert policy.compute_dtype == policy.model.dtype == torch.bfloat16
    for name, buffer in policy.model.named_buffers():
        if buffer.is_floating_point():
            kept = next(b for n, b in buffers.items() if n.endswith(name))
            assert torch.equal(buffer, kept), "only weights are rounded"
    assert 0 < (log_probs(policy, observations, replies) - expected).abs().max() < 0.5


# ----- 4 bits -------------------------------------------------------------------------------------


def test_an_adapter_on_four_bits_learns(saved, observations, tmp_path):
    exact = VLMPolicy.load(saved)
    replies = exact.act(observations)
    options = ModelOptions(load_in_4bit=True, lora=True, lora_rank=4, dtype="float32")
    policy = VLMPolicy.load(saved, options=options)
    assert {p.dtype for p in policy.model.parameters()} >= {torch.uint8}, "weights are quantised"
    tokens = [reply.tokens for reply in replies]
    error = (
        log_probs(policy, observations, replies) - log_probs(exact, observations, replies)
    ).abs()
    assert 1e-4 < error.max() < 5
    optimizer = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(4):
        loss = -policy.score(observations, tokens).log_probs.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    after = log_probs(policy, observations, replies)
    policy.save(tmp_path / "adapter")
    again = VLMPolicy.load(
        tmp_path / "adapter", options=LoadOptions(load_in_4bit=True, dtype="float32")
    )
    torch.testing.assert_close(log_probs(again, observations, replies), after)
    with pytest.raises(ValueError, match="4 bits"):
        policy.merge_adapter()


def test_four_bits_are_saved_with_an_adapter_whose_base_model_is_gone(
    saved, observations, tmp_path
):
    policy = VLMPolicy.load(saved, options=ModelOptions(load_in_4bit=True, lora=True, lora_rank=4))
    replies = policy.act(observations)
    expected = log_probs(policy, observations, replies)
    shutil.rmtree(saved)
    policy.save(tmp_path / "adapter")
    again = VLMPolicy.load(tmp_path / "adapter", options=LoadOptions(load_in_4bit=True))
    torch.testing.assert_close(log_probs(again, observations, replies), expected)
    again.save(tmp_path / "again")
    assert not (tmp_path / "again" / "base").exists(), "it has a name again"


def test_four_bits_of_weights_saved_in_float16_are_trained_in_bfloat16(saved):
    VLMPolicy.load(saved).model.half().save_pretrained(saved)
    options = ModelOptions(load_in_4bit=True, lora=True, lora_rank=2)
    assert load_model(str(saved), options).compute_dtype == torch.bfloat16


def test_four_bits_without_bitsandbytes(saved, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install bitsandbytes"):
        load_model(str(saved), LoadOptions(load_in_4bit=True))
