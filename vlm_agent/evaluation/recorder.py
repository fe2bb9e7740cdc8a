"""Recording episodes of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from vlm_agent.data.trajectory_format import StepRecord
from vlm_agent.data.trajectory_writer import EpisodeRecorder, PlayedStep, TrajectoryWriter
from vlm_agent.evaluation.play import Step


class EvaluationRecorder:
    """Records the first episodes of an evaluation; call it with every step.

    Args:
        recorder: Writes the episodes.
        episodes: Number of episodes to record; by default all.
    """

    def __init__(self, recorder: EpisodeRecorder, *, episodes: int | None = None) -> None:
        self._recorder = recorder
        self._episodes = math.inf if episodes is None else episodes
        self._open: dict[int, list[StepRecord]] = {}

    def __call__(self, step: Step) -> None:
        """Records a step, and writes the episode if it is the last."""
        if step.episode >= self._episodes:
            return
        steps = self._open.setdefault(step.episode, [])
        played = PlayedStep(step.observation, step.reply, step.action, step.reward)
        steps.append(self._recorder.step_record(played))
        if step.last:
            self._recorder.write_episode(
                self._open.pop(step.episode),
                number=step.episode,
                seed=step.seed,
                success=step.is_success,
            )


@contextmanager
def record_evaluation(
    folder: str | Path | None,
    policy: Any,
    *,
    name: str,
    env: str,
    env_kwargs: Mapping[str, Any],
    episodes: int | None = None,
) -> Iterator[EvaluationRecorder | None]:
    """Opens a recorder for one policy in one environment.

    Args:
        folder: Folder that the episodes are appended to.
        policy: The policy.
        name: Name of the policy.
        env: Id of the environment.
        env_kwargs: Keyword arguments of the environment.
        episodes: Number of episodes to record; by default all.

    Yields:
        The recorder, or `None` without a folder.
    """
    if folder is None:
        yield None
        return
    with closing(TrajectoryWriter(folder)) as writer:
        recorder = EpisodeRecorder(
            writer, policy, name=name, env=env, kwargs=env_kwargs, purpose="evaluation"
        )
        yield EvaluationRecorder(recorder, episodes=episodes)
