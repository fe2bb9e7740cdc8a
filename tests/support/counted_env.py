"""An environment that counts how many of its kind are open."""

import threading
import time
from contextlib import contextmanager
from typing import ClassVar

import gymnasium as gym
import numpy as np


class CountedEnv(gym.Env):
    """Counts steps; after `length` of them the episode ends, a success if all were "go"."""

    observation_space = gym.spaces.Box(0, 255, (8, 8, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)
    task_description = "Go on until the end."
    action_names = ("go", "stop")

    _open: ClassVar[set[int]] = set()
    _lock = threading.Lock()

    def __init__(self, length=3, seconds=0.0, games=None):
        self.length, self.seconds, self.game_names = length, seconds, games
        with self._lock:
            self._open.add(id(self))

    @classmethod
    def alive(cls):
        return len(cls._open)

    @classmethod
    @contextmanager
    def registered(cls, **kwargs):
        name = "counted/Counted-v0"
        gym.register(name, entry_point=cls, kwargs=kwargs)
        try:
            yield name
        finally:
            del gym.registry[name]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps, self.stopped = 0, False
        self.game = (options or {}).get("game")
        return self._picture(), self._info()

    def step(self, action):
        time.sleep(self.seconds)
        self.steps += 1
        self.stopped |= action == 1
        over = self.steps == self.length
        return self._picture(), float(action == 0), over, False, self._info(over)

    def close(self):
        with self._lock:
            self._open.remove(id(self))  # fails if it is closed twice

    def _picture(self):
        return self.np_random.integers(256, size=(8, 8, 3), dtype=np.uint8)

    def _info(self, over=False):
        state = {"steps": str(self.steps), "game": str(self.game)}
        return {"state": state, "is_success": over and not self.stopped}
