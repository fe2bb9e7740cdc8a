"""The directory of a run: its configuration, its metrics as JSON lines and for TensorBoard."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"


class Run:
    """A directory that one training run writes to.

    Args:
        directory: Where; made if need be.
        config: The run's configuration, a dataclass, saved as `run.json`.
        overwrite: Whether to replace a run that the directory holds.

    Raises:
        FileExistsError: If the directory holds anything, and is not a run to be replaced.
    """

    def __init__(self, directory: str | Path, config: Any, *, overwrite: bool = False) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.directory = Path(directory)
        if self.directory.exists() and any(self.directory.iterdir()):
            if not (self.directory / CONFIG_FILE).is_file():
                raise FileExistsError(
                    f"{self.directory} is not empty and holds no run: choose another --out"
                )
            if not overwrite:
                raise FileExistsError(
                    f"{self.directory} already holds a run: choose another --out, or replace the "
                    "run with --overwrite"
                )
            shutil.rmtree(self.directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = dataclasses.asdict(config)
        (self.directory / CONFIG_FILE).write_text(json.dumps(settings, indent=2) + "\n")
        self._file = (self.directory / METRICS_FILE).open("a", encoding="utf-8")
        self._tensorboard = SummaryWriter(str(self.directory / "tensorboard"))

    def log(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Writes metrics at a step; those that are `None` were not measured."""
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()
        for name, value in metrics.items():
            if value is not None:
                self._tensorboard.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes the files."""
        self._file.close()
        self._tensorboard.close()


def read_metrics(directory: str | Path) -> list[dict[str, Any]]:
    """All metrics of a run, one dictionary for each time that it logged."""
    lines = (Path(directory) / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
