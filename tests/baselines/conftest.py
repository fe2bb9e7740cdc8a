"""Fixtures of the baselines' tests."""

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from vlm_agent.evaluation import players

TOY = "toy/Sides-v0"


class Sides(gym.Env):
    """Shows a picture with a bright half, left or right, to be named: three rounds of a point."""

    task_description = "Name the bright side."
    action_names = ("left", "right")
    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(0, 255, (40, 40, 3), np.uint8)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, rounds=3, render_mode=None):
        self.rounds, self.render_mode = rounds, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.round, self.right = 0, 0
        return self._deal()

    def step(self, action):
        good = action == self.side
        self.round += 1
        self.right += good
        return self._deal(float(good))

    def render(self):
        return self.picture.copy()

    def _deal(self, *reward):
        self.side = int(self.np_random.integers(2))
        self.picture = np.zeros((40, 40, 3), np.uint8)
        self.picture[:, 20 * self.side : 20 * (self.side + 1)] = 200
        state = {"side": self.action_names[self.side], "round": str(self.round)}
        success = self.right == self.rounds
        info = {"state": state, "given": ("round",), "is_success": success}
        if not reward:
            return self.picture, info
        return self.picture, reward[0], self.round == self.rounds, False, info


@pytest.fixture(autouse=True, scope="session")
def _toy():
    gym.register(TOY, Sides)
    torch.set_num_threads(1)
    yield
    gym.registry.pop(TOY)


@pytest.fixture(autouse=True)
def _declared_players(monkeypatch):
    """Finds the entry points of pyproject.toml, whatever is installed."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    group = players.ENTRY_POINTS
    declared = tomllib.loads(text)["project"]["entry-points"][group]
    found = [EntryPoint(name, value, group) for name, value in declared.items()]
    monkeypatch.setattr(players.metadata, "entry_points", lambda group: found)
