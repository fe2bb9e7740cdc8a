"""Weights & Biases: metrics, and sample episodes as tables with pictures."""

from __future__ import annotations

import os
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


class WandbReporter:
    """Logs to Weights & Biases, configured as usual by `WANDB_PROJECT`, `WANDB_MODE` and others.

    The horizontal axis is the training's step, so that a resumed run may log a step again.
    """

    def start(self, directory: Path, config: Mapping[str, Any], resumed: int | None) -> None:
        """Begins a run, or continues it by its id; see `Reporter.start`."""
        import wandb

        self._directory = directory
        known = None if resumed is None else read_tracking(directory, "wandb")
        self._run = wandb.init(
            project=(known or {}).get("project") or os.environ.get("WANDB_PROJECT") or _PROJECT,
            entity=(known or {}).get("entity") or None,
            name=os.environ.get("WANDB_NAME") or str(directory),
            config=dict(config),
            **({"id": known["id"], "resume": "allow"} if known else {}),
        )
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")
        write_tracking(
            directory,
            "wandb",
            id=self._run.id,
            project=self._run.project,
            entity=self._run.entity or "",
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs metrics."""
        self._run.log({**metrics, "step": step})

    def episodes(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Logs a table with a row for each step."""
        import wandb

        table = wandb.Table(columns=list(SampleStep._fields))
        for row in sample_steps(self._directory, episodes):
            table.add_data(*row._replace(picture=wandb.Image(str(row.picture))))
        self._run.log({"episodes": table, "step": step})

    def finish(self, completed: bool) -> None:
        """Marks the run as finished, or as failed if it was interrupted."""
        self._run.finish(exit_code=0 if completed else 1)
