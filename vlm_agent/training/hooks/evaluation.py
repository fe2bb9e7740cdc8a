"""Evaluation while training: on episodes of its own, without an effect on the training."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.training.environments import EnvSpec, env_specs
from vlm_agent.core.run_directory import BEST, UNFINISHED
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.system.disk import writing
from vlm_agent.core.types import Observation, Reply
from vlm_agent.distributed.processes import Processes
from vlm_agent.evaluation.play import play
from vlm_agent.evaluation.summary import EpisodeResult, summarise
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.saving.random_state import keeping_random_state

EVALUATION_FILE = "evaluation.json"
# Of every run, so that runs with different seeds are measured in the same episodes.
_SEED = 0
_LOGGED = ("mean_return", "mean_length", "illegal_rate", "perception")


def check_eval_env(config: SFTConfig | PPOConfig) -> None:
    """Makes the environments of evaluations, so that a wrong one ends no run that has begun.

    Raises:
        ValueError: If one cannot be made.
    """
    for spec in env_specs(config.eval_env, config.eval_env_kwargs):
        spec.make().close()


class PeriodicEvaluation:
    """Evaluates a policy every so many steps, keeps the best one, and says when to stop.

    All methods must be called in all processes, which share the episodes.

    Args:
        config: The options.
        policy: The policy that is trained.
        envs: The environments of the training.
        processes: The processes that train together.
        num_envs: Number of episodes that each process plays in parallel.

    Attributes:
        without_improvement: Number of evaluations in a row that were not better than the best.
    """

    def __init__(
        self,
        config: SFTConfig | PPOConfig,
        policy: GatheredPolicy,
        envs: Sequence[EnvSpec],
        processes: Processes,
        num_envs: int,
    ) -> None:
        self._envs = env_specs(config.eval_env, config.eval_env_kwargs) or tuple(envs)
        self._config = config
        self._policy = policy
        self._processes = processes
        self._num_envs = num_envs
        self._best: list[float] | None = None
        self.without_improvement = 0

    def is_due(self, before: int, now: int, *, last: bool) -> bool:
        """Returns whether a multiple of `eval_every` lies in the update that just ended."""
        every = self._config.eval_every
        return last or now // every > before // every

    @property
    def is_over(self) -> bool:
        """True if as many evaluations in a row were no better as `early_stopping_patience` says."""
        patience = self._config.early_stopping_patience
        return 0 < patience <= self.without_improvement

    def evaluate(self, step: int) -> dict[str, float | None]:
        """Evaluates the policy, saves it if it is the best so far, and returns what is logged.

        Args:
            step: Steps of training so far.
        """
        started = time.perf_counter()
        results = [self._results(spec) for spec in self._envs]
        metrics = _metrics("eval", [each for found in results for each in found])
        if len(self._envs) > 1:
            for spec, found in zip(self._envs, results, strict=True):
                metrics |= _metrics(f"eval/{spec.label}", found)
        score = [metrics["eval/success_rate"] or 0.0, metrics["eval/mean_return"] or 0.0]
        if self._best is None or score > self._best:
            self._best, self.without_improvement = score, 0
            self._save({"step": step, **metrics})
        else:
            self.without_improvement += 1
        metrics["time/eval_seconds"] = time.perf_counter() - started
        return metrics

    def unmeasured(self) -> dict[str, None]:
        """Returns the keys of `evaluate`, for the rows between evaluations."""
        places = ["eval", *(f"eval/{s.label}" for s in self._envs if len(self._envs) > 1)]
        names = ("episodes", "success_rate", "success_low", "success_high", *_LOGGED)
        keys = [f"{place}/{name}" for place in places for name in names]
        return dict.fromkeys([*keys, "time/eval_seconds"])

    def extended(self) -> None:
        """Gives a run that is made longer its patience back."""
        self.without_improvement = 0

    def state_dict(self) -> dict[str, Any]:
        """Returns the score of the best policy, and the number of evaluations since."""
        return {"best": self._best, "without_improvement": self.without_improvement}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken."""
        self._best = state["best"]
        self.without_improvement = state["without_improvement"]
        place, _, old = self._places()
        if self._processes.is_main and old.exists() and not place.exists():
            old.rename(place)  # a crash came between two renames

    def _results(self, spec: EnvSpec) -> list[EpisodeResult]:
        """Plays this process's share of the episodes, and returns the results of all of them."""
        processes = self._processes
        share = _Share(
            self._policy.policy, processes.rank, processes.count, self._config.eval_episodes
        )
        playing: dict[int, EpisodeResult] = {}
        with _undisturbed(self._policy.policy, self._config, processes):
            for step in (
                play(share, spec.make, episodes=len(share.seeds), num_envs=self._num_envs)
                if share.seeds
                else ()
            ):
                playing.setdefault(step.episode, EpisodeResult()).add(step)
        found = processes.gather([playing[number] for number in sorted(playing)])
        return [each for part in found for each in part]

    def _places(self) -> tuple[Path, Path, Path]:
        """Returns the folders of the best policy, of the next one, and of the one before it."""
        place = Path(self._config.out) / BEST
        return (
            place,
            place.with_name(BEST + UNFINISHED),
            place.with_name(f"{BEST}.old{UNFINISHED}"),
        )

    def _save(self, result: Mapping[str, Any]) -> None:
        """Replaces the best policy; what is there is complete at any time."""
        self._policy.gather()
        if self._processes.is_main:
            place, fresh, old = self._places()
            for each in (fresh, old):
                shutil.rmtree(each, ignore_errors=True)
            with writing(fresh):
                self._policy.save(fresh)
            text = json.dumps(result, indent=2) + "\n"
            (fresh / EVALUATION_FILE).write_text(text, encoding="utf-8")
            if place.exists():
                place.rename(old)
            fresh.rename(place)
            shutil.rmtree(old, ignore_errors=True)
        self._policy.release()


class _Share:
    """The policy, with this process's share of the episodes."""

    def __init__(self, policy: VLMPolicy, rank: int, count: int, episodes: int) -> None:
        self._policy = policy
        self.history_length = policy.history_length
        self.fit_history = policy.fit_history
        self.seeds = episode_seeds("validation", _SEED, episodes)[rank::count]

    def choose_seeds(self, *_: Any) -> Sequence[int]:
        """Returns the seeds of the episodes."""
        return self.seeds

    def act(
        self,
        observations: Sequence[Observation],
        draws: Sequence[np.random.Generator] | None = None,
    ) -> Sequence[Reply]:
        """Replies with the policy, each with the generator of its episode and step."""
        return self._policy.act(observations, draws)


@contextmanager
def _undisturbed(
    policy: VLMPolicy, config: SFTConfig | PPOConfig, processes: Processes
) -> Iterator[None]:
    """Readies a policy to be evaluated, and leaves it as it was, with its random generators."""
    settings, drawn = policy.generation_config, policy.generator.get_state()
    if config.eval_temperature is not None:
        policy.generation_config = replace(settings, temperature=config.eval_temperature)
    try:
        with keeping_random_state(), processes.gathered(), policy.writing():
            yield
    finally:
        policy.generation_config = settings
        policy.generator.set_state(drawn)
        policy.encoder.preparer.metrics()  # which count from the last call


def _metrics(place: str, results: Sequence[EpisodeResult]) -> dict[str, float | None]:
    found = summarise(results, env="", policy="")
    low, high = found.success_interval
    return {
        f"{place}/episodes": found.episodes,
        f"{place}/success_rate": found.success_rate,
        f"{place}/success_low": low,
        f"{place}/success_high": high,
        **{f"{place}/{name}": getattr(found, name) for name in _LOGGED},
    }
