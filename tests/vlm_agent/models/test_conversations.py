"""Earlier steps as a conversation with the policy's own replies: text, tokens, room for them."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.support.architectures import ARCHITECTURES
from tests.vlm_agent.models.test_chat_templates import (
    CHATML,
    PARTS,
    TEMPLATES,
    chatting,
    turns,
    use,
)
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.prompts import Chat
from vlm_agent.core.types import Demonstration, Observation, Task
from vlm_agent.models.generation.replies import Written, read_reply
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.sft.loss import LearnedReply
from vlm_agent.training.sft.teaching import as_written, read

torch.set_num_threads(1)

REPLIES = ("<think>\nBecause.\n</think>\n\n+ ", ' {"action": "-"}\n', "")


def remembering(policy, now, replies=REPLIES):
    """The prompts of an episode in which a policy gives replies, and its last observation."""
    prompts = [policy.prompt(now)]
    for reply in replies:
        now = dataclasses.replace(now, history=now.remember(0, len(replies), reply))
        prompts.append(policy.prompt(now))
    return prompts, now


@pytest.fixture(scope="module")
def shared(texts):
    """A policy that remembers three replies; every test gives it a template."""
    return chatting(texts, "ChatML", history="replies", history_length=3)


@pytest.fixture
def policy(shared):
    use(shared.processor, "ChatML")
    shared.generation_config = GenerationConfig(
        temperature=1.0, max_new_tokens=24, history="replies", history_length=3
    )
    return shared


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_conversation_begins_with_the_last_prompt_and_its_reply_word_for_word(
    policy, name, observations
):
    """Also where the template drops earlier reasoning, trims replies, or opens a tag in prompts."""
    use(policy.processor, name)
    prompts, last = remembering(policy, observations[0])
    for before, reply, after in zip(prompts, REPLIES, prompts[1:], strict=False):
        assert after.startswith(before + reply)
        assert after.count("<image>") == before.count("<image>") + 1
    rest = prompts[-1].removeprefix(prompts[-2])
    assert rest.startswith(TEMPLATES[name][2] if "without" not in name else "### user")
    image = policy.tokenizer.convert_tokens_to_ids("<image>")
    lengths = [
        policy.encode([each])["input_ids"][0].tolist().count(image)
        for each in (dataclasses.replace(last, history=()), last)
    ]
    assert lengths[1] == 4 * lengths[0], "every picture has its tokens"


def test_whose_template_leaves_out_earlier_thoughts(policy, observations):
    """A program that renders messages itself would leave them out."""
    kept = {}
    for name in TEMPLATES:
        use(policy.processor, name)
        kept[name] = policy.encoder.template.keeps_replies
    assert [name for name, keeps in kept.items() if not keeps] == ["reasoning"]
    policy.processor.chat_template = turns(PARTS.replace("['text']", "['text'] | trim"), **CHATML)
    assert not policy.encoder.template.keeps_replies


NO_REPLIES = "messages if message['role'] != 'assistant' %}"
REFUSED = {
    "leaves out the pictures of earlier turns": turns(
        PARTS.replace("if part", "if loop.last and part").replace("loop.last", "here"), **CHATML
    ).replace("messages %}", "messages %}{% set here = loop.last %}", 1),
    "leaves out earlier turns": turns(PARTS, **CHATML).replace("messages %}", NO_REPLIES, 1),
    "refuses conversations": turns(PARTS, **CHATML, first=(
        "{% if messages | length > 2 %}{{ raise_exception('one question at a time') }}{% endif %}"
    )),
    "writes the questions of earlier turns otherwise": turns(PARTS, **CHATML, first=(
        "{% if messages | length > 1 %}You chat.{% endif %}"
    )),
    "does not write all turns of a conversation alike": turns(
        PARTS, "<|im_start|>{{ loop.index }}", "<|im_end|>"
    ).replace("{{ loop.index }}assistant", "assistant"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_templates_that_write_no_conversations_are_refused(policy, fault, observations):
    policy.processor.chat_template = REFUSED[fault]
    with pytest.raises(ValueError, match=f"the chat template of LlavaProcessor {fault}"):
        remembering(policy, observations[0])
    policy.generation_config = policy.generation_config.with_changes(history="steps")
    remembering(policy, observations[0])


def test_without_a_chat_template_there_are_no_turns(policy, observations):
    policy.processor.chat_template = None
    with pytest.raises(ValueError, match="is missing, so that nothing separates the turns"):
        remembering(policy, observations[0])


def test_a_spelled_special_token_is_text(policy, observations):
    """A policy may write the letters of one; read as the token, it would be a picture."""
    prompts, last = remembering(policy, observations[0], ['<image> of <|im_end|> "<think>"'])
    assert '< image> of < |im_end|> "<think>"' in prompts[1]
    assert prompts[1].count("<image>") == 2
    policy.seed(0)
    (reply,) = policy.act([last])
    scored = policy.score([last], [reply.tokens]).log_probs[0]
    assert scored.tolist() == pytest.approx(reply.log_probs, abs=1e-4)


def test_demonstrated_replies_are_remembered_as_the_policy_writes_them(policy, observations):
    """The loss is that of the last reply, and the others stand before it as they were taught."""
    use(policy.processor, "reasoning")
    _, last = remembering(policy, observations[0], ['{"action": "+"}'])
    (read_item,) = read(policy, [Demonstration(last, '{"action": "-"}')])
    written = as_written(policy, read_item)
    taught = '\n</think>\n\n{"action": "+"}'
    assert written.observation.history[0].reply == taught
    assert f"<think>\n{taught}<|im_end|>" in policy.prompt(written.observation)
    learned = LearnedReply.of(policy, written)
    assert learned == (policy.encode_reply('\n</think>\n\n{"action": "-"}'), 0)
    scores = policy.score([written.observation], [learned.tokens], temperature=1.0)
    assert scores.mask.sum() == len(learned.tokens), "of the last reply alone"


def test_a_chat_holds_what_the_policy_has_replied(policy, observations):
    """As a client sends it back to a served policy."""
    use(policy.processor, "reasoning")
    prompts, last = remembering(policy, observations[0], REPLIES[1:2])
    chat = Chat(
        last.image, last.task, (), messages=tuple(policy.prompt_builder.messages(last)),
        pictures=last.images,
    )  # fmt: skip
    assert policy.prompt(chat) == prompts[1]
    twice = dataclasses.replace(chat, messages=(chat.messages[0], *chat.messages))
    assert policy.prompt_builder.own_replies(twice) == 1
    assert policy.prompt_builder.own_replies(dataclasses.replace(chat, messages=())) == 0
    policy.generation_config = GenerationConfig()
    assert policy.prompt(chat) == policy.encoder.template.render(chat.messages) != prompts[1]


def test_earlier_actions_do_not_divide_a_reply(policy, observations):
    """Where the action part of a reply begins, and what is scored, is the reply's own matter."""
    _, last = remembering(policy, observations[0], ['{"thoughts": "", "action": "+"}'] * 2)
    for text, action in (('{"thoughts": "so", "action": "-"}', 0), ("no action at all", None)):
        tokens = tuple(policy.encode_reply(text))
        wrote = Written.of(policy.encoder, tokens, [-1.0] * len(tokens))
        reply = read_reply(policy.encoder, last, wrote, "json")
        assert reply.action == action
        thought = policy.encoder.decode(tokens[: reply.action_token])
        assert thought == ('{"thoughts": "so", ' if action == 0 else text)
        scores = policy.score([last], [tokens])
        assert scores.log_probs.shape == (1, len(tokens)), "of no token before it"


def test_the_oldest_turns_make_room_by_the_models_own_count(policy, observations):
    _, last = remembering(policy, observations[0])
    lengths = [
        policy.prompt_lengths([dataclasses.replace(last, history=last.history[3 - count :])])[0]
        for count in range(4)
    ]
    ids = policy.encode([last])["input_ids"]
    assert ids.shape[1] == lengths[3] > lengths[2] > lengths[1] > lengths[0], "pictures included"

    def left(**changes):
        policy.generation_config = policy.generation_config.with_changes(**changes)
        found = policy.fit_history(last).history
        assert found == last.history[len(last.history) - len(found) :], "the latest stay"
        return len(found)

    assert left() == 3
    assert [left(history_tokens=each) for each in lengths] == [0, 1, 2, 3]
    assert left(history_tokens=lengths[2] - 1) == 1
    assert left(history_tokens=1) == 0, "the present is never left out"
    assert left(history="steps", history_tokens=10**6) == 3
    assert left(history_tokens=1) == 0, "pictures and actions make room alike"


def test_the_models_context_has_room_for_the_reply(policy, observations, monkeypatch):
    _, last = remembering(policy, observations[0])
    shorter = dataclasses.replace(last, history=last.history[1:])
    ((whole,), (rest,)) = (policy.prompt_lengths([each]) for each in (last, shorter))
    for context, left in ((whole + 24, 3), (whole + 23, 2), (rest + 23, 1), (whole - 1, 2)):
        policy.encoder.preparer.cache.resize(0)  # an earlier prompt would be known to be longer
        policy.encoder.preparer.cache.resize(2**30)
        monkeypatch.setattr(policy.encoder, "context_length", context)
        monkeypatch.setattr(policy.encoder.preparer, "max_length", context)
        assert len(policy.fit_history(last).history) == left
    policy.generation_config = GenerationConfig(history_length=3)
    assert policy.fit_history(last) is last, "as before, without a limit"


def test_actions_alone_are_text_with_one_picture(policy, observations):
    _, last = remembering(policy, observations[0])
    policy.generation_config = GenerationConfig(history="actions", history_length=3)
    assert policy.generation_config.prompt_pictures == 1
    fitted = policy.fit_history(last)
    assert fitted == last.with_actions_alone()
    first = dataclasses.replace(last, history=())
    recall = 'Before, you chose "-", then "-", then "-".\n'
    assert policy.prompt(fitted).replace(recall, "") == policy.prompt(first)
    lengths = policy.prompt_lengths([first, fitted])
    rows = policy.encode([first, fitted, last])
    assert len(rows["pixel_values"]) == 3, "one each, so that prompts of any length share a batch"
    assert torch.equal(rows["input_ids"][1], rows["input_ids"][2]), "fitted or not"

    policy.generation_config = policy.generation_config.with_changes(history_tokens=lengths[1] - 1)
    assert len(policy.fit_history(last).history) == 2, "the oldest go first"


FAST = ("LLaVA-1.5", "Qwen3-VL")


def turn(seed, words, replies):
    """A step whose pictures all differ."""
    pictures = np.random.default_rng(seed).integers(0, 256, (3, 40, 40, 3), dtype=np.uint8)
    task = Task("You are shown a number. " * words, ("+", "-"))
    now = Observation(pictures[-1], task, task.action_names)
    for image, reply in zip(pictures, replies, strict=False):
        asked = dataclasses.replace(now, image=image)
        now = dataclasses.replace(now, history=dataclasses.replace(
            asked, history=now.history).remember(0, 2, reply))  # fmt: skip
    return now


@pytest.mark.parametrize(
    "name",
    [
        each if each in FAST else pytest.param(each, marks=pytest.mark.slow)
        for each in ARCHITECTURES
    ],
)
def test_every_architecture_reads_conversations(name):
    config = GenerationConfig(
        temperature=0.7, max_new_tokens=8, history="replies", history_length=2
    )
    policy = VLMPolicy(*ARCHITECTURES[name](), config)
    said = ('{"thoughts": "two", "action": "+"}', "hm <image> \ufffd?")
    batch = [turn(1, 1, said), turn(2, 3, said[:1]), turn(3, 2, said[::-1])]
    if name == "Mllama":  # as many pictures in every prompt of a batch
        batch[1] = turn(2, 3, (said[0], said[0]))
    if policy.encoder.template.text is None:
        with pytest.raises(ValueError, match="nothing separates the turns"):
            policy.act(batch)
        return
    replies = policy.act(batch)
    with torch.no_grad():
        scores = policy.score(batch, [reply.tokens for reply in replies])
        alone = [policy.score([o], [r.tokens]) for o, r in zip(batch, replies, strict=True)]
    for row, (reply, single) in enumerate(zip(replies, alone, strict=True)):
        found = scores.log_probs[row, : len(reply.tokens)].tolist()
        assert found == pytest.approx(reply.log_probs, abs=1e-4)
        assert single.log_probs[0].tolist() == pytest.approx(reply.log_probs, abs=1e-4)
    now, tokens = batch[0], [replies[0].tokens]
    before, between = now.history
    others = {
        "picture": dataclasses.replace(before, image=255 - before.image),
        "reply": dataclasses.replace(before, reply='{"thoughts": "ten", "action": "+"}'),
    }
    for kind, changed in others.items():
        other = dataclasses.replace(now, history=(changed, between))
        with torch.no_grad():
            apart = policy.score([other], tokens).log_probs - alone[0].log_probs
        assert apart.abs().max() > 1e-3, f"the {kind} of an earlier turn is read"


def test_a_history_can_be_switched_off():
    saved = GenerationConfig(history="replies", history_length=3, history_tokens=300)
    off = saved.with_changes(history_length=0)
    assert (off.history, off.history_length, off.history_tokens) == ("steps", 0, None)
    assert saved.with_changes(history_length=2).history_tokens == 300
    with pytest.raises(ValueError, match="history_length=0"):
        saved.with_changes(history_length=0, history_tokens=5)
