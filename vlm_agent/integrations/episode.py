"""One environment that is played reply by reply, and does not reset itself after an episode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.parsing import read_reply
from vlm_agent.core.protocol import legal_action
from vlm_agent.core.types import Observation, Reply
from vlm_agent.rollout.episode_runner import EpisodeRunner


class Episode:
    """An environment and the state of its episode.

    Args:
        env: An id, or a function that makes the environment.
        env_kwargs: Keyword arguments of the environment.

    Attributes:
        task: The task, the same in all episodes.
        observation: The current observation.
        reward: The reward of the last step; 0 after `reset`.
        total_reward: The sum of the episode's rewards so far.
        over: Whether the episode has ended.
        truncated: Whether it was cut off by a time limit.
        success: Whether it is a success so far; when it has ended, whether it was one.
    """

    def __init__(self, env: str | EnvFactory, env_kwargs: Mapping[str, Any] | None = None) -> None:
        self._runner = EpisodeRunner(make_env(env, **(env_kwargs or {})))
        self.task = self._runner.task
        self.over = True
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Observation:
        """Starts an episode.

        Args:
            seed: Random seed of the episode, and of the actions in place of replies that name none.
            options: Options of the environment's `reset`.
        """
        self.observation = self._runner.reset(seed, options)
        self._rng = np.random.default_rng(None if seed is None else [seed, 1])
        self.reward = self.total_reward = 0.0
        self.over = self.truncated = False
        self.success = self._runner.is_success
        return self.observation

    def play(self, action: int) -> Observation:
        """Plays an action, by its index into `observation.actions`.

        Raises:
            ValueError: If the episode has ended.
        """
        return self._play(Reply("", action), action)

    def answer(self, text: str) -> bool:
        """Plays the action that a reply names, or a random legal one if it names none.

        Returns:
            Whether it names one.

        Raises:
            ValueError: If the episode has ended.
        """
        reply = read_reply(text, self.observation.actions)
        self.play_reply(reply)
        return reply.action is not None

    def play_reply(self, reply: Reply) -> int:
        """Plays the action of a reply, or a random legal one if it has none.

        Returns:
            The action that was played, an index into the actions before it.

        Raises:
            ValueError: If the episode has ended.
        """
        action = legal_action(reply, self.observation, self._rng)
        self._play(reply, action)
        return action

    def close(self) -> None:
        """Closes the environment."""
        self._runner.close()

    def _play(self, reply: Reply, action: int) -> Observation:
        if self.over:
            raise ValueError("the episode is over: no action can be played any more")
        played = self._runner.step(reply, action)
        self.reward, self.total_reward = played.reward, played.episode_return
        self.over, self.truncated = played.done, played.truncated and not played.terminated
        self.success = played.is_success
        self.observation = self._runner.last_observation()
        return self.observation
