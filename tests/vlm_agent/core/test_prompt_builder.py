import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core import prompt_builder
from vlm_agent.core.environments import make_env
from vlm_agent.core.prompt_builder import (
    PromptBuilder,
    check_prompt,
    resolve_prompt,
    resolve_system_prompt,
)
from vlm_agent.core.prompts import Chat, build_messages, build_prompt, texts_of
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.types import Observation, Task

BUILT_IN = """{{ task }}
{% if goal is not none %}
Your goal: {{ goal }}
{% endif %}
{% set chosen = history | map("tojson") | join(", then ") %}
{% if history | length == 1 %}
The first picture shows your last step, in which you chose {{ chosen }}. The second picture shows \
the present.
{% elif history %}
The first {{ history | length }} pictures show your last {{ history | length }} steps, oldest \
first, in which you chose {{ chosen }}. The last picture shows the present.
{% endif %}
You can choose between {{ actions | map("tojson") | join(", ") }}.
{% for name, value in given.items() %}
The {{ name }} is: {{ value }}
{% endfor %}
Answer with JSON in this form: {{ form }}
"""


def short(observation, cot):
    """A prompt function that returns a text."""
    return f"{'Think, then play' if cot else 'Play'} {' or '.join(observation.actions)}."


def with_example(observation, cot):
    """A prompt function that returns messages, without places for pictures."""
    return [
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": short(observation, cot)},
    ]


def with_places(observation, cot):
    """A prompt function that places the pictures itself."""
    content = [{"type": "text", "text": "See:"}] + [{"type": "image"}] * len(observation.images)
    return [{"role": "user", "content": content}]


def wrong(observation, cot):
    """Returns what `wrong.value` is."""
    return wrong.value


@pytest.fixture
def observation():
    state = {"où": "là", "said": "x"}
    now = Observation(
        np.zeros((2, 2, 3), np.uint8),
        Task('Go <on> & "on".', ("left", "日本")),
        ("left", "日本"),
        given={"said": "x"},
        goal="Win",
        state=state,
    )
    return dataclasses.replace(now, history=now.remember(1, 2))


def several(observation):
    """Observations with and without goal, history, given fields."""
    for history in ((), observation.history, observation.history * 2):
        for goal in (None, "Win"):
            yield dataclasses.replace(observation, history=history, goal=goal)
    yield dataclasses.replace(observation, given={})


def test_the_built_in_prompt_is_the_default(observation):
    for cot in (True, False):
        builder = PromptBuilder(cot=cot)
        assert builder.text(observation) == build_prompt(observation, cot=cot)
        (message,) = builder.messages(observation)
        assert message == build_messages(build_prompt(observation, cot=cot), 2)[0]


@pytest.mark.parametrize("env", ["NumberLine", "EZPoints", "Points24", "Blackjack"])
def test_a_template_can_say_what_the_built_in_prompt_says(env, observation):
    made = make_env(f"gym_cards/{env}-v0")
    now = observe(task_of(made), *made.reset(seed=1))
    made.close()
    for each in (now, *several(observation)):
        for cot in (True, False):
            text = PromptBuilder(resolve_prompt(BUILT_IN), cot=cot).text(each)
            assert text == build_prompt(each, cot=cot)


def test_a_template_may_extend_the_built_in_prompt(observation):
    text = PromptBuilder(resolve_prompt("{{ default }}\nBe brief.\n")).text(observation)
    assert text == f"{build_prompt(observation)}\nBe brief."


def test_a_template_names_the_fields_but_not_their_values():
    env = make_env("gym_cards/Points24-v0")
    now = observe(task_of(env), *env.reset(options={"cards": ["H9", "SA", "DK", "C5"]}))
    env.close()
    text = PromptBuilder("{{ fields }} {{ given }} {{ cot }}").text(now)
    assert text == "['cards', 'current formula'] {'current formula': ''} True"
    with pytest.raises(ValueError, match="unknown variables state"):
        resolve_prompt("{{ state }}")


def test_the_page_about_prompts(tmp_path, monkeypatch, observation):
    page = Path(__file__).parents[3] / "docs" / "training" / "prompts.md"
    text = page.read_text(encoding="utf-8")
    (template,) = re.findall(r"^```jinja\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    told = PromptBuilder(resolve_prompt(template)).text(observation)
    assert told.splitlines() == [
        'Go <on> & "on".',
        "Your goal: Win",
        "The said is x.",
        "Legal actions: left, 日本.",
        "Think step by step, then answer with JSON: "
        '{"où": "...", "said": "...", "thoughts": "...", "action": "..."}',
    ]
    (function,) = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (tmp_path / "my_prompts.py").write_text(function, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_prompts", raising=False)
    messages = PromptBuilder(resolve_prompt("my_prompts:with_example")).messages(observation)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    variables = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert tuple(variables) == prompt_builder._VARIABLES


def test_templates_cannot_reach_python(observation):
    reaching = PromptBuilder(resolve_prompt("{{ task.__class__.__mro__ }}"))
    with pytest.raises(ValueError, match="cannot be rendered: access to attribute '__class__'"):
        reaching.text(observation)


def test_a_file_is_read_once(tmp_path, monkeypatch, observation):
    file = tmp_path / "prompt.jinja"
    file.write_text("{{ task }}")
    prompt = resolve_prompt(file)
    assert prompt == resolve_prompt(str(file)) == "{{ task }}\n"
    assert resolve_prompt(prompt) == prompt, "a text that was read stands for itself"
    file.write_text("something else")
    assert PromptBuilder(prompt).text(observation) == observation.task.description
    file.write_text("no variable")
    assert PromptBuilder(resolve_prompt(file)).text(observation) == "no variable"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a\nb {{ task", "line 2 of the prompt template: "),
        ("{% for %}", "line 1 of the prompt template: "),
        ("{{ tsk }} {{ x }}", "unknown variables tsk, x: expected some of task, goal"),
        ("{{ task | frobnicate }}", "line 1 of the prompt template: No filter named"),
    ],
)
def test_wrong_templates_are_refused_at_once(template, message):
    with pytest.raises(ValueError, match=message):
        resolve_prompt(template)
    with pytest.raises(ValueError, match=message):
        GenerationConfig(prompt=template)


def test_a_template_that_fails_says_so(observation):
    for template in ("{{ given.nothing.more }}", "{{ 1 / 0 }}", "{{ task + 1 }}"):
        with pytest.raises(ValueError, match="cannot be rendered"):
            PromptBuilder(resolve_prompt(template)).text(observation)


def test_functions_return_a_text(observation):
    prompt = resolve_prompt(short)
    assert prompt == f"{__name__}:short"
    assert PromptBuilder(prompt).text(observation) == "Think, then play left or 日本."
    (message,) = PromptBuilder(prompt, cot=False).messages(observation)
    assert message["content"] == [
        {"type": "image"},
        {"type": "image"},
        {"type": "text", "text": "Play left or 日本."},
    ]


def test_functions_return_messages(observation):
    messages = PromptBuilder(resolve_prompt(with_example)).messages(observation)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert [part["type"] for part in messages[0]["content"]] == ["text"]
    assert [part["type"] for part in messages[2]["content"]] == ["image", "image", "text"]
    placed = PromptBuilder(resolve_prompt(with_places)).messages(observation)
    assert [part["type"] for part in placed[0]["content"]] == ["text", "image", "image"]
    text = PromptBuilder(resolve_prompt(with_example)).text(observation)
    assert text.startswith("[user]\nWhat is 1 + 1?\n\n[assistant]\n2\n\n[user]\nThink")


def test_functions_are_named_by_module_and_name(tmp_path, monkeypatch, observation):
    (tmp_path / "my_other_prompts.py").write_text(
        "class Prompts:\n"
        "    @staticmethod\n"
        "    def shout(observation, cot):\n"
        "        return observation.task.description.upper()\n"
        "\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    prompt = resolve_prompt("my_other_prompts:Prompts.shout")
    assert prompt == "my_other_prompts:Prompts.shout"
    assert PromptBuilder(prompt).text(observation) == 'GO <ON> & "ON".'
    with pytest.raises(ValueError, match="my_other_prompts:number is 3"):
        resolve_prompt("my_other_prompts:number")


def test_what_cannot_be_found_again_is_refused(tmp_path):
    def local(observation, cot):
        return ""

    for function in (local, lambda observation, cot: ""):
        with pytest.raises(ValueError, match="cannot be saved by name: expected a function"):
            resolve_prompt(function)
    for name in ("my_missing:function", "json:missing"):
        with pytest.raises(ValueError, match=f"no prompt function {name}"):
            resolve_prompt(name)
    with pytest.raises(FileNotFoundError, match="expected a template file, MODULE:FUNCTION"):
        resolve_prompt("nothing.jinja")


def test_a_saved_name_alone_imports_nothing(tmp_path, monkeypatch, observation):
    (tmp_path / "policy.json").write_text(json.dumps({"prompt": "antigravity:geohash"}))
    config = GenerationConfig.load(tmp_path)
    with pytest.raises(ValueError, match=r"give it again, with prompt= .* or with --prompt anti"):
        config.prompt_builder.text(observation)
    monkeypatch.setattr(prompt_builder, "_functions", {})
    saved = GenerationConfig().with_changes(prompt=short)
    assert saved.prompt_builder.text(observation)
    monkeypatch.setattr(prompt_builder, "_functions", {})
    with pytest.raises(ValueError, match="functions are not saved"):
        saved.prompt_builder.text(observation)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (3, "returned 3: expected a text, or a list of messages"),
        ([{"role": "user"}], "expected a text, or a list of messages"),
        ([{"content": "x"}], "expected a text, or a list of messages"),
        ([{"role": "user", "content": [{"type": "sound"}]}], "expected a text, or a list"),
        ([{"role": "system", "content": "x"}], "with 0 pictures, and the observation has 2"),
        (
            [{"role": "user", "content": [{"type": "image"}]}],
            "with 1 pictures, and the observation has 2",
        ),
    ],
)
def test_wrong_results_of_functions(observation, value, message):
    wrong.value = value
    with pytest.raises(ValueError, match=message):
        PromptBuilder(resolve_prompt(wrong)).messages(observation)


def test_a_system_message_comes_first(tmp_path, observation):
    file = tmp_path / "system.txt"
    file.write_text("You play cards.\n")
    system = resolve_system_prompt(file)
    assert system == resolve_system_prompt(" You play cards. ") == "You play cards."
    messages = PromptBuilder(system_prompt=system).messages(observation)
    assert messages[0] == {
        "role": "system",
        "content": [{"type": "text", "text": "You play cards."}],
    }
    assert texts_of(messages) == ["You play cards.", build_prompt(observation)]
    assert resolve_system_prompt("") == ""
    with pytest.raises(FileNotFoundError, match="expected a file, or a text of several words"):
        resolve_system_prompt("system.text")


def test_a_chat_stays_as_it_is(observation):
    message = build_messages("hello", 0)[0]
    chat = Chat(observation.image, observation.task, (), messages=(message,))
    assert PromptBuilder("{{ task }}", "Be kind, please.").messages(chat) == [message]


def test_prompts_are_saved_and_read_back(tmp_path, observation):
    settings = GenerationConfig(cot=False).with_changes(
        prompt=resolve_prompt(BUILT_IN), system_prompt="Be kind, please.", temperature=None
    )
    settings.save(tmp_path)
    loaded = GenerationConfig.load(tmp_path)
    assert loaded == settings
    assert loaded.prompt_builder == PromptBuilder(BUILT_IN, "Be kind, please.", cot=False)
    assert loaded.with_changes(prompt="default", system_prompt="") == GenerationConfig(cot=False)


def test_settings_saved_before_there_were_prompts(tmp_path):
    (tmp_path / "policy.json").write_text('{"cot": false}')
    assert GenerationConfig.load(tmp_path) == GenerationConfig(cot=False)


def test_settings_hold_no_path():
    check_prompt("default")
    with pytest.raises(ValueError, match="read a file with"):
        GenerationConfig(prompt="prompt.jinja")
