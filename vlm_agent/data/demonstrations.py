"""Expert episodes -> replies to learn from, made on the fly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.expert import check_expert, explain, lesson
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import env_action, observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Demonstration, Task
from vlm_agent.rollout.resumable_env import (
    Resumable,
    bring_back,
    observation_from,
    observation_state,
)


class Demonstrator:
    """Plays environments by their own experts, and writes down a reply for every step.

    Args:
        env: An id, or a function that makes the environment; it has to offer `expert()`.
        num_envs: How many episodes run side by side, so that neighbouring demonstrations differ.
        random_share: The share of moves drawn uniformly from all actions, played and demonstrated
            with a reason that leads to them (`explain`), so that RL has something to teach.
        cot: Whether replies read out the state and reason.
        seed: Of the episodes and of the random moves.
        env_kwargs: Keyword arguments of the environment.
        history_length: How many steps of the episode observations remember.
        shown_share: The share of moves, drawn at random, that are demonstrated; the others are
            played alone. Fewer of the same episode make demonstrations, and batches, less alike.

    Raises:
        ProtocolError: If the environment has no expert.
        ValueError: If `random_share` is not from 0 to 1, or `shown_share` not above 0 and up to 1.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        *,
        num_envs: int = 16,
        random_share: float = 0.0,
        cot: bool = True,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        history_length: int = 0,
        shown_share: float = 1.0,
    ) -> None:
        if not 0 <= random_share <= 1:
            raise ValueError(f"random_share {random_share}: expected a share from 0 to 1")
        if not 0 < shown_share <= 1:
            raise ValueError(f"shown_share {shown_share}: expected a share above 0, up to 1")
        self.shown_share = shown_share
        self.random_share = random_share
        self.cot = cot
        self.history_length = history_length
        kwargs = dict(env_kwargs or {})
        self._envs = [Resumable(make_env(env, **kwargs)) for _ in range(num_envs)]
        check_expert(self._envs[0], "start from a model that plays already")
        self._rng = np.random.default_rng(seed)
        self._task = task_of(self._envs[0])
        self._now = [
            observe(self._task, *env.reset(seed=episode_seed))
            for env, episode_seed in zip(
                self._envs, episode_seeds("training", seed, num_envs), strict=True
            )
        ]

    def __iter__(self) -> Iterator[list[Demonstration]]:
        """Endless batches, one demonstration from each environment."""
        while True:
            yield [self._demonstrate(index) for index in range(len(self._envs))]

    def state_dict(self) -> dict[str, Any]:
        """How the next batch comes about: the environments, what they show, and random moves."""
        return {
            "envs": [
                {"env": env.state_dict(), "now": observation_state(now)}
                for env, now in zip(self._envs, self._now, strict=True)
            ],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, in a new demonstrator with equal arguments.

        Environments that do not come back begin a new episode, and a warning tells why.
        """
        self._now, _ = bring_back(self._envs, state["envs"], self._task)
        self._rng.bit_generator.state = state["rng"]

    def close(self) -> None:
        """Closes the environments."""
        for env in self._envs:
            env.close()

    def _demonstrate(self, index: int) -> Demonstration:
        move = self._move(index)
        while self.shown_share < 1 and self._rng.random() >= self.shown_share:
            move = self._move(index)
        return move

    def _move(self, index: int) -> Demonstration:
        env, observation = self._envs[index], self._now[index]
        if self._rng.random() < self.random_share:
            action = int(self._rng.integers(len(observation.actions)))
            reason = explain(env, observation, action)
        else:
            action, reason = lesson(env, observation)
        picture, _, terminated, truncated, info = env.step(env_action(observation, action))
        history = observation.remember(action, self.history_length)
        if terminated or truncated:
            (picture, info), history = env.reset(), ()
        self._now[index] = observe(self._task, picture, info, history)
        return Demonstration(observation, build_reply(observation, action, reason, cot=self.cot))


def demonstration_state(demonstration: Demonstration) -> dict[str, Any]:
    """A demonstration as plain values and arrays."""
    task = demonstration.observation.task
    return {
        "observation": observation_state(demonstration.observation),
        "description": task.description,
        "action_names": task.action_names,
        "reply": demonstration.reply,
        "learned": demonstration.learned,
    }


def demonstration_from(state: Mapping[str, Any]) -> Demonstration:
    """The demonstration that `demonstration_state` described."""
    names = state["action_names"]
    task = Task(state["description"], None if names is None else tuple(names))
    observation = observation_from(state["observation"], task)
    learned = state.get("learned")
    return Demonstration(observation, state["reply"], learned and (learned[0], learned[1]))
