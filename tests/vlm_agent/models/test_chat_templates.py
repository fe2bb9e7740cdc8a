"""Chat templates as published models have them, on tiny models."""

import functools
import itertools

import pytest
import torch
from tokenizers import AddedToken

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.types import Demonstration
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny
from vlm_agent.training.sft.loss import LearnedReply, reply_losses
from vlm_agent.training.sft.teaching import as_written

PARTS = (
    "{% for part in message['content'] %}"
    "{{ '<image>' if part['type'] == 'image' else part['text'] }}{% endfor %}"
)
TEXT = "{{ message['content'] }}"
BEHIND = (
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>{% endfor %}"
)


def turns(content, begin, end, opened="", first="", role="message['role']"):
    """A chat template of turns that begin and end with tokens."""
    return (
        f"{first}{{% for message in messages %}}{begin}{{{{ {role} }}}}\n{content}{end}\n"
        "{% endfor %}{% if add_generation_prompt %}" + f"{begin}assistant\n{opened}{{% endif %}}"
    )


CHATML = {"begin": "<|im_start|>", "end": "<|im_end|>"}
# As Qwen3 does: reasoning of earlier turns is dropped, that of the last is always written.
REASONING = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}"
    "{% set text = message['content'][0]['text'] %}"
    "{% set thought = text.split('</think>')[0].split('<think>')[-1] if '</think>' in text else ''"
    " %}{% set answer = text.split('</think>')[-1].lstrip('\n') %}"
    "{% if loop.last %}<think>\n{{ thought.strip('\n') }}\n</think>\n\n{% endif %}{{ answer }}"
    "{% else %}" + PARTS + "{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
# Template, where it is, and the token that ends a turn.
TEMPLATES = {
    "Gemma": (turns(PARTS, "<start_of_turn>", "<end_of_turn>"), "processor", "<end_of_turn>"),
    "ChatML": (turns(PARTS, **CHATML), "processor", "<|im_end|>"),
    "of the tokenizer": (turns(PARTS, **CHATML), "tokenizer", "<|im_end|>"),
    "of texts": (turns(TEXT, **CHATML), "tokenizer", "<|im_end|>"),
    "of texts, in the processor": (turns(TEXT, **CHATML), "processor", "<|im_end|>"),
    "with a system prompt": (turns(PARTS, **CHATML, first=SYSTEM), "processor", "<|im_end|>"),
    "with the picture behind": (turns(BEHIND, **CHATML), "processor", "<|im_end|>"),
    "reasoning": (REASONING, "processor", "<|im_end|>"),
    "without an end": (turns(PARTS, "### ", ""), "processor", "<end>"),
    "with the end of sequence": (turns(PARTS, "### ", "<end>"), "processor", "<end>"),
}
every = pytest.mark.parametrize("name", TEMPLATES)


@pytest.fixture
def make_chatting(texts):
    """Makes tiny policies with a chat template and the tokens that are in it."""

    return functools.partial(chatting, texts)


def chatting(texts, name, **settings):
    """A tiny policy with a chat template and the tokens that are in it."""
    model, processor = build_tiny(texts)
    special = ("<start_of_turn>", "<end_of_turn>", "<|im_start|>", "<|im_end|>")
    tokenizer = processor.tokenizer
    tokenizer.add_tokens([AddedToken(token, special=True) for token in special])
    tokenizer.add_tokens(["<think>", "</think>"])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():  # as wide as the others, or what was added would never be written
        model.get_input_embeddings().weight[-6:].normal_(
            std=0.05, generator=torch.Generator().manual_seed(0)
        )
    use(processor, name)
    settings = {"temperature": 1.0, "max_new_tokens": 24, **settings}
    return VLMPolicy(model, processor, GenerationConfig(**settings))


def use(processor, name):
    """Gives a processor a chat template, in its place."""
    template, place, _ = TEMPLATES[name]
    processor.chat_template = processor.tokenizer.chat_template = None
    (processor if place == "processor" else processor.tokenizer).chat_template = template


@every
def test_the_end_is_that_of_the_template_and_ends_replies(make_chatting, name):
    policy = make_chatting(name)
    end = policy.tokenizer.convert_tokens_to_ids(TEMPLATES[name][2])
    assert policy.encoder.end_tokens[0] == policy.encode_reply("+")[-1] == end
    assert policy.tokenizer.eos_token_id in policy.encoder.end_tokens
    assert policy.banned[end] == 0, "a policy can write it"
    assert policy.encoder.until_end([5, end, 6]) == (5, end)
    assert policy.encoder.decode([*policy.encode_reply("+")]) == "+"


@every
def test_sampled_and_scored_log_probs_agree(make_chatting, name, observations):
    policy = make_chatting(name)
    policy.seed(0)
    replies = policy.act(observations)
    scores = policy.score(observations, [reply.tokens for reply in replies])
    for reply, row in zip(replies, scores.log_probs, strict=True):
        assert row[: len(reply.tokens)].tolist() == pytest.approx(reply.log_probs, abs=1e-4)
    for observation in observations:
        prompt = policy.prompt(observation)
        assert prompt.count("<image>") == 1, "every template shows the picture, once"
        assert "'type'" not in prompt
        first, second = ("<image>", "You")
        if name == "with the picture behind":
            first, second = second, first
        assert prompt.rindex(first) < prompt.rindex(second)


@pytest.fixture(scope="module")
def lessons():
    demonstrator = Demonstrator("gym_cards/NumberLine-v0", num_envs=4, random_share=1.0)
    batches = list(itertools.islice(demonstrator, 1))
    demonstrator.close()
    return batches


@pytest.mark.parametrize("name", ["Gemma", "reasoning"])
def test_what_fine_tuning_teaches_is_what_score_scores_and_what_is_written(
    make_chatting, name, lessons
):
    """A control, the wrong end token, is written no more often than by chance."""
    ends = {}
    for wrong in (False, True):
        policy = make_chatting(name, max_new_tokens=48)
        if wrong:
            tokens = policy.encoder.end_tokens
            tokens[:] = [policy.tokenizer.eos_token_id]
        optimizer = torch.optim.AdamW(policy.model.parameters(), lr=5e-3)
        for batch in lessons[:1] * 15:
            written = [as_written(policy, item) for item in batch]
            replies = [LearnedReply.of(policy, item) for item in written]
            optimizer.zero_grad()
            loss = reply_losses(policy, written, replies).sum() / sum(
                len(r.tokens) for r in replies
            )
            loss.backward()
            optimizer.step()
        policy.encoder.end_tokens[:] = [policy.tokenizer.convert_tokens_to_ids(TEMPLATES[name][2])]
        policy.generation_config = GenerationConfig(temperature=0.0, max_new_tokens=48)
        written = policy.act([item.observation for item in lessons[0]])
        ends[wrong] = sum(r.tokens[-1] in policy.encoder.end_tokens for r in written)
        if not wrong:
            scores = policy.score(
                [item.observation for item in lessons[0]],
                [reply.tokens for reply in written],
                temperature=1.0,
            )
            assert scores.log_probs.sum(1).mean() > -30, "what was learned is what is written"
            assert sum(r.action is not None for r in written) == len(written)
    assert ends == {False: len(lessons[0]), True: 0}


def test_a_reply_closes_the_tag_that_the_prompt_opens(make_chatting, observations):
    policy = make_chatting("reasoning")
    messages = policy.prompt_builder.messages(observations[0])
    assert policy.prompt(observations[0]).endswith("<|im_start|>assistant\n<think>\n")
    completion = policy.encoder.template.completion
    assert completion(messages, '{"action": "+"}') == '\n</think>\n\n{"action": "+"}'
    reasoned = "<think>\nBecause.\n</think>\n\n+"
    assert completion(messages, reasoned) == "Because.\n</think>\n\n+"
    item = Demonstration(observations[0], "abc+", learned=(3, 4))
    assert as_written(policy, item) == Demonstration(
        observations[0], "\n</think>\n\nabc+", learned=(14, 15)
    )
    # In an earlier turn the reasoning is dropped, by the template.
    later = [
        *messages,
        {"role": "assistant", "content": [{"type": "text", "text": reasoned}]},
        {"role": "user", "content": [{"type": "text", "text": "And now?"}]},
    ]
    assert "Because." not in policy.encoder.template.render(later)


def test_a_template_that_leaves_out_the_reasoning_of_the_last_turn(make_chatting, observations):
    """Then the reply is taught as it is, except for the tag that is open already."""
    policy = make_chatting("reasoning")
    policy.processor.chat_template = REASONING.replace("{{ thought.strip('\n') }}", "")
    messages = policy.prompt_builder.messages(observations[0])
    reasoned = "<think>\nBecause.\n</think>\n\n+"
    found = policy.encoder.template.completion(messages, reasoned)
    assert found == "Because.\n</think>\n\n+"


def test_special_tokens_inside_a_reply_are_an_error(make_chatting, observations):
    policy = make_chatting("reasoning")
    closing = REASONING.replace("</think>\n\n{%", "</think>\n<|im_start|>{%")
    policy.processor.chat_template = closing
    with pytest.raises(ValueError, match=r"writes <\|im_start\|> inside a reply"):
        policy.encoder.template.completion(policy.prompt_builder.messages(observations[0]), "+")


def test_texts_without_an_image_token_are_an_error(make_chatting, observations, monkeypatch):
    policy = make_chatting("of texts")
    monkeypatch.delattr(policy.processor, "image_token")
    with pytest.raises(ValueError, match="no place for pictures, and LlavaProcessor has no image"):
        policy.prompt(observations[0])


def test_what_always_opens_the_next_reply_does_not_close_one(make_chatting):
    policy = make_chatting("ChatML")
    policy.processor.chat_template = turns(PARTS, "<start_of_turn>", "").replace(
        "{% if add_generation_prompt %}", "{% if true %}"
    )
    assert policy.encoder.template.end_token is None
    policy.processor.chat_template = turns(PARTS, **CHATML).replace(
        "{% if add_generation_prompt %}", "{% if true %}"
    )
    end = policy.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert policy.encoder.template.end_token == end
