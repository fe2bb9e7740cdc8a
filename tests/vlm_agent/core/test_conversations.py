"""Earlier steps as a conversation, worked by hand: messages, and options that contradict."""

import numpy as np
import pytest

from vlm_agent.config.api import ApiOptions
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.prompt_builder import PromptBuilder, resolve_prompt
from vlm_agent.core.prompts import Chat, build_messages, build_prompt, plain_text
from vlm_agent.core.types import Observation, PastStep, Task

TASK = Task("Count the dots.", ("more", "done"))
FIRST = '{"dots": "1", "thoughts": "One. \\"action\\": none yet", "action": "more"}'
SECOND = "<think>Two now.</think>\n  done?  "


def shown(number, history=()):
    image = np.full((2, 2, 3), number, np.uint8)
    return Observation(image, TASK, TASK.action_names, state={"dots": str(number)}, history=history)


@pytest.fixture
def third():
    """The third step of an episode, whose second reply names no action."""
    first = shown(1)
    second = shown(2, first.remember(0, 2, FIRST))
    return shown(3, second.remember(1, 2, SECOND))


def user(text):
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}


def said(text, role="assistant"):
    return {"role": role, "content": [{"type": "text", "text": text}]}


def test_a_conversation_of_two_turns(third):
    prompt = build_prompt(shown(1))
    assert "step" not in prompt, "every step has the prompt that it had, without a history"
    expected = [user(prompt), said(FIRST), user(prompt), said(SECOND), user(prompt)]
    builder = PromptBuilder(history="replies")
    assert builder.messages(third) == expected
    assert builder.own_replies(third) == 2
    assert [int(image[0, 0, 0]) for image in third.images] == [1, 2, 3], "in their places' order"
    assert plain_text(expected) is None, "recorded message by message"
    assert builder.text(third).count("[assistant]\n") == 2

    with_system = PromptBuilder(system_prompt="You count.", history="replies")
    assert with_system.messages(third) == [said("You count.", "system"), *expected]
    assert builder.messages(shown(1)) == [user(prompt)] == PromptBuilder().messages(shown(1))
    steps = PromptBuilder().messages(third)
    assert steps == build_messages(build_prompt(third), 3), "as before"
    assert PromptBuilder().own_replies(third) == 0


def test_actions_alone(third):
    """Earlier steps are their actions in the text; the current picture is the only one."""
    text = build_prompt(third, earlier_pictures=False)
    assert text.splitlines()[1] == 'Before, you chose "more", then "done".'
    assert text.splitlines()[0] == build_prompt(shown(3)).splitlines()[0]
    assert text.splitlines()[2:] == build_prompt(shown(3)).splitlines()[1:]
    builder = PromptBuilder(history="actions")
    for each in (third, third.with_actions_alone()):
        assert builder.messages(each) == [user(text)]
        assert [int(image[0, 0, 0]) for image in builder.pictures(each)] == [3]
    assert builder.messages(shown(3)) == [user(build_prompt(shown(3)))]
    assert builder.own_replies(third) == 0

    template = resolve_prompt("{{ history | join(', ') }}; {{ default }}\n")
    own = PromptBuilder(template, history="actions")
    assert own.messages(third) == [user(f"more, done; {text}")]
    assert len(PromptBuilder(template).pictures(third)) == 3, "with their pictures by default"

    pictures = (shown(1).image, shown(2).image)
    chat = Chat(pictures[1], TASK, (), messages=(user("a"), user("b")), pictures=pictures)
    assert builder.pictures(chat) is pictures, "a conversation brings its own"


def test_what_is_remembered_of_actions_alone(third):
    kept = third.with_actions_alone()
    assert [step.action for step in kept.history] == ["more", "done"]
    assert all(step == PastStep(None, step.action) for step in kept.history)
    assert [int(image[0, 0, 0]) for image in kept.images] == [3]
    steps = kept.remember(0, 3, "x")
    assert [step.action for step in steps] == ["more", "done", "more"]


def test_the_oldest_turn_goes_first(third):
    assert [step.reply for step in third.remember(0, 2, "x")] == [SECOND, "x"]
    assert third.remember(0, 0, "x") == ()
    assert all(step.asked.history == () for step in third.history), "no history of a history"


def with_example(observation, cot):
    """A prompt function with an example."""
    return [
        {"role": "user", "content": "Five dots."},
        {"role": "assistant", "content": "done"},
        {"role": "user", "content": f"{len(observation.history)} of {observation.actions[0]}"},
    ]


def ending_in_a_reply(observation, cot):
    """A prompt function whose last message is not the user's."""
    return [{"role": "user", "content": "Go."}, {"role": "assistant", "content": "I see"}]


def with_the_picture_first(observation, cot):
    """A prompt function that shows the picture before an example."""
    return [
        {"role": "user", "content": [{"type": "image"}]},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "Go."},
    ]


def test_examples_of_a_function_stand_once(third):
    builder = PromptBuilder(resolve_prompt(with_example), history="replies")
    question = user("0 of more")
    assert builder.messages(third) == [
        said("Five dots.", "user"),
        said("done"),
        *(question, said(FIRST), question, said(SECOND), question),
    ]


@pytest.mark.parametrize("function", [ending_in_a_reply, with_the_picture_first])
def test_a_function_has_to_end_with_the_users_picture(third, function):
    builder = PromptBuilder(resolve_prompt(function), history="replies")
    with pytest.raises(ValueError, match="expected the user's, with the current picture"):
        builder.messages(third)


def test_a_template_has_no_history_of_its_own(third):
    builder = PromptBuilder("{{ history | length }} of {{ task }}", history="replies")
    questions = [m["content"][1]["text"] for m in builder.messages(third) if m["role"] == "user"]
    assert questions == ["0 of Count the dots."] * 3


def test_a_history_without_replies_is_an_error():
    bare = shown(2, (PastStep(shown(1).image, "more"),))
    with pytest.raises(ValueError, match=r"expected the history that Observation\.remember"):
        PromptBuilder(history="replies").messages(bare)
    PromptBuilder().messages(bare)


@pytest.mark.parametrize(
    "make",
    [
        lambda **given: GenerationConfig(**given),
        lambda **given: SFTConfig(env="x/X-v0", out="x", **given),
        lambda **given: ApiOptions(**{f"api_{name}": each for name, each in given.items()}),
    ],
    ids=["policy", "sft", "api"],
)
def test_contradicting_options_are_refused(make):
    for history in ("replies", "actions"):
        with pytest.raises(ValueError, match="history_length=0 shows no earlier step"):
            make(history=history)
        make(history=history, history_length=3)
    with pytest.raises(ValueError, match="expected one of 'steps', 'actions', 'replies'"):
        make(history="turns", history_length=3)


def test_a_limit_without_a_history_is_refused():
    with pytest.raises(ValueError, match="history_tokens=9 with history_length=0 limits nothing"):
        GenerationConfig(history_tokens=9)
