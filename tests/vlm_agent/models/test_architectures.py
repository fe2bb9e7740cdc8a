"""All architectures work through the same policy class, and are checked in the same way."""

import copy
import dataclasses
import functools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import GenerationConfig as HFGenerationConfig
from transformers import LogitsProcessor, LogitsProcessorList

from tests.support.architectures import ARCHITECTURES
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.parsing import parse
from vlm_agent.core.types import Demonstration, Observation, Task
from vlm_agent.models.inputs import packing
from vlm_agent.models.inputs.cache import InputCache
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.sft.reading_probe import ReadingProbe, picture_embeddings

torch.set_num_threads(1)
every = pytest.mark.parametrize("name", ARCHITECTURES)
TEMPERATURE = 0.7


@dataclass(frozen=True)
class Remembered(Observation):
    """An observation with pictures of earlier steps."""

    earlier: tuple[NDArray[np.uint8], ...] = ()

    @property
    def images(self):
        return (*self.earlier, self.image)


def picture(seed):
    return np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def observation(seed, words, earlier=0):
    task = Task("You are shown a number. " * words, ("+", "-"))
    pictures = tuple(picture(100 * seed + i) for i in range(earlier))
    return Remembered(picture(seed), task, task.action_names, earlier=pictures)


def moments(name):
    """Prompts of different lengths, one with two pictures if the model takes such a batch."""
    return [observation(1, 1), observation(2, 3, earlier=name != "Mllama"), observation(3, 8)]


@functools.cache
def _built(name):
    return ARCHITECTURES[name]()


def make_policy(name):
    model, processor = _built(name)
    policy = VLMPolicy(
        copy.deepcopy(model), processor, GenerationConfig(temperature=TEMPERATURE, max_new_tokens=8)
    )
    with torch.no_grad():  # a fresh value head returns 0
        policy.value_head.layers[-1].weight.normal_(generator=torch.Generator().manual_seed(0))
    return policy


def score(policy, replies, observations):
    with torch.no_grad():
        return policy.score(observations, [reply.tokens for reply in replies])


def rows(scores, replies):
    return [scores.log_probs[row, : len(reply.tokens)] for row, reply in enumerate(replies)]


def processed(policy, observation):
    """What a processor makes of one observation, without any cache."""
    prompt = policy.prompt(observation)
    begin = policy.tokenizer.bos_token
    inputs = policy.processor(
        text=[prompt],
        images=[[Image.fromarray(image) for image in observation.images]],
        return_tensors="pt",
        **({"add_special_tokens": False} if begin and prompt.startswith(begin) else {}),
    )
    return {key: value for key, value in inputs.items() if key != "labels"}


class Dictated(LogitsProcessor):
    """Forces a model to write given tokens, and records its own logits."""

    def __init__(self, tokens):
        self.tokens, self.logits = tokens, []

    def __call__(self, input_ids, scores):
        self.logits.append(scores[0].double())
        forced = torch.full_like(scores, -torch.inf)
        forced[:, self.tokens[len(self.logits) - 1]] = 0.0
        return forced


def reference(policy, observation, reply):
    """Computes log-probabilities of one row with the model's own generation, in float64."""
    model = copy.deepcopy(policy.model).double()
    inputs = {
        key: value.double() if value.is_floating_point() else value
        for key, value in policy.encode([observation]).items()
    }
    dictated = Dictated(reply.tokens)
    model.generation_config = HFGenerationConfig()
    model.generate(
        **inputs,
        generation_config=HFGenerationConfig(max_new_tokens=len(reply.tokens), do_sample=False),
        logits_processor=LogitsProcessorList([dictated]),
    )
    result = []
    for token, logits in zip(reply.tokens, dictated.logits, strict=True):
        logits[policy.encoder.unwritable_tokens] = -torch.inf
        logits = logits / TEMPERATURE
        result.append((logits[token] - torch.logsumexp(logits, 0)).item())
    return result


@every
def test_inputs_are_bit_by_bit_those_of_the_processor_in_a_fraction_of_the_bytes(name, monkeypatch):
    monkeypatch.setattr(packing, "SMALL", 0)  # these pictures are small
    policy = make_policy(name)
    several = [dataclasses.replace(each, image=picture(7)) for each in moments(name)]
    expected = [processed(policy, each) for each in several]
    for _ in range(2):  # the second time from the cache
        found = policy.encoder.rows(several, policy.prompt_builder)
        for row, right in zip(found, expected, strict=True):
            assert row.keys() == right.keys()
            for key, value in right.items():
                assert row[key].dtype == value.dtype
                assert torch.equal(row[key], value), key
    assert policy.encoder.preparer.processed == len(several)
    prepared = policy.encoder.preparer.cache._pictures.values()
    pixels = [t for each in prepared for key, t in each.tensors.items() if key == "pixel_values"]
    ratio = sum(t.nbytes for t in pixels) / sum(4 * math.prod(t.shape) for t in pixels)
    assert ratio < 0.3, "levels, not floats; padding takes a bit more"


@every
def test_log_probs_equal_those_of_a_single_row_and_of_a_float64_reference(name):
    policy = make_policy(name)
    observations = moments(name)
    replies = policy.act(observations)
    mask = policy.encode(observations)["attention_mask"]
    assert len(set(mask.sum(1).tolist())) == 3, "prompts of equal length would test nothing"
    spread = torch.tensor([log_prob for reply in replies for log_prob in reply.log_probs]).std()
    assert spread > 0.3, "a near-uniform policy would hide mistakes"
    scores = score(policy, replies, observations)
    for observed, reply, batched, value in zip(
        observations, replies, rows(scores, replies), scores.values, strict=True
    ):
        sampled = torch.tensor(reply.log_probs)
        alone = score(policy, [reply], [observed])
        torch.testing.assert_close(batched, sampled, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(alone.log_probs[0], sampled, atol=1e-4, rtol=1e-4)
        assert reply.log_probs == pytest.approx(reference(policy, observed, reply), abs=1e-4)
        assert reply.value == pytest.approx(value.item(), abs=1e-4)
        assert alone.values.item() == pytest.approx(value.item(), abs=1e-4)
    assert len({round(reply.value, 3) for reply in replies}) == 3


@every
def test_a_broken_mask_and_another_picture_would_be_noticed(name, monkeypatch):
    policy = make_policy(name)
    observations = moments(name)
    replies = policy.act(observations)
    right = score(policy, replies, observations)

    other = [Remembered(picture(9), o.task, o.actions, earlier=o.images[:-1]) for o in observations]
    for row, changed in enumerate(rows(score(policy, replies, other), replies)):
        assert (changed - rows(right, replies)[row]).abs().max() > 1e-3

    append = policy.encoder.append

    def without_mask(*args):
        extended = append(*args)
        return {**extended, "attention_mask": torch.ones_like(extended["attention_mask"])}

    monkeypatch.setattr(policy.encoder, "append", without_mask)
    wrong = score(policy, replies, observations)
    assert (wrong.log_probs - right.log_probs).abs().max() > 0.01


def part_of(name):
    """Returns the part of the model that a weight belongs to."""
    if "value_head" in name:
        return "value head"
    if any(word in name for word in ("merger", "projector", "connector", "embed_vision")):
        return "projector"
    return "vision" if any(word in name for word in ("vision", "visual")) else "language"


def gradients(policy, replies, observations):
    policy.zero_grad()
    scores = policy.score(observations, [reply.tokens for reply in replies])
    (scores.log_probs.sum() + scores.values.sum()).backward()
    return {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}


@every
def test_replies_are_independent_and_leave_the_batch_when_finished(name):
    policy = make_policy(name)
    # At this temperature all tokens are about equally likely.
    policy.generation_config = dataclasses.replace(
        policy.generation_config, max_new_tokens=24, temperature=30.0
    )
    # One token in eight closes a reply, so that replies end at different times.
    size = len(policy.banned)
    policy.encoder.end_tokens += [i for i in range(0, size, 8) if policy.banned[i] == 0]
    observations = moments(name) * 2
    rows = []
    handle = policy.network.get_output_embeddings().register_forward_pre_hook(
        lambda _, args: rows.append(len(args[0]))
    )
    draws = [np.random.default_rng(index) for index in range(len(observations))]
    together = policy.act(observations, draws)
    handle.remove()
    lengths = [len(reply.tokens) for reply in together]
    assert len(set(lengths)) > 2
    assert len(rows) == max(lengths)
    assert rows[1] == len(observations)
    if name == "Qwen3.5":  # the states of its linear attention can be neither shared nor reduced
        assert rows[0] == len(observations)
    else:
        assert rows[0] == 4, "of six, the three that differ are read once, and one again"
        assert rows[-1] < len(observations), "finished replies cost nothing more"
    for index, observation in enumerate(observations):
        (alone,) = policy.act([observation], [np.random.default_rng(index)])
        assert alone.tokens == together[index].tokens
        assert alone.log_probs == pytest.approx(together[index].log_probs, abs=1e-3)
        assert alone.value == pytest.approx(together[index].value, abs=1e-3)


@every
def test_every_part_learns_and_checkpointing_recomputes_layers(name):
    policy = make_policy(name)
    observations = moments(name)
    replies = policy.act(observations)
    calls = []
    layer = policy.network.get_decoder().layers[-1].mlp
    layer.register_forward_pre_hook(lambda *_: calls.append(torch.is_grad_enabled()))
    expected = gradients(policy, replies, observations)
    learning = {part_of(name) for name, gradient in expected.items() if gradient.abs().sum() > 0}
    assert learning == {"vision", "projector", "language", "value head"}
    assert len(calls) == 1

    calls.clear()
    policy.network.gradient_checkpointing_enable({"use_reentrant": False})
    found = gradients(policy, replies, observations)
    assert len(calls) == 2, "the layer is computed again in the backward pass"
    assert not any(module.training for module in policy.modules())
    for key, gradient in expected.items():
        torch.testing.assert_close(found[key], gradient, msg=key)


@every
def test_a_frozen_vision_part_sees_each_picture_once(name):
    policy = make_policy(name)
    observations = moments(name)
    if (
        name != "Mllama"
    ):  # the second remembers what the first shows: four pictures, three different
        observations[1] = dataclasses.replace(observations[1], earlier=observations[0].images)
    replies = policy.act(observations)
    expected = score(policy, replies, observations)
    calls = []
    tower = policy.network.get_encoder(modality="image")
    tower.register_forward_pre_hook(lambda *_: calls.append(1))
    with policy.vision.remembering():
        score(policy, replies, observations)
        assert not policy.vision.is_remembering, "its weights are trained"
    for part_name, parameter in policy.network.named_parameters():
        # LLaVA-NeXT has a weight between rows of patches.
        trained = part_of(part_name) == "language" and "image_newline" not in part_name
        parameter.requires_grad_(trained)
    calls.clear()
    with policy.vision.remembering():
        for _ in range(3):
            policy.encoder.preparer.cache = InputCache()  # as if all rows had been evicted
            again = score(policy, replies, observations)
            torch.testing.assert_close(again.log_probs, expected.log_probs, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(again.values, expected.values, atol=1e-4, rtol=1e-4)
        (alone,) = score(policy, replies[1:2], observations[1:2]).values
        assert alone == pytest.approx(expected.values[1].item(), abs=1e-4)
    # Mllama does not accept precomputed features, and computes them in every pass.
    assert len(calls) == (4 if name == "Mllama" else 3)


@every
def test_picture_embeddings_are_the_output_of_the_vision_part(name):
    policy = make_policy(name)
    batch = [dataclasses.replace(observation(n, n), state={"number": str(n)}) for n in (1, 2)]
    with torch.no_grad(), picture_embeddings(policy) as seen:
        policy.states(batch)
        policy.states(batch[::-1])
        if name == "Mllama":
            assert not sum(len(rows) for rows in seen[0])
            with pytest.raises(ValueError, match="probe_weight=0"):
                ReadingProbe.of(policy, [Demonstration(shown, "") for shown in batch])
            return
        policy.states([observation(1, 3, earlier=1)])
    first, second = seen[0]
    assert len(first) == len(second) > 0
    torch.testing.assert_close(seen[1], [second, first], atol=1e-4, rtol=1e-4)
    if name != "LLaVA-OneVision":  # which cuts a single picture into more tiles than one of several
        # The current picture comes last.
        torch.testing.assert_close(seen[2][0][len(first) :], first, atol=1e-4, rtol=1e-4)
    assert (first - second).abs().max() > 1e-2


@every
def test_saved_adapted_merged_and_in_bfloat16(name, tmp_path):
    policy = make_policy(name)
    observations = moments(name)
    replies = policy.act(observations)
    before = score(policy, replies, observations)
    policy.save(tmp_path / "model")
    loaded = VLMPolicy.load(tmp_path / "model")
    assert torch.equal(score(loaded, replies, observations).log_probs, before.log_probs)
    assert torch.equal(score(loaded, replies, observations).values, before.values)
    for each in (policy, loaded):
        each.seed(1)
    assert loaded.act(observations) == policy.act(observations)

    adapted = VLMPolicy.load(tmp_path / "model", options=ModelOptions(lora=True, lora_rank=2))
    assert torch.equal(score(adapted, replies, observations).log_probs, before.log_probs)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, parameter in adapted.model.named_parameters():
            if ".lora_B." in key:
                parameter.copy_(0.05 * torch.randn(parameter.shape, generator=generator))
    after = score(adapted, replies, observations)
    assert (after.log_probs - before.log_probs).abs().max() > 0.01
    adapted.save(tmp_path / "adapter")
    reloaded = VLMPolicy.load(tmp_path / "adapter")
    for key, parameter in adapted.named_parameters():
        assert torch.equal(reloaded.get_parameter(key), parameter), key
    # Equal weights at other addresses may be multiplied in another order.
    again = score(reloaded, replies, observations)
    torch.testing.assert_close(again.log_probs, after.log_probs, atol=1e-5, rtol=1e-5)
    reloaded.merge_adapter()
    reloaded.save(tmp_path / "merged")
    merged = score(VLMPolicy.load(tmp_path / "merged"), replies, observations)
    torch.testing.assert_close(merged.log_probs, after.log_probs, atol=1e-3, rtol=1e-3)

    narrow = VLMPolicy.load(tmp_path / "model", options=ModelOptions(dtype="bfloat16"))
    assert {parameter.dtype for parameter in narrow.parameters()} == {torch.float32}
    difference = score(narrow, replies, observations).log_probs - before.log_probs
    assert 0 < difference.abs().max() < 1.0


REPLIES = (
    '{"thoughts": "so I add 1", "action": "+"}',
    '{"thoughts": "ça va 😀…", "action": "+"}',
    '{"thoughts": "é"  "action": "+"}',
    '{"action": "+"}',
    '{"thoughts": "no decision',
)


@every
def test_the_action_part_is_found_and_special_tokens_are_never_written(name):
    policy = make_policy(name)
    encoder = policy.encoder
    for text in REPLIES:
        tokens = encoder.encode_reply(text)
        start = parse(encoder.decode(tokens), ("+",)).action_start
        first = policy.action_token(tokens, start)
        if start is None:
            assert first == len(tokens), "a reply without an action key is all thought"
            continue
        part = encoder.decode(tokens[first:])
        assert '"action": "+"}' in part
        assert '"action"' not in encoder.decode(tokens[first + 1 :])
    banned = set(encoder.unwritable_tokens)
    assert banned.isdisjoint(encoder.end_tokens)
    assert set(policy.tokenizer.all_special_ids) - set(encoder.end_tokens) <= banned
    for special in policy.tokenizer.all_special_tokens:
        *tokens, _ = encoder.encode_reply(f"it shows {special} twice")
        assert banned.isdisjoint(tokens)
        assert encoder.decode(tokens) == f"it shows {special} twice", "encoded in ordinary tokens"
    prompt = policy.encode(moments(name))["input_ids"]
    pictures = [t for t in prompt[0].tolist() if "image" in policy.tokenizer.decode([t]).lower()]
    assert banned.issuperset(pictures)
    assert policy.token_log_probs(torch.zeros(policy.banned.shape))[list(banned)].max() < -1e9


def test_a_batch_that_a_model_cannot_take_is_an_error():
    policy = make_policy("Mllama")
    with pytest.raises(ValueError, match=r"\[1, 2\] pictures"):
        policy.act([observation(1, 1), observation(2, 1, earlier=1)])
