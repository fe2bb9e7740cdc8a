"""Texts of several processes, through Gymnasium's shared memory."""

import copy

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv

import gym_cards  # noqa: F401
from gym_cards.core.shared_text import SharedText
from gym_cards.wrappers import TextObservation

LINES = ("a bed", "", "é, “quoted”\nand 🂡", "x" * 40)


class Speaker(gym.Env):
    """Says one line after the other, from the one of its seed."""

    action_space = gym.spaces.Text(10)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.line = seed
        return self._said(), {"admissible_commands": LINES[: seed + 1]}

    def step(self, action):
        self.line += 1
        return self._said(), 0.0, False, False, {"answer": action * self.line}

    def _said(self):
        text = LINES[self.line % len(LINES)]
        return {"text": text, "line": self.line} if "Dict" in repr(self.observation_space) else text


@pytest.mark.parametrize("copies", [True, False])
def test_two_processes_observe_text(copies):
    text = SharedText(40, min_length=0)
    space = gym.spaces.Dict({"text": text, "line": gym.spaces.Discrete(9)})
    envs = AsyncVectorEnv([lambda: Speaker(space)] * 2, copy=copies)
    first, infos = envs.reset(seed=[0, 1])
    assert tuple(first["text"]) == LINES[:2]
    assert infos["admissible_commands"].tolist() == [LINES[:1], LINES[:2]]
    second, *_, infos = envs.step(("no", "yes"))
    assert tuple(second["text"]) == LINES[1:3]
    assert infos["answer"].tolist() == ["no", "yesyes"]
    third, *_ = envs.step(("", ""))
    assert tuple(third["text"]) == LINES[2:]
    assert third["line"].tolist() == [2, 3]
    assert (first["text"] == LINES[:2]) is copies, "without copies the observation is the last one"
    envs.close()


def test_a_shared_text_is_a_text():
    text = SharedText(40, min_length=0)
    assert text == gym.spaces.Text(40, min_length=0)
    assert copy.deepcopy(text) == text
    assert text.contains("abc")


def test_shared_texts_are_a_sequence():
    from gymnasium.vector.utils import (
        create_shared_memory,
        read_from_shared_memory,
        write_to_shared_memory,
    )

    space = SharedText(8)
    memory = create_shared_memory(space, n=3)
    texts = read_from_shared_memory(space, memory, n=3)
    for index, line in enumerate(("one", "two", "three")):
        write_to_shared_memory(space, index, line, memory)
    assert (len(texts), texts[1], texts[-1], texts[1:]) == (3, "two", "three", ("two", "three"))
    assert repr(texts) == "('one', 'two', 'three')"
    write_to_shared_memory(space, 2, "3", memory)
    assert list(texts) == ["one", "two", "3"]
    with pytest.raises(ValueError, match="has 9 characters: expected at most 8"):
        write_to_shared_memory(space, 0, "too much!", memory)
    assert np.array_equal(texts, ["one", "two", "3"])


@pytest.mark.slow
def test_two_processes_play_the_household():
    """Observations, commands of different numbers, and answers in words."""
    envs = gym.make_vec(
        "gym_cards/ALFWorld-v0",
        2,
        vectorization_mode="async",
        wrappers=[TextObservation],
        size=150,
    )
    texts, infos = envs.reset(seed=0)
    for text, task in zip(texts, infos["task"], strict=True):
        assert text.startswith(f"task: {task}\nlocation: middle of the room\n")
    commands = [
        next(command for command in commands if command.startswith("go to "))
        for commands in infos["admissible_commands"]
    ]
    texts, *_, infos = envs.step(tuple(commands))
    for text, command, answer in zip(texts, commands, infos["observation_text"], strict=True):
        place = command.removeprefix("go to ")
        assert place in text.splitlines()[1]
        assert f"You arrive at {place}." in answer
    envs.close()
