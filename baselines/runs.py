"""Files in the directory of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from vlm_agent.core.system.disk import sync
from vlm_agent.core.system.json_lines import open_to_append, read_json_lines

CONFIG_FILE, SCORES_FILE, MODEL_FILE = "baseline.json", "scores.jsonl", "model.zip"
CHECKPOINT, TENSORBOARD = "checkpoint", "tensorboard"


def model_file(path: str | Path) -> Path:
    """Returns the file of a model.

    Args:
        path: A model's file, with or without `.zip`, or the directory of a run; an unfinished run
            gives the model of its checkpoint.

    Raises:
        FileNotFoundError: If there is none.
    """
    place = Path(path)
    tried = (place, Path(f"{place}.zip"), place / MODEL_FILE, place / CHECKPOINT / MODEL_FILE)
    for file in tried:
        if file.is_file():
            return file
    raise FileNotFoundError(
        f"no model at {str(place)!r}: expected a file that Stable-Baselines3 saved, or the "
        "directory of a run of `python -m baselines.train`"
    )


def replace_text(path: Path, text: str) -> None:
    """Replaces a file; after a crash, either the old or the new one is complete."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        sync(file)
    os.replace(fresh, path)


def append_score(directory: Path, record: dict[str, Any]) -> None:
    """Appends an evaluation to those of a run."""
    with open_to_append(directory / SCORES_FILE) as file:
        file.write(json.dumps(record).encode() + b"\n")


def read_scores(directory: Path) -> list[dict[str, Any]]:
    """Returns the evaluations of a run, oldest first."""
    file = directory / SCORES_FILE
    return [record for _, record in read_json_lines(file)] if file.is_file() else []


def drop_scores(directory: Path, after: int) -> None:
    """Removes the evaluations of a run after a number of steps, from which it is resumed."""
    file = directory / SCORES_FILE
    if file.is_file():
        kept = [json.dumps(each) for each in read_scores(directory) if each["step"] <= after]
        replace_text(file, "".join(f"{line}\n" for line in kept))
