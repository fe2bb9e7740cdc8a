"""Weights in float32 whose model computes in bfloat16: what is kept of their conversion."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.support.live_bytes import LiveBytes
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.models import policy as policy_module
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny


@pytest.fixture
def narrow(texts):
    """A policy whose weights take far more memory than the activations of a short step."""
    model, processor = build_tiny(texts, hidden_size=384, layers=2)
    config = GenerationConfig(max_new_tokens=3)
    return VLMPolicy(model, processor, config, compute_dtype=torch.bfloat16)


def passes(policy, observation):
    """Returns bytes a weight after the forward pass, at the peak of both passes, and gradients."""
    trained = sum(p.numel() for p in policy.parameters())
    policy.zero_grad()
    with LiveBytes() as live:
        for number in range(2):  # the second micro-batch finds the gradient of the first
            scores = policy.score([observation], [(5, 6, 7)])
            live.mark(f"backward {number}")
            (scores.log_probs.sum() + scores.values.sum()).backward()
            del scores
    weights = sum(p.nbytes for p in policy.parameters())
    gradients = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
    return (live.end[""] - weights) / trained, live.peak["backward 1"] / trained, gradients


def test_converted_weights_do_not_wait_for_the_backward_pass(narrow, observations, monkeypatch):
    kept, peak, gradients = passes(narrow, observations[0])
    monkeypatch.setattr(
        policy_module,
        "computing_in",
        lambda dtype, network, *, cache: torch.autocast("cpu", dtype=dtype),
    )
    kept_by_autocast, peak_by_autocast, expected = passes(narrow, observations[0])
    assert kept_by_autocast > kept + 1.7, "a control: two bytes for most weights"
    assert kept < 1.2, "activations"
    assert peak < peak_by_autocast - 0.5
    assert gradients.keys() == expected.keys()
    assert all(torch.equal(gradients[name], expected[name]) for name in expected)


@pytest.mark.parametrize("cache", [True, False])
def test_replies_convert_each_weight_once(narrow, observations, monkeypatch, cache):
    output = narrow.network.get_output_embeddings().weight
    converted = []

    class Conversions(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            if function is torch.ops.aten._to_copy.default:
                converted.append(args[0].data_ptr())
            return function(*args, **(kwargs or {}))

    if not cache:  # a control
        original = policy_module.computing_in
        changed = lambda dtype, network, *, cache: original(dtype, network, cache=False)  # noqa: E731
        monkeypatch.setattr(policy_module, "computing_in", changed)
    with Conversions():
        (reply,) = narrow.act(observations[:1])
    assert len(reply.tokens) > 1
    assert converted.count(output.data_ptr()) == (1 if cache else len(reply.tokens))
