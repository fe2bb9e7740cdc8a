"""Evaluation of several policies in several environments, resumable after an interruption."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any

from vlm_agent.evaluation.evaluate import about_evaluation, evaluate
from vlm_agent.evaluation.play import PolicyLike, Step
from vlm_agent.evaluation.players import LazyPolicy, resolve_policy
from vlm_agent.evaluation.progress_log import ProgressLog
from vlm_agent.evaluation.record import Evaluation

Watch = Callable[[str, str, Any, int], AbstractContextManager["Callable[[Step], None] | None"]]
"""Function of the policy's name, the environment, the policy, and the number of episodes that are
over already; its context's value is called with every step."""


def compare(
    policies: Mapping[str, PolicyLike | LazyPolicy],
    envs: Sequence[str],
    *,
    episodes: int = 100,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    regret: bool = False,
    all_games: bool = False,
    json: str | Path | None = None,
    watch: Watch | None = None,
) -> Iterator[Evaluation]:
    """Evaluates every policy in every environment, all on the same episodes.

    With `json`, what has been played is stored in `<json>.progress`. After an interruption the same
    call continues from there, and its results equal those of an uninterrupted call, except for the
    seconds. The file is deleted when everything is complete.

    Args:
        policies: Policies by name, each as for `evaluate`, or lazy.
        envs: Ids of environments.
        episodes: As for `evaluate`, for each policy in each environment.
        seed: As for `evaluate`.
        num_envs: As for `evaluate`.
        env_kwargs: As for `evaluate`, for all environments.
        regret: As for `evaluate`.
        all_games: As for `evaluate`.
        json: File for the results, one JSON object per line; replaced if it exists.
        watch: Opens a context around each evaluation that is played.

    Yields:
        Each result as soon as it is complete: all environments of a policy, then the next policy.
    """
    arguments: dict[str, Any] = {
        "episodes": episodes,
        "seed": seed,
        "num_envs": num_envs,
        "env_kwargs": env_kwargs,
        "regret": regret,
        "all_games": all_games,
    }
    progress = None if json is None else progress_file(json)
    # Opened before anything is played, so that a wrong path fails at once.
    with (
        open(os.devnull if json is None else json, "w", encoding="utf-8") as records,
        ExitStack() as opened,
    ):
        for name, policy in policies.items():
            identity = policy.identity if isinstance(policy, LazyPolicy) else {}
            loaded: PolicyLike | None = None
            for env in envs:
                about = about_evaluation(
                    policy, env, name=name, identity=identity, history_length=None, **arguments
                )
                keeper: AbstractContextManager[ProgressLog | None] = (
                    nullcontext() if progress is None else closing(ProgressLog(progress, about))
                )
                with keeper as log:
                    if log is not None and log.record is not None:
                        evaluation = Evaluation.of(log.record)
                    else:
                        if loaded is None:
                            loaded = resolve_policy(policy)
                            if isinstance(policy, LazyPolicy):
                                opened.callback(getattr(loaded, "close", lambda: None))
                        over = 0 if log is None else len(log.over)
                        watched = nullcontext() if watch is None else watch(name, env, loaded, over)
                        with watched as on_step:
                            evaluation = evaluate(
                                loaded, env, name=name, on_step=on_step, progress=log, **arguments
                            )
                records.write(json_format.dumps(evaluation.record()) + "\n")
                records.flush()
                yield evaluation
            opened.close()  # two engines may not fit into memory
    if progress is not None:
        progress.unlink()


def progress_file(json: str | Path) -> Path:
    """Returns the file in which `compare` stores what has been played."""
    return Path(json).with_name(f"{Path(json).name}.progress")
