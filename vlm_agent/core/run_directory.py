"""Places of runs and of packaged policies: names of files, and helpers for paths."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CONFIG_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
TRACKING_FILE = "tracking.json"  # what experiment trackers know the run by
TENSORBOARD = "tensorboard"
TRAJECTORIES = "trajectories"
CHECKPOINTS = "checkpoints"
BEST = "best"  # the policy with the best evaluation while training
POLICY_FILE = "policy.json"
# Patterns of the files that a saved policy consists of: none that runs code when it is read.
POLICY_FILES = ("*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model")
# Plain files that `VLMPolicy.save` writes, also for tokenizers and processors of models on the hub.
PLAIN_FILES = frozenset(
    f"{name}.json"
    for name in (
        "adapter_config", "added_tokens", "chat_template", "config", "generation_config",
        "image_processor_config", "model.safetensors.index", "policy", "preprocessor_config",
        "processor_config", "run", "special_tokens_map", "tokenizer", "tokenizer_config",
        "video_preprocessor_config", "vocab",
    )
) | {"merges.txt", "vocab.txt"}  # fmt: skip
BASE = "base"  # the base model of an adapter, if it has no name to load it by
# Trained policies that come with the package, each in a folder of its own.
PACKAGED = Path(__file__).parents[1] / "policies"
# The option of each command that says how long to train, the only one that resuming may change.
LENGTH = {"ppo": "total_steps", "sft": "samples"}
UNFINISHED = ".unfinished"  # suffix of what is being written or removed
CHECKPOINT_NAME = re.compile(r"step-(\d+)")


def read_metrics(directory: str | Path) -> list[dict[str, Any]]:
    """Returns all metrics of a run, one dictionary per logged step."""
    lines = (Path(directory) / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def run_of(place: str | Path) -> Path:
    """Returns the directory of a run, given it or the folder of one of its checkpoints."""
    path = Path(place)
    return path.resolve().parent.parent if CHECKPOINT_NAME.fullmatch(path.resolve().name) else path


def run_behind(place: str | Path) -> Path:
    """Returns the directory of the run that a policy belongs to.

    Args:
        place: Directory of the policy: that of a run itself, its best policy, or one of a
            checkpoint; any other is returned as it is.
    """
    path = Path(place)
    if path.name == "policy" and CHECKPOINT_NAME.fullmatch(path.resolve().parent.name):
        path = path.parent
    is_best = path.name == BEST and not (path / CONFIG_FILE).is_file()
    if is_best and (path.parent / CONFIG_FILE).is_file():
        return path.parent
    return run_of(path)


def is_in_checkpoint(path: Path) -> bool:
    """Returns whether a path is inside a checkpoint, which may be removed after newer ones."""
    return any(
        CHECKPOINT_NAME.fullmatch(folder.name) and folder.parent.name == CHECKPOINTS
        for folder in path.resolve().parents
    )


def packaged_policies() -> list[str]:
    """Returns the names of the policies in the package, such as "numberline-tiny"."""
    return sorted(path.parent.name for path in PACKAGED.glob("*/policy.json"))


def policy_place(name: str) -> str:
    """Returns the directory of a policy in the package, and any other name unchanged.

    A local directory takes precedence over a packaged policy of the same name.
    """
    if name in packaged_policies() and not Path(name).is_dir():
        return str(PACKAGED / name)
    return name


def is_local_path(name: str) -> bool:
    """Returns whether a name can only be a path, not that of a model on the hub.

    The hub's names have at most two words. If the first one is a local folder, the second is
    expected in it: the hub is never asked for something that may be local.
    """
    path = Path(name)
    return (
        path.is_absolute()
        or name.startswith((".", "~"))
        or len(path.parts) > 2
        or (len(path.parts) == 2 and path.parent.is_dir())
    )
