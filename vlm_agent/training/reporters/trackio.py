"""Trackio: metrics, and sample episodes as tables with pictures."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.training.reporters.base import (
    SampleStep,
    read_tracking,
    sample_steps,
    write_tracking,
)

_PROJECT = "vlm-agent"


class TrackioReporter:
    """Logs to Trackio: on this machine, or to the Space of `TRACKIO_SPACE_ID`."""

    def start(self, directory: Path, config: Mapping[str, Any], resumed: int | None) -> None:
        """Begins a run, or continues it by its name; see `Reporter.start`."""
        import trackio

        self._directory = directory
        known = None if resumed is None else read_tracking(directory, "trackio")
        # Unique, because Trackio continues the latest run of a name.
        words = [*directory.parts[-2:], uuid.uuid4().hex[:6]]
        self._run = trackio.init(
            project=(known or {}).get("project") or os.environ.get("TRACKIO_PROJECT") or _PROJECT,
            name=(known or {}).get("name") or "-".join(words),
            config=dict(config),
            resume="allow" if known else "never",
            embed=False,
        )
        write_tracking(directory, "trackio", name=self._run.name, project=self._run.project)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs metrics."""
        self._run.log(dict(metrics), step=step)

    def episodes(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Logs a table with a row for each step."""
        import trackio

        rows = [
            list(row._replace(picture=trackio.Image(str(row.picture))))
            for row in sample_steps(self._directory, episodes)
        ]
        table = trackio.Table(columns=list(SampleStep._fields), data=rows)
        self._run.log({"episodes": table}, step=step)

    def finish(self, completed: bool) -> None:
        """Sends what is left, and ends the run."""
        self._run.finish()
