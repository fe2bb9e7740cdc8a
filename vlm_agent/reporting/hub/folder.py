"""The folder that is pushed: weights, processor, settings, and the model card with its pictures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from vlm_agent.core.run_directory import (
    BASE,
    CONFIG_FILE,
    METRICS_FILE,
    PLAIN_FILES,
    POLICY_FILE,
    POLICY_FILES,
    TRACKING_FILE,
)
from vlm_agent.reporting.hub.card import CURVE, EPISODE, model_card
from vlm_agent.reporting.hub.lineage import Lineage, read_json, without_paths
from vlm_agent.reporting.hub.pictures import save_learning_curve, save_recorded_episode

ADAPTER_CONFIG = "adapter_config.json"
CARD = "README.md"
_VALUE_HEAD = "value_head.safetensors"
_BASE_NAME = "base_model_name_or_path"


def write_weights(lineage: Lineage, folder: Path, *, value_head: bool) -> None:
    """Copies the files that a policy is loaded from.

    Absolute paths are left out of them: they are of this machine, and nobody else's concern.

    Args:
        lineage: Where the policy comes from.
        folder: Where to write; created if it does not exist.
        value_head: Whether to copy the value head, too.

    Raises:
        FileNotFoundError: If the base model of an adapter is gone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in _policy_files(lineage.directory):
        is_left_out = file.name in (CONFIG_FILE, TRACKING_FILE) or file.resolve() in lineage.files
        if is_left_out or (file.name == _VALUE_HEAD and not value_head):
            continue
        if file.name == ADAPTER_CONFIG:
            _copy_adapter_config(lineage.directory, folder)
        else:
            shutil.copyfile(file, folder / file.name)
    if lineage.run is not None:
        options = json.dumps(without_paths(lineage.run.config), indent=2)
        (folder / CONFIG_FILE).write_text(options + "\n", encoding="utf-8")
        metrics = lineage.run.path / METRICS_FILE
        if metrics.is_file():
            shutil.copyfile(metrics, folder / METRICS_FILE)


def write_card(
    lineage: Lineage, folder: Path, name: str, *, license: str | None, has_episode: bool = False
) -> None:
    """Writes the model card and its pictures next to the weights.

    Args:
        lineage: Where the policy comes from.
        folder: The folder of `write_weights`.
        name: Name on the hub.
        license: License of the weights, if it is known.
        has_episode: Whether the folder has a picture of an episode already.
    """
    run = lineage.run
    pictures = {EPISODE} if has_episode else set()
    if run is not None and save_learning_curve(run, folder / CURVE):
        pictures.add(CURVE)
    if not has_episode and run is not None and save_recorded_episode(run, folder / EPISODE):
        pictures.add(EPISODE)
    card = model_card(
        lineage,
        name,
        read_json(folder / POLICY_FILE),
        adapter=(folder / ADAPTER_CONFIG).is_file(),
        pictures=frozenset(pictures),
        value_head=(folder / _VALUE_HEAD).is_file(),
        license=license,
    )
    (folder / CARD).write_text(card, encoding="utf-8")


def _policy_files(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        # Others of these kinds are the user's own.
        is_foreign = path.suffix in (".json", ".txt") and path.name not in PLAIN_FILES
        wanted = any(fnmatch(path.name, pattern) for pattern in POLICY_FILES)
        if path.is_file() and wanted and not is_foreign:
            yield path


def _copy_adapter_config(directory: Path, folder: Path) -> None:
    """Copies an adapter's config, and with it a base model that has no name on the hub."""
    config: dict[str, Any] = read_json(directory / ADAPTER_CONFIG)
    base = next((p for p in (directory / BASE, Path(str(config[_BASE_NAME]))) if p.is_dir()), None)
    if base is None and Path(str(config[_BASE_NAME])).is_absolute():
        raise FileNotFoundError(
            f"{directory} holds an adapter of the model in {config[_BASE_NAME]}, which does not "
            "exist: put it back, or merge the adapter"
        )
    if base is not None:
        (folder / BASE).mkdir()
        for file in _policy_files(base):
            if file.name not in (CONFIG_FILE, TRACKING_FILE, _VALUE_HEAD, POLICY_FILE):
                shutil.copyfile(file, folder / BASE / file.name)
        config[_BASE_NAME] = BASE
    (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
