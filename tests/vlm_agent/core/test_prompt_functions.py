"""Prompt functions of one name: none takes the place of another."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core import prompt_builder
from vlm_agent.core.inspection.identity import identity_of
from vlm_agent.core.prompt_builder import (
    PromptBuilder,
    is_registered,
    register_prompt,
    resolve_prompt,
)
from vlm_agent.core.types import Observation, Task

ROOT = Path(__file__).parents[3]
SEEN = Observation(np.zeros((2, 2, 3), np.uint8), Task("Play.", ("a",)), ("a",))
VERSION = "def mine(observation, cot):\n    return 'Version {}'\n"


@pytest.fixture(autouse=True)
def functions(monkeypatch):
    """The functions of this process: none so far."""
    found = {}
    monkeypatch.setattr(prompt_builder, "_functions", found)
    return found


@pytest.fixture
def define(monkeypatch):
    """Defines `mine` again, at the top level of this module, as a notebook would."""
    module = sys.modules[__name__]

    def defined(number):
        space = {"__name__": __name__}
        exec(VERSION.format(number), space)
        monkeypatch.setattr(module, "mine", space["mine"], raising=False)
        return space["mine"]

    return defined


def test_a_function_that_is_defined_again_replaces_none(define):
    first = GenerationConfig().with_changes(prompt=define(1))
    second = GenerationConfig().with_changes(prompt=define(2))
    assert first.prompt_builder.text(SEEN) == "Version 1"
    assert second.prompt_builder.text(SEEN) == "Version 2"
    assert first.prompt == f"{__name__}:mine"
    assert second.prompt == f"own:mine.{identity_of(define(2), whole=True)}"
    # A configuration resolves the name that it holds whenever it is copied.
    assert PromptBuilder(resolve_prompt(first.prompt)).text(SEEN) == "Version 1"
    assert PromptBuilder(resolve_prompt(second.prompt)).text(SEEN) == "Version 2"
    assert resolve_prompt(define(1)) == first.prompt, "the same code has the same name"


def test_functions_without_a_name_have_one_for_each_code():
    def saying(words):
        return lambda observation, cot: words

    names = [register_prompt("own:_lambda_", saying(words)) for words in ("one", "two", "one")]
    assert names[0] == names[2] != names[1]
    assert [PromptBuilder(name).text(SEEN) for name in names] == ["one", "two", "one"]
    assert register_prompt(names[0], saying("three"), replace=True) == names[0]
    assert PromptBuilder(names[0]).text(SEEN) == "three", "of a run that is resumed"


CODE = """
import functools
from vlm_agent.core.inspection.identity import identity_of
WORDS = "said"
def helper():
    return "helped"
def around(text, deep):
    def inner(observation, cot, *, form={{"a": 1}}):
        if cot in {{"x", "y", "z", "w"}}:
            return inner(observation, False)
        return text + WORDS + helper() + "".join(str(each) for each in deep)
    return inner
class Prompt:
    def __init__(self, text):
        self.text = text
    def __call__(self, observation, cot):
        return self.text
    def method(self, observation, cot):
        return self.text
inner = around("{text}", [1, ("b", None)])
found = [inner, functools.partial(inner, cot="{text}"), Prompt("{text}"), Prompt("{text}").method]
print(*(identity_of(each, whole=True) for each in found))
"""


def test_identities_are_the_same_in_all_processes():
    found = []
    for seed, text in (("1", "one"), ("2", "one"), ("3", "two")):
        run = subprocess.run(
            [sys.executable, "-c", CODE.format(text=text)],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )
        found.append(run.stdout.split())
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(found[0], found[2], strict=True))
    assert len(set(found[0])) == 4


def test_what_cannot_be_looked_into_is_told_apart():
    def saying(words):
        return lambda observation, cot: words[0]

    one, other = saying(np.array(["one"])), saying(np.array(["two"]))
    assert (
        identity_of(one, whole=True)
        == identity_of(one, whole=True)
        != identity_of(other, whole=True)
    )
    assert identity_of(functools.partial(one), whole=True) != identity_of(
        functools.partial(other), whole=True
    )
    assert not is_registered(f"own:_lambda_.{identity_of(one, whole=True)}")


def test_values_of_the_module_count(functions):
    spaces = [{"WORDS": words} for words in ("one", "two")]
    for space in spaces:
        exec("prompt = lambda observation, cot: WORDS", space)
    names = [register_prompt("own:_lambda_", space["prompt"]) for space in spaces]
    assert [PromptBuilder(name).text(SEEN) for name in names] == ["one", "two"]
    assert sorted(functions) == sorted(names)


class Words:
    def __init__(self, words):
        self._words = words

    def __call__(self, observation, cot):
        return " ".join(self._words)


def test_objects_with_other_private_lists_have_other_names():
    one, other = Words(["one"]), Words(["other"])
    names = [register_prompt("own:Words", each) for each in (one, other)]
    assert names[0] != names[1]
    assert [PromptBuilder(name).text(SEEN) for name in names] == ["one", "other"]

    def saying(words):
        return lambda observation, cot: words(observation, cot)

    names = [register_prompt("own:_lambda_", saying(each)) for each in (one, other)]
    assert [PromptBuilder(name).text(SEEN) for name in names] == ["one", "other"]
