"""Names of files and folders in the directory of a run, and helpers for paths in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CONFIG_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
TRAJECTORIES = "trajectories"
CHECKPOINTS = "checkpoints"
BASE = "base"  # the base model of an adapter, if it has no name to load it by
CHECKPOINT_NAME = re.compile(r"step-(\d+)")


def read_metrics(directory: str | Path) -> list[dict[str, Any]]:
    """Returns all metrics of a run, one dictionary per logged step."""
    lines = (Path(directory) / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def run_of(place: str | Path) -> Path:
    """Returns the directory of a run, given it or the folder of one of its checkpoints."""
    path = Path(place)
    return path.resolve().parent.parent if CHECKPOINT_NAME.fullmatch(path.resolve().name) else path


def is_in_checkpoint(path: Path) -> bool:
    """Returns whether a path is inside a checkpoint, which may be removed after newer ones."""
    return any(
        CHECKPOINT_NAME.fullmatch(folder.name) and folder.parent.name == CHECKPOINTS
        for folder in path.resolve().parents
    )
