"""Collecting groups of episodes with the same random seed, for algorithms without a critic."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from time import perf_counter
from typing import Any

import numpy as np

from vlm_agent.config.training.environments import EnvSpec, alternate
from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.protocol import legal_action
from vlm_agent.core.seeding import training_seeds
from vlm_agent.core.types import Demonstration
from vlm_agent.rollout.advantages import anchor
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout
from vlm_agent.rollout.collector import (
    ActingPolicy,
    common,
    correction,
    penalties_for,
    specs_of,
)
from vlm_agent.rollout.episode_runner import EpisodeRunner, FitHistory, Transition
from vlm_agent.rollout.metrics import RolloutMetrics


class GroupCollector:
    """Plays whole episodes, each random seed `group_size` times.

    The other arguments are those of `Collector`. Up to `num_envs` episodes are played at the same
    time. `collect` raises `ProtocolError` if two episodes with the same seed start differently.
    """

    def __init__(
        self,
        env: str | EnvFactory | Sequence[EnvSpec],
        num_envs: int,
        group_size: int,
        *,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        illegal_penalty: float | None = None,
        history_length: int = 0,
        fit_history: FitHistory | None = None,
        correct: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.group_size = group_size
        self._specs = specs_of(env, env_kwargs)
        self._history_length = history_length
        self._fit_history = fit_history
        # By place and source: whichever environments are played in it, each made when needed.
        self._runners: list[dict[int, EpisodeRunner]] = [{} for _ in range(num_envs)]
        self._due = [0.0] * len(self._specs)
        with ExitStack() as made:  # closed if another one cannot be made
            runners = []
            for place in range(num_envs):
                runners.append(self._runner(place, place % len(self._specs)))
                made.callback(runners[-1].close)
            self._penalties = penalties_for(self._specs, runners, illegal_penalty, correct)
            made.pop_all()
        self.illegal_penalty = common(self._penalties)
        self._correct = correct
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
            for index in range(len(self._runners)):
                if index in playing:
                    continue
                episode = next(waiting, None)
                if episode is None and metrics.steps < steps * len(self._runners):
                    waiting = iter(self._new_group())
                    episode = next(waiting)
                if episode is not None:
                    episode.begin(self._runner(index, episode.group.source))
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
        group = _Group(number, seed, self._next_source())
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
            self._penalties,
            corrections=[each for episode in episodes for each in episode.corrections],
            metrics=metrics,
            seconds=seconds,
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the number of groups played; every episode ends within its rollout."""
        return {"groups": self._groups, "due": list(self._due)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, in a new collector with equal arguments."""
        for _ in range(state["groups"] - self._groups):
            next(self._seeds)
        self._groups = state["groups"]
        self._due = list(state.get("due", self._due))

    @property
    def specs(self) -> Sequence[EnvSpec]:
        """The environments that are played."""
        return self._specs

    def change(self, specs: Sequence[EnvSpec]) -> list[int]:
        """Changes keyword arguments and weights of the environments, between rollouts.

        Args:
            specs: The same environments, perhaps with other arguments and weights.

        Returns:
            Nothing: no episode is in progress.
        """
        for source, (before, now) in enumerate(zip(self._specs, specs, strict=True)):
            for runners in self._runners if before.kwargs != now.kwargs else ():
                if (runner := runners.pop(source, None)) is not None:
                    runner.close()
        self._specs = tuple(specs)
        return []

    def _runner(self, place: int, source: int) -> EpisodeRunner:
        runners = self._runners[place]
        if source not in runners:
            env = self._specs[source].make()
            runners[source] = EpisodeRunner(env, self._history_length, self._fit_history)
            runners[source].source = source
        return runners[source]

    def _next_source(self) -> int:
        """Returns the number of the next group's environment."""
        turns = alternate([spec.weight for spec in self._specs], self._due)
        # Groups take turns over all processes, of which each plays every `processes`-th.
        return list(itertools.islice(turns, self._processes))[self._rank]

    def close(self) -> None:
        """Closes the environments."""
        for runners in self._runners:
            for runner in runners.values():
                runner.close()


class _Group:
    """Episodes with the same random seed, which must have the same first observation."""

    def __init__(self, number: int, seed: int, source: int) -> None:
        self.source = source
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
