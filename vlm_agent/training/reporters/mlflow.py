"""MLflow: metrics and options of a run, and sample episodes as tables with pictures."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.training.reporters.base import (
    SampleStep,
    read_tracking,
    sample_steps,
    write_tracking,
)

_EXPERIMENT = "vlm-agent"
# Longest value of a parameter that every tracking server takes.
_LONGEST = 500


class MlflowReporter:
    """Logs to MLflow, where `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME` say.

    It leaves MLflow's active run alone, so that a program may have one of its own.
    """

    def start(self, directory: Path, config: Mapping[str, Any], resumed: int | None) -> None:
        """Begins a run, or continues it by its id; see `Reporter.start`."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._directory = directory
        self._client = MlflowClient()
        known = None if resumed is None else read_tracking(directory, "mlflow")
        if known is not None:
            self._id = known["run_id"]
            self._client.update_run(self._id, status="RUNNING")
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        self._id = self._client.create_run(experiment, run_name=str(directory)).info.run_id
        params = [Param(name, str(value)[:_LONGEST]) for name, value in config.items()]
        self._client.log_batch(self._id, params=params)
        write_tracking(directory, "mlflow", run_id=self._id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Logs metrics."""
        from mlflow.entities import Metric

        now = time.time_ns() // 10**6
        self._client.log_batch(
            self._id, metrics=[Metric(name, value, now, step) for name, value in metrics.items()]
        )

    def episodes(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Logs a table with a row for each step, as the artifact `episodes/step-N.json`."""
        import mlflow
        import pandas as pd

        rows = []
        for row in sample_steps(self._directory, episodes):
            with Image.open(row.picture) as picture:
                rows.append(row._replace(picture=mlflow.Image(picture.convert("RGB"))))
        table = pd.DataFrame(rows, columns=list(SampleStep._fields))
        self._client.log_table(self._id, table, f"episodes/step-{step:09d}.json")

    def finish(self, completed: bool) -> None:
        """Marks the run as finished, or as killed if it was interrupted."""
        self._client.set_terminated(self._id, "FINISHED" if completed else "KILLED")
