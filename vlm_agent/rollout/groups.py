"""Collecting groups of episodes with the same random seed, for algorithms without a critic."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.expert import check_expert
from vlm_agent.core.protocol import legal_action
from vlm_agent.core.seeding import training_seeds
from vlm_agent.core.types import Demonstration
from vlm_agent.rollout.advantages import anchor
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout
from vlm_agent.rollout.collector import ActingPolicy, correction, penalty_for
from vlm_agent.rollout.episode_runner import EpisodeRunner, Transition
from vlm_agent.rollout.metrics import RolloutMetrics


class GroupCollector:
    """Plays whole episodes, each random seed `group_size` times.

    The other arguments are those of `Collector`. Up to `num_envs` episodes are played at the same
    time. `collect` raises `ProtocolError` if two episodes with the same seed start differently.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        num_envs: int,
        group_size: int,
        *,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        illegal_penalty: float | None = None,
        history_length: int = 0,
        correct: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.group_size = group_size
        self._runners = [
            EpisodeRunner(make_env(env, **(env_kwargs or {})), history_length)
            for _ in range(num_envs)
        ]
        self.task = self._runners[0].task
        self.illegal_penalty = penalty_for(self.task, illegal_penalty)
        self._correct = correct
        if correct:
            check_expert(self._runners[0].env, "train without imitation_coef")
        self._seed = seed
        # Each process plays every `processes`-th group.
        self._seeds = itertools.islice(training_seeds(seed), rank, None, processes)
        self._rank, self._processes = rank, processes
        self._groups = 0
        self.restarted: list[int] = []  # every episode ends within its rollout

    def collect(self, policy: ActingPolicy, steps: int) -> Rollout:
        """Plays whole groups until they hold at least `steps` steps for each environment.

        Steps are in the order of their episodes, and episodes in the order in which they began.
        """
        started = perf_counter()
        metrics = RolloutMetrics()
        episodes: list[_Episode] = []
        playing: dict[int, _Episode] = {}
        waiting: Iterator[_Episode] = iter(())
        while True:
            for index, runner in enumerate(self._runners):
                if index in playing:
                    continue
                episode = next(waiting, None)
                if episode is None and metrics.steps < steps * len(self._runners):
                    waiting = iter(self._new_group())
                    episode = next(waiting)
                if episode is not None:
                    episode.begin(runner)
                    playing[index] = episode
                    episodes.append(episode)
            if not playing:
                return self._rollout(episodes, metrics, perf_counter() - started)
            active = list(playing.values())
            replies = policy.act(
                [each.runner.observation for each in active], [each.rng for each in active]
            )
            for (index, episode), reply in zip(list(playing.items()), replies, strict=True):
                if self._correct:
                    episode.corrections.append(correction(episode.runner))
                action = legal_action(reply, episode.runner.observation, episode.rng)
                with metrics.in_environment():
                    transition = episode.runner.step(reply, action)
                episode.transitions.append(transition)
                metrics.add(transition)
                if transition.done:
                    del playing[index]

    def _new_group(self) -> list[_Episode]:
        number = self._rank + self._processes * self._groups
        seed = next(self._seeds)
        self._groups += 1
        group = _Group(number, seed)
        return [_Episode(group, self._draws(number, place)) for place in range(self.group_size)]

    def _draws(self, group: int, place: int) -> np.random.Generator:
        """Returns the generator of an episode's replies and of actions for illegal ones.

        It must be independent of the seeds; otherwise actions would correlate with the episode.
        """
        return np.random.default_rng([self._seed, 1, group, place])

    def _rollout(
        self, episodes: list[_Episode], metrics: RolloutMetrics, seconds: float
    ) -> Rollout:
        transitions: list[Transition] = []
        segments: list[EpisodeSegment] = []
        for env_id, episode in enumerate(episodes):
            start = len(transitions)
            transitions += episode.transitions
            segments.append(
                EpisodeSegment(
                    env_id,
                    list(range(start, len(transitions))),
                    done=True,
                    is_success=episode.transitions[-1].is_success,
                    group=episode.group.number,
                    seed=episode.group.seed,
                )
            )
        return Rollout.of(
            transitions,
            segments,
            self.illegal_penalty,
            corrections=[each for episode in episodes for each in episode.corrections],
            metrics=metrics,
            seconds=seconds,
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of groups played; every episode ends within its rollout."""
        return {"groups": self._groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, in a new collector with equal arguments."""
        for _ in range(state["groups"] - self._groups):
            next(self._seeds)
        self._groups = state["groups"]

    def close(self) -> None:
        """Closes the environments."""
        for runner in self._runners:
            runner.close()


class _Group:
    """Episodes with the same random seed, which must have the same first observation."""

    def __init__(self, number: int, seed: int) -> None:
        self.number = number
        self.seed = seed
        self._start: Hashable = None

    def check_start(self, runner: EpisodeRunner) -> None:
        found = anchor(runner.observation)
        self._start = self._start or found
        if found != self._start:
            raise ProtocolError(
                f"{runner.env}: two episodes that were reset with the same seed, {self.seed}, "
                "start with different pictures or prompts, so their returns cannot be compared. "
                "Let reset(seed=...) pass the seed to super().reset and draw all that is random "
                "from self.np_random, or train with --algorithm ppo"
            )


class _Episode:
    """An episode of a group."""

    runner: EpisodeRunner

    def __init__(self, group: _Group, rng: np.random.Generator) -> None:
        self.group = group
        self.rng = rng
        self.transitions: list[Transition] = []
        self.corrections: list[Demonstration] = []

    def begin(self, runner: EpisodeRunner) -> None:
        """Starts the episode in the environment of a runner."""
        self.runner = runner
        runner.reset(self.group.seed)
        self.group.check_start(runner)
