"""Evaluation of several policies in several environments, resumable after an interruption."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import Any

from vlm_agent.core.checks import check_kind, check_kwargs, check_path
from vlm_agent.core.environments import EnvFactories, env_list
from vlm_agent.core.inspection.identity import identity_of
from vlm_agent.core.system.disk import sync
from vlm_agent.evaluation.evaluate import about_evaluation, env_name, evaluate
from vlm_agent.evaluation.play import PolicyLike, Step, check_counts, check_policy
from vlm_agent.evaluation.players import LazyPolicy, resolve_policy
from vlm_agent.evaluation.progress_log import (
    ProgressLog,
    check_log,
    other_content,
    plain_value,
)
from vlm_agent.evaluation.record import Evaluation

Watch = Callable[[str, str, Any, int], AbstractContextManager["Callable[[Step], None] | None"]]
"""Function of the policy's name, the environment, the policy, and the number of episodes that are
over already; its context's value is called with every step."""


def compare(
    policies: Mapping[str, PolicyLike | LazyPolicy],
    envs: EnvFactories,
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
        envs: Ids of environments, or functions that make them; or only one.
        episodes: As for `evaluate`, for each policy in each environment.
        seed: As for `evaluate`.
        num_envs: As for `evaluate`.
        env_kwargs: As for `evaluate`, for all environments.
        regret: As for `evaluate`.
        all_games: As for `evaluate`.
        json: File for the results, one JSON object per line. Each time that one is complete, the
            file is written as a whole; earlier records in it are replaced.
        watch: Opens a context around each evaluation that is played.

    Yields:
        Each result as soon as it is complete: all environments of a policy, then the next policy.

    Raises:
        OSError: If the file cannot be written, or holds something else than such records.
        ValueError: If an argument is none of those above; before anything is played.
    """
    example = "a dictionary of names and policies, such as {'random': 'random'}"
    check_kind("policies", policies, Mapping, example)
    for policy in policies.values():
        if not isinstance(policy, LazyPolicy):
            check_policy(policy)
    several = env_list(envs)
    own = [env_name(env) for env in several if callable(env)]
    if len(set(own)) < len(own):
        raise ValueError(
            f"envs has functions of the same name, {', '.join(own)}: give each its own "
            "`__name__`, by which results are reported"
        )
    arguments: dict[str, Any] = {
        **check_counts(episodes, seed, num_envs),
        "env_kwargs": check_kwargs("env_kwargs", env_kwargs),
        "regret": regret,
        "all_games": all_games,
    }
    if json is not None:
        check_path("json", json, "a file for the results, or None")
    progress = None if json is None else progress_file(json)
    # Checked before anything is played.
    file = None if json is None else RecordFile(json)
    # Taken before anything is played, which may change what a function of one's own encloses.
    identities = {} if progress is None else {n: _identity(p) for n, p in policies.items()}
    env_identities = [None if progress is None else identity_of(env) for env in several]
    records: list[dict[str, Any]] = []
    with ExitStack() as opened:
        for name, policy in policies.items():
            loaded: PolicyLike | None = None
            for env, env_identity in zip(several, env_identities, strict=True):
                keeper: AbstractContextManager[ProgressLog | None] = nullcontext()
                if progress is not None:
                    about = about_evaluation(
                        policy,
                        env,
                        name=name,
                        identity=identities[name],
                        env_identity=env_identity,
                        history_length=None,
                        **arguments,
                    )
                    keeper = closing(ProgressLog(progress, about))
                with keeper as log:
                    if log is not None and log.record is not None:
                        evaluation = Evaluation.of(log.record)
                    else:
                        if loaded is None:
                            loaded = resolve_policy(policy)
                            if isinstance(policy, LazyPolicy):
                                opened.callback(getattr(loaded, "close", lambda: None))
                        over = 0 if log is None else len(log.over)
                        watched = (
                            nullcontext()
                            if watch is None
                            else watch(name, env_name(env), loaded, over)
                        )
                        with watched as on_step:
                            evaluation = evaluate(
                                loaded, env, name=name, on_step=on_step, progress=log, **arguments
                            )
                records.append(evaluation.record())
                if file is not None:
                    file.write(records)
                yield evaluation
            opened.close()  # two engines may not fit into memory
    if progress is not None:
        progress.unlink()


def _identity(policy: PolicyLike | LazyPolicy) -> Mapping[str, Any]:
    if isinstance(policy, LazyPolicy):
        return policy.identity
    return {"policy": identity_of(policy)}


def progress_file(json: str | Path) -> Path:
    """Returns the file in which `compare` stores what has been played."""
    return Path(json).with_name(f"{Path(json).name}.progress")


class RecordFile:
    """File of records that is written as a whole, and replaces only other records.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If its folder does not exist.
        FileExistsError: If it holds something that no evaluation has written.
        OSError: If it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()
        folder = self.path.parent
        if not folder.is_dir():
            raise FileNotFoundError(f"no directory for {path}: create it, or name another file")
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"no file can be written in {folder}: name another one")
        if self.path.exists() and not _holds_records(self.path):
            raise other_content(self.path, "records of evaluations")
        check_log(progress_file(path))

    def write(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Replaces what the file holds; after a crash it is either the old or the new file."""
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        with part.open("w", encoding="utf-8") as file:
            file.writelines(
                f"{json_format.dumps(record, default=plain_value)}\n" for record in records
            )
            sync(file)
        part.replace(self.path)


def _is_record(line: Mapping[str, Any]) -> bool:
    return {"policy", "env", "episodes", "success_rate"} <= line.keys()


def _holds_records(path: Path) -> bool:
    """Returns whether all lines of a file are records; the last may be cut off."""
    if not path.is_file():
        return False
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return False
    for number, line in enumerate(lines, 1):
        try:
            value = json_format.loads(line)
        except ValueError:
            return number == len(lines) > 1
        if not isinstance(value, dict) or not _is_record(value):
            return False
    return True
