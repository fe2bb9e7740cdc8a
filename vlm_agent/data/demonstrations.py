"""Demonstrations made on the fly: experts play environments, and every step becomes a reply."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from vlm_agent.core.checks import check_integer, check_kwargs
from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.expert import check_expert, explain, lesson
from vlm_agent.core.prompt_builder import History
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Demonstration, Observation, Reply, Task
from vlm_agent.data.prefetch import Wanted
from vlm_agent.rollout.episode_runner import EpisodeRunner
from vlm_agent.rollout.resumable_env import Resumable
from vlm_agent.rollout.runner_state import (
    observation_from,
    observation_state,
    restore_runners,
    runner_state,
)


class Demonstrator:
    """Plays environments with their own experts and writes a reply for every step.

    Args:
        env: An environment id, or a function that makes the environment; it has to offer
            `expert()`.
        num_envs: Number of episodes played at the same time, so that neighbouring demonstrations
            differ.
        random_share: Share of moves drawn uniformly from all actions, which are played and
            demonstrated with a reason that leads to them (`explain`), so that RL has something to
            teach.
        detour_share: Share of steps in which such a move is played, and never demonstrated: the
            moves that are demonstrated then start also from where mistakes lead (Laskey et al.
            2017, "DART: Noise Injection for Robust Imitation Learning").
        cot: Whether replies read out the state and reason.
        seed: Random seed of the episodes and of the random moves.
        env_kwargs: Keyword arguments of the environment.
        history_length: Number of earlier steps of the episode that observations hold.
        history: How prompts will show them; for replies, all moves get one.
        shown_share: Share of moves, drawn at random, that are demonstrated; the others are only
            played. Fewer of the same episode make demonstrations, and batches, less alike.

    Raises:
        ProtocolError: If the environment has no expert.
        ValueError: If `random_share` is not from 0 to 1, `detour_share` not from 0 to below 1,
            `shown_share` not above 0 and up to 1, or another argument not of its kind.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        *,
        num_envs: int = 16,
        random_share: float = 0.0,
        detour_share: float = 0.0,
        cot: bool = True,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        history_length: int = 0,
        history: History = "steps",
        shown_share: float = 1.0,
    ) -> None:
        num_envs = check_integer("num_envs", num_envs, 1)
        history_length = check_integer("history_length", history_length, 0)
        seeds = episode_seeds("training", seed, num_envs)
        kwargs = check_kwargs("env_kwargs", env_kwargs)
        if history not in get_args(History):
            raise ValueError(f"history={history!r}: expected one of {get_args(History)}")
        if not 0 <= random_share <= 1:
            raise ValueError(f"random_share {random_share}: expected a share from 0 to 1")
        if not 0 <= detour_share < 1:
            raise ValueError(f"detour_share {detour_share}: expected a share from 0 to below 1")
        if not 0 < shown_share <= 1:
            raise ValueError(f"shown_share {shown_share}: expected a share above 0, up to 1")
        self.shown_share = shown_share
        self.random_share = random_share
        self.detour_share = detour_share
        self.cot = cot
        self._replies_are_shown = history == "replies"
        self._seed = seed
        fit = Observation.with_actions_alone if history == "actions" else None
        lazy = history_length == 0 or history == "actions"
        self._runners = [
            EpisodeRunner(Resumable(make_env(env, **kwargs)), history_length, fit, lazy=lazy)
            for _ in range(num_envs)
        ]
        self._env, self._env_kwargs = env, kwargs
        self._openers: list[EpisodeRunner] = []
        check_expert(self._runners[0].env, "start from a model that plays already")
        self._rng = np.random.default_rng(seed)
        for runner, episode_seed in zip(self._runners, seeds, strict=True):
            runner.reset(episode_seed)

    def __iter__(self) -> Iterator[list[Demonstration]]:
        """Yields endless batches, one demonstration from each environment."""
        return self.batches(itertools.repeat("pictures"))

    def batches(self, wanted: Iterable[Wanted]) -> Iterator[list[Demonstration]]:
        """Yields batches, one demonstration from each environment.

        Args:
            wanted: For each batch, what of it will be looked at. Environments that offer it do not
                draw pictures that are not, which are black then. Openings are played in
                environments of their own, and the other episodes continue unchanged.
        """
        for need in wanted:
            if need == "openings":
                yield [self._open(runner) for runner in self._opened()]
            else:
                yield [self._demonstrate(runner, need == "pictures") for runner in self._runners]

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the environments and of the random moves."""
        return {
            "runners": [runner_state(runner) for runner in self._runners],
            "openers": [runner_state(runner) for runner in self._openers],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, in a new demonstrator with equal arguments.

        Environments that do not come back start a new episode, and a warning says why.
        """
        restore_runners(self._runners, state["runners"])
        if state.get("openers"):
            restore_runners(self._opened(), state["openers"])
        self._rng.bit_generator.state = state["rng"]

    def close(self) -> None:
        """Closes the environments."""
        for runner in (*self._runners, *self._openers):
            runner.close()

    def _opened(self) -> list[EpisodeRunner]:
        """Returns the environments of openings, at the first step of an episode."""
        if not self._openers:
            count = len(self._runners)
            self._openers = [
                EpisodeRunner(Resumable(make_env(self._env, **self._env_kwargs)), lazy=True)
                for _ in range(count)
            ]
            seeds = episode_seeds("training", self._seed, 2 * count)[count:]
            for runner, seed in zip(self._openers, seeds, strict=True):
                runner.reset(seed)
        return self._openers

    def _open(self, runner: EpisodeRunner) -> Demonstration:
        """Returns a demonstration of an episode's first step, and begins the next episode."""
        observation = runner.observation
        action, reason = self._move(runner)
        demonstration = Demonstration(observation, self._reply(runner, action, reason))
        runner.reset()
        return demonstration

    def _move(self, runner: EpisodeRunner, *, at_random: bool = False) -> tuple[int, str | None]:
        """Returns an action, and a reason unless it is random."""
        if at_random or self._rng.random() < self.random_share:
            return int(self._rng.integers(len(runner.observation.actions))), None
        return lesson(runner.env, runner.observation)

    def _reply(self, runner: EpisodeRunner, action: int, reason: str | None) -> str:
        if reason is None:
            reason = explain(runner.env, runner.observation, action)
        return build_reply(runner.observation, action, reason, cot=self.cot)

    def _demonstrate(self, runner: EpisodeRunner, pictures: bool) -> Demonstration:
        while True:
            is_detour = self.detour_share > 0 and self._rng.random() < self.detour_share
            action, reason = self._move(runner, at_random=is_detour)
            shown = not is_detour and (
                self.shown_share == 1 or self._rng.random() < self.shown_share
            )
            observation = runner.look() if shown and pictures else runner.observation
            needs_text = shown or self._replies_are_shown
            text = self._reply(runner, action, reason) if needs_text else ""
            if runner.step(Reply(text, action), action).done:
                runner.reset()
            if shown:
                return Demonstration(observation, text)


def demonstration_state(demonstration: Demonstration) -> dict[str, Any]:
    """Returns a demonstration as plain values and arrays."""
    return {
        "observation": observation_state(demonstration.observation),
        "task": asdict(demonstration.observation.task),
        "reply": demonstration.reply,
        "learned": demonstration.learned,
    }


def demonstration_from(state: Mapping[str, Any]) -> Demonstration:
    """Returns the demonstration that `demonstration_state` described."""
    task = dict(state["task"])
    if task["action_names"] is not None:  # a list, once it was saved
        task["action_names"] = tuple(task["action_names"])
    observation = observation_from(state["observation"], Task(**task))
    learned = state.get("learned")
    return Demonstration(observation, state["reply"], learned and (learned[0], learned[1]))
