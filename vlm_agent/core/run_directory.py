"""Names of the files and folders in the directory of a run, and where a path lies in one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CONFIG_FILE = "run.json"


METRICS_FILE = "metrics.jsonl"


TRAJECTORIES = "trajectories"


CHECKPOINTS = "checkpoints"


BASE = "base"  # the model under an adapter, where no name leads to it


def read_metrics(directory: str | Path) -> list[dict[str, Any]]:
    """All metrics of a run, one dictionary for each time that it logged."""
    lines = (Path(directory) / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


_NAME = re.compile(r"step-(\d+)")


def run_of(place: str | Path) -> Path:
    """The directory of a run, from it or from the folder of one of its checkpoints."""
    path = Path(place)
    return path.resolve().parent.parent if _NAME.fullmatch(path.resolve().name) else path


def is_in_checkpoint(path: Path) -> bool:
    """Whether a path leads into a checkpoint, which newer ones may push out."""
    return any(
        _NAME.fullmatch(folder.name) and folder.parent.name == CHECKPOINTS
        for folder in path.resolve().parents
    )
