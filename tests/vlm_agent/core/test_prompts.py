import dataclasses
import json

import numpy as np
import pytest

from vlm_agent.core.environments import make_env
from vlm_agent.core.parsing import parse
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.prompts import build_messages, build_prompt, build_reply
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.types import Observation, Task

ENVS = ["NumberLine", "EZPoints", "Points24", "Blackjack"]


@pytest.fixture(params=ENVS)
def observation(request):
    env = make_env(f"gym_cards/{request.param}-v0")
    yield observe(task_of(env), *env.reset(seed=1))
    env.close()


def test_the_prompt_tells_rules_actions_and_form(observation):
    prompt = build_prompt(observation)
    assert prompt.startswith(observation.task.description)
    for action in observation.actions:
        assert json.dumps(action) in prompt
    form = json.loads(prompt.rsplit("form: ", 1)[1])
    assert list(form) == [*observation.state, "thoughts", "action"]


def test_without_chain_of_thought_only_the_action_is_asked_for(observation):
    prompt = build_prompt(observation, cot=False)
    assert json.loads(prompt.rsplit("form: ", 1)[1]) == {"action": "..."}
    assert json.loads(build_reply(observation, 0, "so", cot=False)) == {
        "action": observation.actions[0]
    }


def test_the_prompt_does_not_leak_what_the_picture_shows():
    env = make_env("gym_cards/Points24-v0")
    task = task_of(env)
    cards = observe(task, *env.reset(options={"cards": ["H9", "SA", "DK", "C5"]}))
    others = observe(task, *env.reset(options={"cards": ["H2", "S3", "D4", "C7"]}))
    assert build_prompt(cards) == build_prompt(others)


def test_given_fields_are_told():
    env = make_env("gym_cards/Points24-v0")
    env.reset(options={"cards": ["H9", "SA", "DK", "C5"]})
    picture, *_, info = env.step(14)
    prompt = build_prompt(observe(task_of(env), picture, info))
    assert "The current formula is: (" in prompt


def test_given_fields_are_repeated_unless_the_task_says_otherwise():
    env = make_env("gym_cards/Points24-v0")
    now = observe(task_of(env), *env.reset(seed=0))
    assert list(now.given) == ["current formula"]
    assert list(now.state) == list(now.fields) == ["cards", "current formula"]
    told = dataclasses.replace(now, task=dataclasses.replace(now.task, repeats_given=False))
    assert list(json.loads(build_reply(told, 0, "so"))) == ["cards", "thoughts", "action"]
    prompt = build_prompt(told)
    assert list(json.loads(prompt.rsplit("form: ", 1)[1])) == ["cards", "thoughts", "action"]
    assert PromptBuilder("{{ fields }}").text(told) == "['cards']"
    assert "The current formula is: " in prompt


def test_replies_parse_back(observation):
    for index, action in enumerate(observation.actions):
        text = build_reply(observation, index, f'perhaps "action": {action}?')
        parsed = parse(text, observation.actions)
        assert parsed.action == index
        assert text[parsed.action_start :] == f'"action": {json.dumps(action)}}}'
        read = parse(text, ()).fields
        assert all(read[name] == value for name, value in observation.state.items())


def test_a_prompt_names_letters_as_a_reply_writes_them():
    task = Task("Go.", ("aller à la crème", "日本"))
    state = {"où": "là"}
    now = Observation(np.zeros((2, 2, 3), np.uint8), task, task.action_names, state=state)
    later = dataclasses.replace(now, history=now.remember(1, 2))
    prompt = build_prompt(dataclasses.replace(later, history=later.remember(0, 2)))
    assert "\\u" not in prompt
    assert prompt.count('"aller à la crème"') == prompt.count('"日本"') == 2
    assert '"où": "..."' in prompt
    assert '"action": "日本"' in build_reply(now, 1, "là")


def test_the_picture_comes_before_the_text():
    (message,) = build_messages("play")
    assert [part["type"] for part in message["content"]] == ["image", "text"]


def test_a_prompt_recalls_what_was_done():
    env = make_env("gym_cards/NumberLine-v0")
    now = observe(task_of(env), *env.reset(seed=1))
    assert "picture" not in build_prompt(now).removeprefix(now.task.description)
    first = dataclasses.replace(now, history=now.remember(1, 2))
    assert 'The first picture shows your last step, in which you chose "+".' in build_prompt(first)
    second = dataclasses.replace(first, history=first.remember(0, 2))
    assert 'your last 2 steps, oldest first, in which you chose "+", then "-".' in build_prompt(
        second
    )
    assert len(second.remember(0, 2)) == 2, "the oldest goes first"
    assert second.images[-1] is now.image
    assert len(second.images) == 3
