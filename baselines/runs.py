"""Files in the directory of a run."""

from __future__ import annotations

from pathlib import Path

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
