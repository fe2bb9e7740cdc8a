"""What a tool that follows a training implements, and what its implementations share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vlm_agent.core.run_directory import TRACKING_FILE, TRAJECTORIES
from vlm_agent.data.trajectory_format import EpisodeRecord

# Rows of a table of sample episodes; those of a whole training get uploaded.
_MOST_STEPS = 16


class Reporter(Protocol):
    """A tool that gets the metrics and sample episodes of a training.

    Its methods are called in the main process alone, `start` first and `finish` last. If one of
    the others raises an exception, a warning says so, and the training goes on without the tool.
    """

    def start(self, directory: Path, config: Mapping[str, Any], resumed: int | None) -> None:
        """Begins to follow a run, or continues to.

        Args:
            directory: Directory of the run.
            config: Its options, as plain values.
            resumed: Step after which an interrupted run continues; `None` for a new run. Steps
                after it may have been logged before, and are logged again.
        """
        ...

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes the metrics that were measured at a step, all of them finite."""
        ...

    def episodes(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Takes recorded episodes that ended since the step before.

        Args:
            step: Step of the metrics that belong to them.
            episodes: At least one; its pictures are in the run's folder `trajectories`.
        """
        ...

    def finish(self, completed: bool) -> None:
        """Ends following the run.

        Args:
            completed: Whether the training came to its end, and was not interrupted.
        """
        ...


class SampleStep(NamedTuple):
    """A row of a table of sample episodes.

    Attributes:
        episode: Number of the episode.
        step: Number of the step in it, from 1.
        picture: File of the picture, a PNG.
        prompt: What the policy was asked.
        reply: What it replied.
        action: The action that was played.
        named: Whether the reply named it; otherwise it is a random one.
        reward: The environment's reward.
        success: Whether the whole episode was a success.
    """

    episode: int
    step: int
    picture: Path
    prompt: str
    reply: str
    action: str
    named: bool
    reward: float
    success: bool


def sample_steps(directory: Path, episodes: Sequence[EpisodeRecord]) -> Iterator[SampleStep]:
    """Yields the first steps of episodes, up to a number that a table can show.

    Args:
        directory: Directory of the run.
        episodes: Recorded episodes.
    """
    rows = ((episode, number) for episode in episodes for number in range(len(episode["steps"])))
    for (episode, number), _ in zip(rows, range(_MOST_STEPS), strict=False):
        step = episode["steps"][number]
        yield SampleStep(
            episode["number"],
            number + 1,
            directory / TRAJECTORIES / step["pictures"][-1],
            step["prompt"],
            step["reply"],
            step["actions"][step["played_action"]],
            step["parsed_action"] is not None,
            step["reward"],
            episode["success"],
        )


def read_tracking(directory: Path, tool: str) -> dict[str, str] | None:
    """Returns what a tool knows a run by; `None` if it did not follow the run before."""
    path = directory / TRACKING_FILE
    if not path.is_file():
        return None
    known: dict[str, dict[str, str]] = json.loads(path.read_text(encoding="utf-8"))
    return known.get(tool)


def write_tracking(directory: Path, tool: str, **known: str) -> None:
    """Stores what a tool knows a run by, so that a resumed run continues the same one."""
    path = directory / TRACKING_FILE
    every = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**every, tool: known}, indent=2) + "\n", encoding="utf-8")
