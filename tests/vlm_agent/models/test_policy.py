"""Sampling, scoring, prompts and replies of a policy."""

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationConfig as HFGenerationConfig
from transformers import PreTrainedTokenizerFast

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.parsing import parse
from vlm_agent.models.inputs.encoder import Encoder
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny, build_tokenizer


def all_scores(policy, observations, replies):
    with torch.no_grad():
        return policy.score(observations, [reply.tokens for reply in replies])


def cut(reply, length):
    """Cuts a reply, to get replies of different lengths."""
    return dataclasses.replace(
        reply, tokens=reply.tokens[:length], log_probs=reply.log_probs[:length]
    )


def test_sampling_and_scoring_give_the_same_log_probs(make_policy, observations):
    policy = make_policy(temperature=0.7)
    with torch.no_grad():  # a fresh value head returns 0
        for parameter in policy.value_head.parameters():
            parameter.normal_(std=0.1)
    replies = [cut(reply, 24 - row) for row, reply in enumerate(policy.act(observations))]
    assert len({round(reply.value, 3) for reply in replies}) > 1
    scores = all_scores(policy, observations, replies)
    assert len({len(reply.tokens) for reply in replies}) > 1
    for row, reply in enumerate(replies):
        kept = torch.tensor(reply.log_probs)
        torch.testing.assert_close(scores.log_probs[row, : len(kept)], kept, atol=1e-4, rtol=1e-4)
        assert scores.values[row].item() == pytest.approx(reply.value, abs=1e-4)
        assert scores.mask[row].sum() == len(kept)
    assert policy.values(observations) == pytest.approx([r.value for r in replies], abs=1e-4)


@pytest.mark.parametrize(
    "defaults",
    [
        {"repetition_penalty": 3.0},
        {"min_new_tokens": 10},
        {"no_repeat_ngram_size": 2},
        {"suppress_tokens": [30, 31, 32]},
        {"forced_eos_token_id": 1},
        {"num_beams": 3},
        {"temperature": 9.0, "do_sample": True, "top_k": 2},
        {"return_dict_in_generate": True},
        {"max_time": 0.001},
    ],
    ids=str,
)
def test_the_generation_defaults_of_a_model_are_ignored(texts, observations, defaults, tmp_path):
    model, processor = build_tiny(texts)
    for name, value in defaults.items():
        setattr(model.generation_config, name, value)
    policy = VLMPolicy(model, processor, GenerationConfig(temperature=1.0, max_new_tokens=24))
    replies = policy.act(observations)
    scores = all_scores(policy, observations, replies)
    for row, reply in enumerate(replies):
        kept = torch.tensor(reply.log_probs)
        torch.testing.assert_close(scores.log_probs[row, : len(kept)], kept, atol=1e-4, rtol=1e-4)
    assert max(len(reply.tokens) for reply in replies) > 10


def test_the_generation_defaults_of_a_model_are_saved_with_it(texts, tmp_path):
    model, processor = build_tiny(texts)
    model.generation_config.repetition_penalty = 3.0
    VLMPolicy(model, processor).save(tmp_path)
    assert HFGenerationConfig.from_pretrained(tmp_path).repetition_penalty == 3.0


def test_padding_does_not_change_a_log_probability(make_policy, observations):
    policy = make_policy()
    replies = policy.act(observations)
    lengths = {len(policy.encode([o])["input_ids"][0]) for o in observations}
    assert len(lengths) > 2, "prompts of equal length would test nothing"
    batch = all_scores(policy, observations, replies)
    for row, (observation, reply) in enumerate(zip(observations, replies, strict=True)):
        alone = all_scores(policy, [observation], [reply])
        length = len(reply.tokens)
        torch.testing.assert_close(
            batch.log_probs[row, :length], alone.log_probs[0], atol=1e-4, rtol=1e-4
        )
        assert batch.log_probs[row, length:].abs().sum() == 0


def test_ignored_padding_would_be_noticed(make_policy, observations, monkeypatch):
    policy = make_policy()
    replies = policy.act(observations)
    right = all_scores(policy, observations, replies).log_probs

    def without_mask(inputs, reply_ids, reply_mask):
        extended = append(inputs, reply_ids, reply_mask)
        return {**extended, "attention_mask": torch.ones_like(extended["attention_mask"])}

    append = policy.encoder.append
    monkeypatch.setattr(policy.encoder, "append", without_mask)
    wrong = all_scores(policy, observations, replies).log_probs
    assert (wrong - right).abs().max() > 0.01


def test_log_probs_equal_a_float64_reference(make_policy, observations):
    """Without padding and cache, for one row."""
    policy = make_policy(temperature=0.5)
    (reply,) = policy.act(observations[:1])
    inputs = policy.encode(observations[:1])
    prompt = inputs.pop("input_ids")
    ids = torch.cat([prompt, torch.tensor([reply.tokens])], dim=1)
    model = policy.model.double()
    with torch.no_grad():
        logits = model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            pixel_values=inputs["pixel_values"].double(),
        ).logits
    expected = []
    for position, token in enumerate(reply.tokens, start=prompt.shape[1]):
        row = (logits[0, position - 1] + policy.banned.double()) / 0.5
        expected.append((row[token] - torch.logsumexp(row, 0)).item())
    assert reply.log_probs == pytest.approx(expected, abs=1e-4)


def test_special_tokens_are_never_written(make_policy, observations):
    policy = make_policy(max_new_tokens=40)
    tokenizer = policy.tokenizer
    banned = {tokenizer.convert_tokens_to_ids(name) for name in ("<image>", "<pad>", "<reply>")}
    plain = policy.token_log_probs(torch.zeros(len(tokenizer)))
    assert all(plain[token] == -torch.inf for token in banned)
    assert torch.isfinite(plain).sum() == len(tokenizer) - len(banned)

    class Pushed(torch.nn.Module):
        """An output layer that prefers special tokens."""

        def __init__(self, layer):
            super().__init__()
            self.layer, self.weight = layer, layer.weight

        def forward(self, hidden):
            logits = self.layer(hidden)
            logits[..., list(banned)] += 100
            return logits

    policy.model.lm_head = Pushed(policy.model.lm_head)
    for reply in policy.act(observations):
        assert not banned & set(reply.tokens)
        assert np.isfinite(reply.log_probs).all()


def test_demonstrated_replies_are_replies_that_the_model_can_write(make_policy, observations):
    policy = make_policy()
    for special in ("<image>", policy.tokenizer.eos_token):
        text = f'{{"action": "{special}"}}'
        tokens = policy.encode_reply(text)
        with torch.no_grad():
            assert torch.isfinite(policy.score(observations[:1], [tokens]).log_probs).all()
        assert policy.encoder.decode(tokens) == text
        assert policy.encoder.until_end(tokens) == tuple(tokens)
    # A tokenizer of whole words encodes others as a special token, which is never written.
    numbered = {f"word{index}": index for index in range(40)}
    words = models.WordLevel({**numbered, "<unk>": 40, "<end>": 41}, unk_token="<unk>")
    policy.processor.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(words), unk_token="<unk>", eos_token="<end>"
    )
    encoder = Encoder(policy.model, policy.processor)
    assert encoder.encode_reply("word39")[0] == 39
    with pytest.raises(ValueError, match="cannot write the reply 'word40'.*'<unk>'"):
        encoder.encode_reply("word40")


def test_dropout_is_off_whenever_the_policy_acts(make_policy, observations):
    policy = make_policy(temperature=0.0)
    for module in policy.modules():
        if hasattr(module, "attention_dropout"):
            module.attention_dropout = 0.5
    calm = policy.act(observations)
    policy.train()
    assert policy.act(observations) == calm
    assert policy.values(observations) == pytest.approx([r.value for r in calm], abs=1e-5)
    assert policy.training, "acting restores the mode"
    policy.model.model.vision_tower.eval()
    policy.act(observations)
    assert policy.training
    assert not policy.model.model.vision_tower.training, "of each submodule"
    # Dropout would show: in training mode, scores differ.
    policy.generation_config = GenerationConfig(temperature=1.0)
    replies = [reply.tokens for reply in calm]
    first, second = (policy.score(observations, replies).log_probs for _ in range(2))
    assert not torch.equal(first, second)


def test_the_same_seed_writes_the_same_replies(make_policy, observations):
    policy = make_policy()
    state = torch.get_rng_state()
    policy.seed(1)
    first = policy.act(observations)
    policy.seed(1)
    assert policy.act(observations) == first
    policy.seed(2)
    assert policy.act(observations) != first
    assert torch.equal(torch.get_rng_state(), state), "the process's own generator is untouched"


def test_a_saved_policy_is_the_same_policy(make_policy, observations, tmp_path):
    policy = make_policy(cot=False, temperature=0.6)
    with torch.no_grad():
        for parameter in policy.value_head.parameters():
            parameter.normal_()
    policy.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".safetensors", ".json", ".jinja"}
    loaded = VLMPolicy.load(tmp_path)
    assert loaded.generation_config == policy.generation_config
    for each in (policy, loaded):
        each.seed(0)
    assert loaded.act(observations) == policy.act(observations)


def test_a_directory_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no config.json"):
        VLMPolicy.load(tmp_path)


@pytest.mark.parametrize("settings", [{"temperature": -1}, {"max_new_tokens": 0}])
def test_generation_config_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        GenerationConfig(**settings)


def test_a_greedy_policy_has_nothing_to_train_by(make_policy, observations):
    policy = make_policy(temperature=0.0)
    (reply,) = policy.act(observations[:1])
    with pytest.raises(ValueError, match="greedy"):
        policy.score(observations[:1], [reply.tokens])


REPLIES = (
    '{"thoughts": "so I add 1", "action": "+"}',
    '{"thoughts": "the \\"action\\": is clear", "action": "+"}',
    '{"action": "+"}',
    '{"thoughts": "no decision',
    '{"thoughts": "ça va", "action": "+"}',
)


def byte_tokenizer():
    """One token per byte, so that the boundary is always between tokens."""
    return build_tokenizer([], vocab_size=0)


def phrase_tokenizer():
    """Byte-level BPE with one token across the end of the thought and the start of the key."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {character: index for index, character in enumerate(alphabet)}
    merges = []
    piece = '"'
    for character in ',Ġ"act':
        merges.append((piece, character))
        piece += character
        vocabulary[piece] = len(vocabulary)
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")


@pytest.mark.parametrize("text", REPLIES)
@pytest.mark.parametrize("make_tokenizer", [byte_tokenizer, phrase_tokenizer, None])
def test_the_action_part_is_found_by_offsets(make_policy, text, make_tokenizer):
    policy = make_policy()
    if make_tokenizer is not None:
        policy.processor.tokenizer = make_tokenizer()
    tokens = policy.tokenizer(text, add_special_tokens=False)["input_ids"]
    start = parse(text, ("+",)).action_start
    first = policy.action_token(tokens, start)
    if start is None:
        assert first == len(tokens), "a reply without an action key is all thought"
        return
    assert len(policy.encoder.decode(tokens[:first])) <= start
    assert len(policy.encoder.decode(tokens[: first + 1])) > start, (
        "the next token holds the key's quote"
    )


def test_the_tiny_tokenizer_never_crosses_the_boundary(make_policy):
    policy = make_policy()
    for text in REPLIES[:3]:
        tokens = policy.tokenizer(text, add_special_tokens=False)["input_ids"]
        start = parse(text, ("+",)).action_start
        assert len(policy.encoder.decode(tokens[: policy.action_token(tokens, start)])) == start
        assert policy.encoder.decode(tokens) == text


def test_the_prompt_and_picture_that_a_model_gets(make_policy, observations):
    policy = make_policy()
    prompt = policy.prompt(observations[0])
    assert prompt.startswith("<image>You are")
    assert prompt.endswith("<reply>")
    picture = policy.picture(observations[0])
    assert picture.shape == (96, 96, 3)
    # The corner of the NumberLine picture is white before and after.
    assert (observations[0].image[0, 0] == 255).all()
    assert (picture[0, 0] == 255).all()


def test_every_part_learns(make_policy, observations):
    policy = make_policy()
    replies = [reply.tokens for reply in policy.act(observations)]
    scores = policy.score(observations, replies)
    with torch.no_grad():
        for parameter in policy.value_head.parameters():
            parameter.normal_()
    scores = policy.score(observations, replies)
    (scores.log_probs.sum() + scores.values.sum()).backward()
    parts = {"vision": False, "projector": False, "language_model": False, "value_head": False}
    for name, parameter in policy.named_parameters():
        for part in parts:
            if part in name and parameter.grad is not None and parameter.grad.abs().sum() > 0:
                parts[part] = True
    assert all(parts.values()), parts


def test_the_value_gradient_can_be_stopped(make_policy, observations):
    policy = make_policy()
    with torch.no_grad():
        for parameter in policy.value_head.parameters():
            parameter.normal_()
    replies = [reply.tokens for reply in policy.act(observations)]
    policy.score(observations, replies, stop_value_gradient=True).values.sum().backward()
    assert all(parameter.grad is not None for parameter in policy.value_head.parameters())
    assert all(parameter.grad is None for parameter in policy.model.parameters())


def test_observations_are_immutable(observations):
    with pytest.raises(dataclasses.FrozenInstanceError):
        observations[0].goal = "other"


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (0, "draws is of type int"),
        ([], "draws has length 0"),
        (np.random.default_rng(0), "draws is of type Generator"),
        ([np.random.default_rng(seed) for seed in range(3)], "draws has length 3"),
        ([0, 1], "draws contains int"),
    ],
)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_draws_are_one_generator_for_each_observation(
    make_policy, observations, draws, message, temperature
):
    policy = make_policy(temperature=temperature)
    for write in (policy.act, policy.write):
        with pytest.raises(ValueError, match=f"{message}: expected a sequence of 2 numpy.random"):
            write(observations[:2], draws)
