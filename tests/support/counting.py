"""An environment whose every moment is told apart, and a policy that plays a script."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from vlm_agent.core.types import Reply


class Scripted:
    """A policy that plays given actions; a state's value is the digit that its picture shows."""

    def __init__(self, actions):
        self.actions = list(actions)
        self.asked = []
        self.acted = []

    def act(self, observations, draws=None):
        self.acted.append(observations)
        action = self.actions.pop(0)
        return [
            Reply("", action, (1, 2), 1, (-1.0, -1.0), self._value(each)) for each in observations
        ]

    def values(self, observations):
        self.asked.append(observations)
        return [self._value(each) for each in observations]

    def _value(self, observation):
        return float(observation.image[0, 0, 0])


class Counting(gym.Env):
    """Shows how many steps were made in all its life; "end" ends the episode, "on" does not."""

    task_description = "Count."
    action_names = ("on", "end")

    def __init__(self):
        self.observation_space = spaces.Box(0, 255, (2, 2, 3), np.uint8)
        self.action_space = spaces.Discrete(2)
        self.shown = 0

    def _moment(self):
        info = {
            "state": {"number": str(self.shown)},
            "given": ("number",),
            "task": f"episode goal {self.shown}",
            "is_success": True,
        }
        return np.full((2, 2, 3), self.shown, np.uint8), info

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.shown += 10
        return self._moment()

    def step(self, action):
        self.shown += 1
        picture, info = self._moment()
        return picture, 1.0, action == 1, False, info


class Restarting(Counting):
    """Counts from 0 again in every episode, so that episodes of one seed start alike."""

    def reset(self, *, seed=None, options=None):
        self.shown = -10
        return super().reset(seed=seed, options=options)


def limited_restarting():
    return gym.wrappers.TimeLimit(Restarting(), 2)


def limited():
    return gym.wrappers.TimeLimit(Counting(), 2)
