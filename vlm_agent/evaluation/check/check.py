"""The check of an environment, from its attributes to batches of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np

from vlm_agent.core.checks import check_integer, check_kwargs
from vlm_agent.core.environments import EnvFactory, env_maker
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.inspection.look import EXPERTS, Visit, kind_faults, untouched_globals
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation
from vlm_agent.evaluation.check.batches import check_batches
from vlm_agent.evaluation.check.episodes import (
    Findings,
    Trace,
    again,
    dice,
    expert,
    record,
)
from vlm_agent.evaluation.check.offers import OfferChecks, check_games, check_lazy

RANDOM = "random"
_SPEED_STEPS = 300
_SPEED_SECONDS = 2.0


@dataclass(frozen=True)
class PlayerResult:
    """Episodes of a player in a check.

    Attributes:
        name: "random", "expert" or "demonstrate".
        episodes: Number of episodes.
        steps: Number of their steps.
        wins: Number of episodes that were a success.
        mean_return: Mean sum of rewards.
    """

    name: str
    episodes: int
    steps: int
    wins: int
    mean_return: float


@dataclass
class CheckResult:
    """Result of a check.

    Attributes:
        faults: What is wrong, in a sentence each, with the place where it was found first.
        notes: What may be meant so, but is worth a look.
        players: How each kind of player did.
        steps_per_second: Steps of random play per second, with resets; `None` if it cannot be
            played.
        observation: The first observation as an agent gets it; `None` if it cannot get any.
    """

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    players: list[PlayerResult] = field(default_factory=list)
    steps_per_second: float | None = None
    observation: Observation | None = None


def check_environment(
    env: str | EnvFactory,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    episodes: int = 3,
    seed: int = 0,
) -> CheckResult:
    """Tries everything that an agent relies on in an environment, and lists all that is wrong.

    Episodes are played by random actions and by the experts that the environment offers, repeated
    with the same seeds, and played in a batch.

    Args:
        env: An id, or a function that makes the environment.
        env_kwargs: Keyword arguments of the environment.
        episodes: Number of episodes of each kind of player, and of environments in a batch.
        seed: Random seed from which those of the episodes are derived.

    Raises:
        ValueError: If the environment cannot be made, or an argument is not of its kind.
    """
    env_kwargs = check_kwargs("env_kwargs", env_kwargs)
    make = env_maker(env, env_kwargs)
    seeds = episode_seeds("evaluation", seed, check_integer("episodes", episodes, 1))
    result, findings = CheckResult(), Findings()
    made: list[gym.Env[Any, Any]] = []
    with untouched_globals():
        try:
            made = [make(), make()]
            findings.add(kind_faults(made[0]))
            if not findings.faults:
                if made[0].unwrapped is made[1].unwrapped:
                    findings.add(
                        [
                            "the function that makes the environment returns the same one each "
                            "time: expected a new one"
                        ]
                    )
                _check(made, make, env, env_kwargs, seeds, findings, result)
        finally:
            for each in made:
                if isinstance(each, gym.Env):
                    each.close()
    result.faults = findings.faults
    return result


def _check(
    made: Sequence[gym.Env[Any, Any]],
    make: EnvFactory,
    env: str | EnvFactory,
    env_kwargs: dict[str, Any],
    seeds: Sequence[int],
    findings: Findings,
    result: CheckResult,
) -> None:
    first, second = made
    offers = OfferChecks(first, findings)
    task = Visit(first).task
    dealt = [record(first, s, dice(s), findings, RANDOM, offers.look) for s in seeds]
    result.players.append(_summary(RANDOM, dealt))
    for method in EXPERTS:
        if first.has_wrapper_attr(method):
            traces = [record(first, s, expert(method), findings, method) for s in seeds]
            result.players.append(_summary(method, traces))
            if not any(trace.won for trace in traces):
                result.notes.append(f"{method}() succeeds in none of {len(traces)} episodes")
    # Episodes that cannot be repeated alone cannot be repeated in a batch either.
    if _check_seeds(second, dealt, findings, result) and task is not None:
        check_batches(make, env, env_kwargs, task, dealt, findings)
    check_games(second, findings)
    check_lazy(make, dealt[0], findings)
    result.steps_per_second = _speed(second, seeds)
    try:
        result.observation = observe(task_of(second), *second.reset(seed=seeds[0]))
    except ProtocolError as error:
        findings.add([] if findings.faults else [str(error)])
    except Exception:  # noted by the episodes
        return
    if result.observation is not None and not result.observation.fields:
        result.notes.append("replies have nothing to read out of info['state']")


def _check_seeds(
    env: gym.Env[Any, Any], dealt: Sequence[Trace], findings: Findings, result: CheckResult
) -> bool:
    """Plays recorded episodes again, in another environment, in the opposite order.

    Returns:
        Whether they are the same.
    """
    for trace in reversed(dealt):
        repeated = record(env, trace.seed, again(trace.actions), Findings(), RANDOM)
        found = trace.difference(repeated)
        if found is not None:
            findings.add(
                [
                    f"two episodes with seed {trace.seed} and the same actions differ in {found}: "
                    "expected reset(seed=...) to pass the seed to super().reset, everything random "
                    "to come from self.np_random, and nothing to be left of earlier episodes"
                ]
            )
            return False
    starts = [trace.moments[0] for trace in dealt]
    alike = all(start.difference(starts[0]) is None for start in starts)
    if alike and len(dealt) > 1:
        result.notes.append(
            f"all {len(dealt)} episodes start alike, whatever the seed: is nothing random?"
        )
    return True


def _speed(env: gym.Env[Any, Any], seeds: Sequence[int]) -> float | None:
    """Returns steps per second of random play."""
    rng = np.random.default_rng(0)
    steps, started = 0, perf_counter()
    try:
        visit = Visit(env)
        going = visit.start(seeds[0])
        if not going:
            return None
        while steps < _SPEED_STEPS and perf_counter() - started < _SPEED_SECONDS:
            going = visit.play(int(rng.integers(len(visit.observation.actions))))
            steps += 1
            if not going:
                visit.start()
    except Exception:  # noted by the episodes
        return None
    return steps / (perf_counter() - started)


def _summary(name: str, traces: Sequence[Trace]) -> PlayerResult:
    return PlayerResult(
        name,
        len(traces),
        sum(len(trace.actions) for trace in traces),
        sum(trace.won for trace in traces),
        float(np.mean([trace.total for trace in traces])),
    )
