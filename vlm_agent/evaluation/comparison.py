"""Policies × environments -> one record each, in a file that an interrupted call goes on with."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_agent.evaluation.evaluate import Evaluation, about_evaluation, evaluate
from vlm_agent.evaluation.play import PolicyLike, Step
from vlm_agent.evaluation.progress_log import ProgressLog

Watch = Callable[[str, str, Any, int], AbstractContextManager["Callable[[Step], None] | None"]]
"""Of the policy's name, the environment, the policy, and how many episodes are over already."""


@dataclass(frozen=True)
class Lazy:
    """A policy that is loaded when its turn comes, and not at all where all its records are there.

    Attributes:
        load: Loads it.
        identity: What tells it from others of the same name, as plain values, such as how it is
            sampled from and a fingerprint of its files.
    """

    load: Callable[[], PolicyLike]
    identity: Mapping[str, Any] = field(default_factory=dict)


def compare(
    policies: Mapping[str, PolicyLike | Lazy],
    envs: Sequence[str],
    *,
    episodes: int = 100,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    regret: bool = False,
    json: str | Path | None = None,
    watch: Watch | None = None,
) -> Iterator[Evaluation]:
    """Evaluates every policy in every environment, all on the same episodes.

    With `json`, a file beside it, `<json>.progress`, keeps what has been played. The same call goes
    on from there after an interruption, and its records are those of a call that never stopped
    (but for the seconds). The file is removed when all is over; then the same call starts anew.

    Args:
        policies: By name, each as `evaluate` takes it.
        envs: Ids of environments.
        episodes: As for `evaluate`, for each policy in each environment, like what follows.
        seed: As for `evaluate`.
        num_envs: As for `evaluate`.
        env_kwargs: As for `evaluate`, of all environments.
        regret: As for `evaluate`.
        json: File for the records, one JSON object a line, written anew.
        watch: Makes a context for each evaluation that is played, whose value is called with every
            step.

    Yields:
        The records, as soon as each is known: all environments of a policy, one after the other.
    """
    progress = None if json is None else progress_file(json)
    # Opened before anything is played, so that a wrong path costs no time.
    with open(os.devnull if json is None else json, "w", encoding="utf-8") as records:
        for name, policy in policies.items():
            lazy = policy if isinstance(policy, Lazy) else Lazy(_already(policy))
            loaded: PolicyLike | None = None
            for env in envs:
                about = about_evaluation(
                    policy, env, name=name, episodes=episodes, seed=seed, num_envs=num_envs,
                    env_kwargs=env_kwargs, history_length=None, regret=regret,
                    identity=lazy.identity,
                )  # fmt: skip
                keeper: AbstractContextManager[ProgressLog | None] = (
                    nullcontext() if progress is None else closing(ProgressLog(progress, about))
                )
                with keeper as journal:
                    if journal is not None and journal.record is not None:
                        evaluation = Evaluation.of(journal.record)
                    else:
                        loaded = lazy.load() if loaded is None else loaded
                        over = 0 if journal is None else len(journal.over)
                        watched = nullcontext() if watch is None else watch(name, env, loaded, over)
                        with watched as on_step:
                            evaluation = evaluate(
                                loaded, env, episodes=episodes, seed=seed, num_envs=num_envs,
                                env_kwargs=env_kwargs, name=name, regret=regret, on_step=on_step,
                                progress=journal,
                            )  # fmt: skip
                records.write(json_format.dumps(evaluation.record()) + "\n")
                records.flush()
                yield evaluation
    if progress is not None:
        progress.unlink()


def _already(policy: PolicyLike) -> Callable[[], PolicyLike]:
    return lambda: policy


def progress_file(json: str | Path) -> Path:
    """Where an interrupted `compare` keeps what has been played."""
    return Path(json).with_name(f"{Path(json).name}.progress")
