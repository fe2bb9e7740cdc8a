"""One environment, played reply by reply, that stays where it is when an episode has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.parsing import parse
from vlm_agent.core.protocol import (
    check_reward,
    env_action,
    legal_action,
    observe,
    succeeded,
    task_of,
)
from vlm_agent.core.types import Observation, Reply, Task


class Episode:
    """An environment and where its episode stands.

    Args:
        env: An id, or a function that makes the environment.
        env_kwargs: Keyword arguments of the environment.

    Attributes:
        task: What stays the same from episode to episode.
        observation: What the environment shows now.
        reward: The reward of the last step; 0 after `reset`.
        total_reward: The sum of the episode's rewards so far.
        over: Whether the episode has ended.
        truncated: Whether it was cut off by a limit of time.
        success: Whether it is a success so far; when it has ended, whether it was one.
    """

    def __init__(self, env: str | EnvFactory, env_kwargs: Mapping[str, Any] | None = None) -> None:
        self._env = make_env(env, **(env_kwargs or {}))
        self.task: Task = task_of(self._env)
        self.over = True
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int | None = None) -> Observation:
        """Starts an episode.

        Args:
            seed: Of the episode, and of moves that are drawn where a reply names none.
        """
        picture, info = self._env.reset(seed=seed)
        self._rng = np.random.default_rng(None if seed is None else [seed, 1])
        self.observation = observe(self.task, picture, info)
        self.reward = self.total_reward = 0.0
        self.over = self.truncated = False
        self.success = succeeded(info)
        return self.observation

    def play(self, action: int) -> Observation:
        """Plays an action, by its index into `observation.actions`.

        Raises:
            ValueError: If the episode has ended.
        """
        if self.over:
            raise ValueError("the episode is over: no action can be played any more")
        move = env_action(self.observation, action)
        picture, reward, terminated, truncated, info = self._env.step(move)
        check_reward(reward, self._env)
        self.reward = float(reward)
        self.total_reward += self.reward
        self.over, self.truncated = terminated or truncated, truncated and not terminated
        self.success = succeeded(info)
        self.observation = observe(self.task, picture, info)
        return self.observation

    def answer(self, text: str) -> bool:
        """Plays the action that a reply names, or a random legal one if it names none.

        Returns:
            Whether it names one.

        Raises:
            ValueError: If the episode has ended.
        """
        action = parse(text, self.observation.actions).action
        self.play(legal_action(Reply(text, action), self.observation, self._rng))
        return action is not None

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()
