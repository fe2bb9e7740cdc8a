"""Batches of an environment, compared with single episodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from vlm_agent.core.environments import EnvFactory, env_id
from vlm_agent.core.protocol import InfoCarrier, split_infos
from vlm_agent.core.types import Task
from vlm_agent.evaluation.check.episodes import Findings, Moment, Trace

_MODE = gym.vector.AutoresetMode.SAME_STEP


def check_batches(
    make: EnvFactory,
    env: str | EnvFactory,
    env_kwargs: Mapping[str, Any],
    task: Task,
    dealt: Sequence[Trace],
    findings: Findings,
) -> None:
    """Plays recorded episodes at the same time, and compares them with the recorded ones.

    Args:
        make: Makes one environment.
        env: Its id, or the same function.
        env_kwargs: Keyword arguments of the id.
        task: Its task.
        dealt: The episodes.
        findings: Where faults are added.
    """
    if not all(trace.actions for trace in dealt):
        return  # it cannot be played alone
    count = len(dealt)
    with findings.errors_of("a batch of it"):
        envs = gym.vector.SyncVectorEnv([lambda: InfoCarrier(make())] * count, autoreset_mode=_MODE)
        _compare(envs, task, dealt, findings, "played at the same time as others")
    if not isinstance(env, str):
        return
    spec = gym.spec(env_id(env))
    if spec.vector_entry_point is None:
        return
    with findings.errors_of("gymnasium.make_vec"):
        batch = gym.make_vec(
            env_id(env),
            num_envs=count,
            vectorization_mode="vector_entry_point",
            autoreset_mode=_MODE,
            **env_kwargs,
        )
        _compare(batch, task, dealt, findings, "played in a batch of gymnasium.make_vec")


def _compare(
    envs: gym.vector.VectorEnv[Any, Any, Any],
    task: Task,
    dealt: Sequence[Trace],
    findings: Findings,
    how: str,
) -> None:
    """Plays the actions of recorded episodes, each up to its own end."""
    try:
        seeds: Any = [trace.seed for trace in dealt]  # each class types them in its own way
        pictures, infos = envs.reset(seed=seeds)
        rows = split_infos(infos, len(dealt))
        found = [Trace(trace.seed) for trace in dealt]
        for trace, picture, info in zip(found, pictures, rows, strict=True):
            trace.moments.append(Moment.of(picture, 0.0, False, info))
        for step in range(max(len(trace.actions) for trace in dealt)):
            actions = [
                _action(task, trace, step, row) for trace, row in zip(dealt, rows, strict=True)
            ]
            taken = tuple(actions) if task.action_names is None else np.array(actions)
            pictures, rewards, ends, cuts, infos = envs.step(taken)
            rows = split_infos(infos, len(dealt))
            lasts = split_infos(infos.get("final_info", {}), len(dealt))
            for index, trace in enumerate(found):
                if step >= len(dealt[index].actions):
                    continue
                ended = bool(ends[index] or cuts[index])
                picture = infos["final_obs"][index] if ended else pictures[index]
                info = lasts[index] if ended else rows[index]
                trace.moments.append(Moment.of(picture, rewards[index], ended, info))
                trace.actions.append(0)
        for single, batched in zip(dealt, found, strict=True):
            place = single.difference(batched)
            if place is not None:
                findings.add(
                    [
                        f"an episode that is {how} differs from the same one alone in {place}: "
                        "expected environments that share nothing"
                    ],
                    f"seed {single.seed}",
                )
                return
    finally:
        envs.close()


def _action(task: Task, trace: Trace, step: int, info: Mapping[str, Any]) -> Any:
    """Returns the recorded action, or any after the episode's end, as `step` takes it."""
    index = trace.actions[step] if step < len(trace.actions) else 0
    if task.action_names is None:
        return info["admissible_commands"][index]
    return task.first_action + index
