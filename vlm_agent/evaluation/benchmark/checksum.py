"""Checksums of environments, which tell whether they still are those of a benchmark."""

from __future__ import annotations

import hashlib
import json

from vlm_agent.evaluation.benchmark.tasks import BenchmarkTask
from vlm_agent.evaluation.play import play

EPISODES = 4


class ChangedEnvironmentError(ValueError):
    """An environment is not the one that a benchmark was published with."""


def checksum_of(task: BenchmarkTask, seed: int) -> str:
    """Returns a hash of the first episodes of a task, played by the random player.

    It covers the pixels, the description, the actions, the state, the rewards and the ends of
    episodes, so that it tells when deals, rules or pictures have changed.

    Args:
        task: The task.
        seed: Seed of its set.
    """
    digest = hashlib.sha256()
    for step in play(
        "random",
        task.env,
        episodes=EPISODES,
        seed=seed,
        num_envs=1,
        env_kwargs=task.env_kwargs,
    ):
        now = step.observation
        about = [
            list(now.image.shape),
            now.task.description,
            list(now.actions),
            dict(now.given),
            now.goal,
            dict(now.state),
            step.action,
            step.reward,
            step.last,
            step.is_success,
        ]
        digest.update(json.dumps(about, sort_keys=True).encode())
        digest.update(now.image.tobytes())
    return digest.hexdigest()[:16]


def check_environment(task: BenchmarkTask, seed: int) -> None:
    """Makes sure that a task's environment is the published one.

    Raises:
        ChangedEnvironmentError: If it is not.
    """
    found = checksum_of(task, seed)
    if found != task.checksum:
        raise ChangedEnvironmentError(
            f"{task.name}: {task.env} is not the environment of this benchmark (checksum {found}, "
            f"expected {task.checksum}): its deals, rules or pictures differ, so that results "
            "would not be comparable. Install the release of gym-cards that the benchmark belongs "
            "to, without changes, and the newest Pillow, which draws them"
        )
