"""Evaluation of a policy in an environment, on fixed episodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_agent.core.checks import check_kind, check_kwargs
from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.inspection.identity import identity_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.evaluation.play import (
    OwnEpisodes,
    PolicyLike,
    Step,
    check_counts,
    check_policy,
    count_games,
    play,
    seeds_of,
)
from vlm_agent.evaluation.progress_log import ProgressLog
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.evaluation.summary import EpisodeResult, summarise


def evaluate(
    policy: PolicyLike,
    env: str | EnvFactory,
    *,
    episodes: int = 100,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    history_length: int | None = None,
    regret: bool = False,
    all_games: bool = False,
    on_step: Callable[[Step], None] | None = None,
    progress: str | Path | ProgressLog | None = None,
) -> Evaluation:
    """Plays a fixed set of episodes; the same call gives the same result, except for the seconds.

    Args:
        policy: "random", "expert", "demonstrator" (the expert that fine-tuning learns from,
            which knows no more than the pictures show), an object whose `act` replies to a batch of
            observations (or `act_in_episodes`, if it remembers earlier ones), or a function of one
            `Observation`. The function returns an index into `observation.actions`, or a reply as
            a model would write it, or `None` for no action.
        env: An id, or a function that makes the environment.
        episodes: Number of episodes. Each has its own random seed, derived from `seed`; none of
            these seeds is used in training.
        seed: Random seed of episodes, of the policy's sampling and of random actions.
        num_envs: Number of episodes played in parallel; does not change which are played.
        env_kwargs: Keyword arguments of the environment.
        name: Name of the policy in the result.
        history_length: Number of earlier steps that observations hold; by default the policy's
            attribute of this name, or 0.
        regret: Ask the environment for the value of each action, if it knows it.
        all_games: Play every game that the environment lists in `game_names`, each once, in place
            of a number of episodes.
        on_step: Called with every step, in the order of play.
        progress: File that stores what has been played, so that the same call continues from there
            after an interruption; deleted when the evaluation is complete, unless it stores
            others, too. A `ProgressLog` is left to its owner.

    Raises:
        OSError: If the file of `progress` holds anything else, or cannot be written.
        TypeError: If `env_kwargs` has a value that such a file cannot hold.
        ValueError: If an argument is none of those above (`episodes` below 1, an unknown word as
            policy, an environment in place of its id), the policy chooses its own episodes where
            all games are to be played, or the environment does not list its games.
    """
    env_kwargs = check_kwargs("env_kwargs", env_kwargs)
    check_policy(policy)
    kinds = (str, Path, ProgressLog, type(None))
    check_kind("progress", progress, kinds, "a file that stores what has been played, or None")
    if all_games:
        if isinstance(policy, OwnEpisodes):
            raise ValueError(
                "all_games=True: a recording holds the episodes that were played; leave it out"
            )
        episodes = count_games(env, env_kwargs)
    arguments: dict[str, Any] = {
        **check_counts(episodes, seed, num_envs),
        "env_kwargs": env_kwargs,
        "history_length": history_length,
        "regret": regret,
        "all_games": all_games,
    }
    name = name or policy_name(policy)
    opened = (
        _opened(progress, about_evaluation(policy, env, name=name, **arguments))
        if isinstance(progress, str | Path)
        else nullcontext(progress)
    )
    with opened as log, getattr(policy, "writing", nullcontext)():
        if log is not None and log.record is not None:
            return Evaluation.of(log.record)
        results = [] if log is None else [EpisodeResult(**r) for r in log.over.values()]
        playing: dict[int, EpisodeResult] = {}
        seeds = seeds_of(policy, env, env_kwargs, seed, episodes)
        for step in play(policy, env, **arguments, log=log):
            result = playing.setdefault(step.episode, EpisodeResult())
            result.add(step)
            if on_step is not None:
                on_step(step)
            if step.last:
                results.append(playing.pop(step.episode))
                if log is not None:
                    log.ended(step.episode, asdict(result))
        same = list(seeds) == list(episode_seeds("evaluation", seed, len(seeds)))
        evaluation = summarise(
            results,
            env=env_name(env),
            policy=name,
            seed=seed if same else None,
            env_kwargs=env_kwargs,
            timed=getattr(policy, "timed", True),
        )
        if log is not None:
            log.finished(evaluation.record())
        return evaluation


@contextmanager
def _opened(path: str | Path, about: Mapping[str, Any]) -> Iterator[ProgressLog]:
    """Opens a log, and removes it after the block unless that was interrupted."""
    with closing(ProgressLog(path, about)) as log:
        yield log
        log.remove()


def about_evaluation(
    policy: Any,
    env: str | EnvFactory,
    *,
    name: str,
    identity: Mapping[str, Any] | None = None,
    env_identity: str | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Returns everything that a result depends on, as plain values, for a `ProgressLog`.

    Args:
        policy: The policy; its attribute `generation_config`, if any, says how it replies.
        env: An id, or a function that makes the environment.
        name: Name of the policy.
        identity: Other values that distinguish the policy from others of the same name; by default
            its `identity_of`.
        env_identity: Distinguishes a function from others of the same name; by default its
            `identity_of`.
        env_kwargs: Keyword arguments of the environment.
        arguments: The other arguments of `evaluate` that the result depends on.
    """
    config = getattr(policy, "generation_config", None)
    return {
        "policy": name,
        "generation_config": vars(config) if hasattr(config, "__dict__") else None,
        "identity": {"policy": identity_of(policy)} if identity is None else dict(identity),
        "env": env_name(env),
        "env_identity": env_identity or identity_of(env),
        "env_kwargs": dict(env_kwargs or {}),
        **arguments,
    }


def env_name(env: str | EnvFactory) -> str:
    """Returns the name under which an environment is reported."""
    return env if isinstance(env, str) else getattr(env, "__name__", str(env))


def policy_name(policy: PolicyLike) -> str:
    """Returns the name under which a policy without one is reported."""
    if isinstance(policy, str):
        return policy
    return getattr(policy, "__name__", None) or type(policy).__name__
