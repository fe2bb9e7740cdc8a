"""Environments of a stranger: a right one, which tests spoil."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces

LEFT_OUT = object()


class Doors(gym.Env):
    """Three rounds of choosing the door that is lit. Keyword arguments replace what it offers.

    A function among them is called with the environment and what would have been returned.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012
    task_description = "One of two doors is lit. Choose it, three times."
    action_names = ("left", "right")
    rounds = 3
    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(0, 255, (8, 8, 3), np.uint8)

    def __init__(self, render_mode=None, info=None, picture=None, outcome=None, **attributes):
        self.render_mode = render_mode
        self.changes = {"info": info, "picture": picture, "outcome": outcome}
        for name, value in attributes.items():
            setattr(self, name, value)
        self.round = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.round, self.right = 0, 0
        return self._moment()

    def step(self, action):
        assert self.action_space.contains(action), action
        good = action - self.action_space.start == self.lit
        self.round += 1
        self.right += good
        outcome = self._changed("outcome", (float(good), self.round == self.rounds, False))
        picture, info = self._moment()
        return picture, *outcome, info

    def expert(self):
        return self.lit + self.action_space.start, f"the {self.action_names[self.lit]} door is lit"

    def render(self):
        picture = np.zeros((8, 8, 3), np.uint8)
        picture[:, 4 * self.lit : 4 * self.lit + 4] = 255
        return picture

    def _moment(self):
        self.lit = int(self.np_random.integers(2))
        info = {
            "state": {"lit door": ("left", "right")[self.lit]},
            "is_success": self.right == self.rounds,
        }
        return self._changed("picture", self.render()), self._changed("info", info)

    def _changed(self, name, value):
        change = self.changes[name]
        return value if change is None else change(self, value)


def telling(**keys):
    """Returns a change of infos: keys with other values, or functions of the environment."""

    def change(env, info):
        new = {key: each(env) if callable(each) else each for key, each in keys.items()}
        return {key: each for key, each in {**info, **new}.items() if each is not LEFT_OUT}

    return change
