"""Reading recorded episodes, in the format of `trajectory_format`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from vlm_agent.core.run_directory import TRAJECTORIES
from vlm_agent.core.system.json_lines import check_format, read_json_lines
from vlm_agent.data.trajectory_format import (
    EPISODES_FILE,
    FORMAT,
    VERSION,
    EpisodeRecord,
    StepRecord,
    TrajectoryError,
)


def read_trajectories(folder: str | Path) -> Iterator[EpisodeRecord]:
    """Yields the episodes of a folder.

    A line that is not valid JSON, such as one that a crash truncated, is skipped with a warning.

    Args:
        folder: A folder that holds `episodes.jsonl`, or the directory of a run that recorded.

    Raises:
        OSError: If there is no such folder.
        TrajectoryError: If a line is not an episode of this format.
    """
    path = find_trajectories(folder) / EPISODES_FILE
    for number, value in read_json_lines(path):
        place = f"{path}:{number}"
        try:
            check_format(value, FORMAT, VERSION)
        except ValueError as error:
            raise TrajectoryError(f"{place} {error}") from None
        missing = sorted(EpisodeRecord.__required_keys__ - set(value))
        steps = value.get("steps", [])
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise TrajectoryError(f"{place}: steps={steps!r:.80}: expected a list of objects")
        for step in steps:
            missing += sorted(StepRecord.__required_keys__ - set(step))
        if missing:
            raise TrajectoryError(f"{place} lacks {', '.join(dict.fromkeys(missing))}")
        yield cast(EpisodeRecord, value)


def find_trajectories(folder: str | Path) -> Path:
    """Returns the folder that holds `episodes.jsonl`: the given one, or that of a run.

    Raises:
        FileNotFoundError: If neither does.
    """
    for place in (Path(folder), Path(folder) / TRAJECTORIES):
        if (place / EPISODES_FILE).is_file():
            return place
    raise FileNotFoundError(
        f"{folder} holds no {EPISODES_FILE}: record episodes with `vlm-agent eval --record DIR` or "
        "`vlm-agent ppo --record-episodes N`"
    )
