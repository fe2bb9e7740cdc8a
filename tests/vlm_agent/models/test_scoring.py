"""Scores in chunks of tokens equal those of all tokens at once, and take far less memory."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers.models.llava.modeling_llava import (
    LlavaCausalLMOutputWithPast,
    LlavaForConditionalGeneration,
)

from tests.support.allocated_bytes import AllocatedBytes
from tests.support.architectures import ARCHITECTURES
from tests.vlm_agent.models.test_architectures import make_policy as make_architecture
from tests.vlm_agent.models.test_architectures import moments
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import ModelOptions
from vlm_agent.models import lora, scoring
from vlm_agent.models.forward import logits_function
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny

every = pytest.mark.parametrize("name", ARCHITECTURES)


def loss_of(scores):
    """A loss in which every token, value and entropy has a weight of its own."""
    weights = torch.linspace(0.5, 1.5, scores.mask.numel()).view(scores.mask.shape)
    return ((scores.log_probs + 0.3 * scores.entropies) * weights).sum() + scores.values.sum()


def scored(policy, observations, replies, monkeypatch, tokens=None, **options):
    """Scores, gradients, and the number of tokens of each call of the output embeddings.

    Args:
        tokens: Number of tokens in a chunk; by default all at once.
    """
    head = policy.network.get_output_embeddings()
    limit = 2**40 if tokens is None else tokens * head.weight.shape[0]
    monkeypatch.setattr(scoring, "_CHUNK_LOGITS", limit)
    monkeypatch.setattr(scoring, "_MIN_SHARE_OF_WEIGHTS", 2**40)
    sizes = []
    handle = head.register_forward_hook(lambda _, args, out: sizes.append(out[..., 0].numel()))
    policy.zero_grad()
    scores = policy.score(observations, replies, entropy=True, **options)
    loss_of(scores).backward()
    handle.remove()
    gradients = {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}
    return scores, gradients, sizes


def check_alike(policy, observations, replies, monkeypatch, rtol=1e-4, atol=1e-5, **options):
    """Compares chunks of three tokens with all tokens at once, forward and backward."""
    plain, expected, sizes = scored(policy, observations, replies, monkeypatch, **options)
    longest = max(map(len, replies))
    assert sizes == [len(replies) * (longest + 1)]
    chunked, found, sizes = scored(policy, observations, replies, monkeypatch, 3, **options)
    # A trial of one token, the last position of each prompt with its reply, and then the tokens
    # without padding, in the forward pass and again in the backward pass.
    trial, last, *chunks = sizes
    assert (trial, last) == (1, len(replies))
    assert sum(chunks) == 2 * sum(map(len, replies))
    assert max(chunks) == 3
    for name, value in plain._asdict().items():
        torch.testing.assert_close(getattr(chunked, name), value, rtol=rtol, atol=atol, msg=name)
    assert found.keys() == expected.keys()
    largest = max(gradient.abs().max() for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, rtol=rtol, atol=atol * largest.item(), msg=name
        )
    with torch.no_grad():
        again = policy.score(observations, replies, entropy=True)
    for name in ("log_probs", "entropies", "values") if not options.get("temperature") else ():
        assert torch.equal(getattr(again, name), getattr(chunked, name)), name


@every
def test_chunks_of_tokens_equal_all_at_once(name, monkeypatch):
    policy = make_architecture(name)
    observations = moments(name)
    written = policy.act(observations)
    replies = [reply.tokens[: 8 - 2 * index] for index, reply in enumerate(written)]
    check_alike(policy, observations, replies, monkeypatch)


@every
def test_the_first_pass_of_a_rollout_computes_logits_of_last_positions_only(name):
    policy = make_architecture(name)
    positions = []
    policy.network.get_output_embeddings().register_forward_hook(
        lambda _, args, out: positions.append(out.shape[1])
    )
    policy.act(moments(name))
    policy.values(moments(name))
    assert set(positions) == {1}


@pytest.mark.parametrize("name", ["Gemma 4", "PaliGemma"])
def test_capped_logits_are_capped_in_chunks_too(name, monkeypatch):
    policy = make_architecture(name)
    observations = moments(name)
    replies = [reply.tokens for reply in policy.act(observations)]
    uncapped, *_ = scored(policy, observations, replies, monkeypatch)
    policy.network.config.get_text_config().final_logit_softcapping = 1.5
    capped, *_ = scored(policy, observations, replies, monkeypatch)
    assert (capped.log_probs - uncapped.log_probs).abs().max() > 0.1
    check_alike(policy, observations, replies, monkeypatch)


class Scaling(LlavaForConditionalGeneration):
    """Scales the decoder's hidden states before the output embeddings."""

    def forward(self, *args, logits_to_keep=0, **kwargs):
        """Leaves `logits_to_keep` out of account, as some models do."""
        hidden = self.model(*args, **kwargs).last_hidden_state
        return LlavaCausalLMOutputWithPast(logits=self.lm_head(hidden * 0.7))


def test_a_model_that_cannot_be_divided_is_scored_at_once(make_policy, observations, monkeypatch):
    policy = make_policy(max_new_tokens=6)
    replies = [reply.tokens for reply in policy.act(observations)]
    unscaled, *_ = scored(policy, observations, replies, monkeypatch, 3)
    assert logits_function(policy.network) is not None
    policy.network.__class__ = Scaling
    assert logits_function(policy.network) is None
    plain, expected, _ = scored(policy, observations, replies, monkeypatch)
    assert (plain.log_probs - unscaled.log_probs).abs().max() > 1e-3
    found, gradients, _ = scored(policy, observations, replies, monkeypatch, 3)
    assert torch.equal(found.log_probs, plain.log_probs)
    assert all(torch.equal(gradients[name], expected[name]) for name in expected)


# ----- settings -----------------------------------------------------------------------------------


@pytest.fixture
def replies(make_policy, observations):
    written = make_policy(max_new_tokens=7).act(observations)
    return [reply.tokens[: 2 + index % 6] for index, reply in enumerate(written)]


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 0.3},
        {"top_k": 5},
        {"top_p": 0.6},
        {"top_k": 20, "top_p": 0.5, "temperature": 2.0},
    ],
    ids=str,
)
def test_distributions(make_policy, observations, replies, monkeypatch, settings):
    # The replies are those of another policy, so that tokens are scored that a filter drops.
    check_alike(make_policy(**settings), observations, replies, monkeypatch)


def test_options_of_score(make_policy, observations, replies, monkeypatch):
    policy = make_policy(top_k=5)
    with torch.no_grad():  # a fresh value head returns 0
        policy.value_head.layers[-1].weight.normal_()
    given = {"temperature": 1.0, "stop_value_gradient": True}
    check_alike(policy, observations, replies, monkeypatch, **given)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_tied_frozen_and_adapted_output_embeddings(
    make_policy, observations, replies, monkeypatch, checkpointing
):
    policy = make_policy()
    if checkpointing:
        policy.network.gradient_checkpointing_enable({"use_reentrant": False})
    head = policy.network.get_output_embeddings()
    assert head.weight is policy.network.get_input_embeddings().weight
    check_alike(policy, observations, replies, monkeypatch)
    head.weight.requires_grad_(False)
    check_alike(policy, observations, replies, monkeypatch)
    adapted = VLMPolicy(
        lora.add_adapter(policy.model, ModelOptions(lora=True, lora_rank=2)), policy.processor
    )
    check_alike(adapted, observations, replies, monkeypatch)


def test_an_adapter_of_the_output_embeddings(monkeypatch):
    name = "Qwen2-VL"
    policy = make_architecture(name)
    observations = moments(name)
    replies = [reply.tokens for reply in policy.act(observations)]
    config = LoraConfig(r=2, target_modules=["lm_head", "q_proj"])
    policy.model = get_peft_model(policy.model, config)
    with torch.no_grad():
        for key, weight in policy.model.named_parameters():
            if ".lora_B." in key:
                weight.normal_(std=0.2, generator=torch.Generator().manual_seed(0))
    _, gradients, _ = scored(policy, observations, replies, monkeypatch)
    assert any("lm_head.lora_A" in key and grad.any() for key, grad in gradients.items())
    check_alike(policy, observations, replies, monkeypatch)


def test_in_bfloat16(make_policy, observations, replies, monkeypatch):
    policy = make_policy()
    policy.compute_dtype = torch.bfloat16
    # Products of other sizes are rounded alike, and sums of gradients more exactly.
    check_alike(policy, observations, replies, monkeypatch, rtol=0.02, atol=0.02)


# ----- memory -------------------------------------------------------------------------------------

VOCABULARY = 50_000


@pytest.fixture
def wide_policy(texts):
    """A tiny policy with a vocabulary of the usual size, the ends of which it never writes."""
    model, processor = build_tiny(texts)
    model.resize_token_embeddings(VOCABULARY)
    model.requires_grad_(False)
    model.model.language_model.requires_grad_(True)
    model.get_input_embeddings().weight.requires_grad_(False)
    return VLMPolicy(model, processor, GenerationConfig(temperature=1.0))


def peaks(policy, observation, tokens, *, entropy):
    """Returns the peak of a forward and backward pass, and of a pass without gradients."""
    batch = [observation] * 2, [[5 + index % 100 for index in range(tokens)]] * 2
    with AllocatedBytes() as count:
        scores = policy.score(*batch, entropy=entropy)
        count.mark("backward")
        loss = scores.log_probs.sum() + (scores.entropies.sum() if entropy else 0.0)
        loss.backward()
        policy.zero_grad()
        del scores, loss
        count.mark("no gradients")
        with torch.no_grad():
            policy.score(*batch, entropy=entropy)
    return max(count.peak[""], count.peak["backward"]), count.peak["no gradients"]


@pytest.mark.parametrize("entropy", [False, True])
def test_bytes_of_a_logit(wide_policy, observations, monkeypatch, entropy):
    """At most 3 a logit at the peak, and next to none for each more; without gradients too."""
    found = {}
    for limit in (2**40, 8 * VOCABULARY):
        monkeypatch.setattr(scoring, "_CHUNK_LOGITS", limit)
        for length in (40, 80):
            found[limit, length] = peaks(wide_policy, observations[0], length, entropy=entropy)
    logits = 2 * 80 * VOCABULARY
    shorter_plain, plain, shorter, chunked = found.values()
    for index in range(2):
        assert plain[index] > (19 if entropy else 11) * logits, "the control"
        assert plain[index] - shorter_plain[index] > (19 if entropy else 11) * logits / 2
        assert chunked[index] < 3 * logits
        assert chunked[index] - shorter[index] < 1 * logits / 2
