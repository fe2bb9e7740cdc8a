"""Checkpoints in the directory of a run: written atomically, and verified when read.

A checkpoint is a folder `checkpoints/step-N`. It is written under a temporary name and renamed once
all of it is on disk. `manifest.json`, written last, holds the size and SHA-256 of every other file.
docs/training/resume.md describes the files.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_agent.core.checks import check_path
from vlm_agent.core.run_directory import CHECKPOINT_NAME, CHECKPOINTS, UNFINISHED, run_of
from vlm_agent.core.system.disk import sync_path, writing
from vlm_agent.training.saving.run import was_killed_at_once

MANIFEST = "manifest.json"
FORMAT = "vlm-agent-checkpoint"
VERSION = 1


class CheckpointError(ValueError):
    """A checkpoint is missing or damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint.

    Attributes:
        path: Folder of the checkpoint.
        step: Step that was logged last before it was written.
        kind: Command that trained: "ppo" or "sft".
        run: Directory of its run.
    """

    path: Path
    step: int
    kind: str
    run: Path


def write_checkpoint(
    run: Path, step: int, kind: str, fill: Callable[[Path], None], *, keep: int
) -> Path:
    """Writes a checkpoint; earlier ones are kept until it is complete.

    Args:
        run: Directory of the run.
        step: Number of the checkpoint.
        kind: Command that trains: "ppo" or "sft".
        fill: Function that writes the files into a folder.
        keep: Number of checkpoints to keep, the newest ones.

    Returns:
        The folder of the checkpoint.

    Raises:
        OSError: If it cannot be written; no part of it remains.
    """
    folder = run / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    try:
        path = _write(folder, step, kind, fill)
    except OSError as error:
        older = _names(folder)[:-1]
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not older:
            raise
        # The disk is full: removing all but the newest complete checkpoint may free enough.
        for name in older:
            _remove(folder / name)
        path = _write(folder, step, kind, fill)
    for name in _names(folder)[:-keep]:
        _remove(folder / name)
    return path


def find_checkpoint(place: str | Path, kind: str) -> Checkpoint:
    """Returns the checkpoint to resume from.

    Args:
        place: Directory of a run, for its newest checkpoint, or the folder of a checkpoint.
        kind: Command that trained: "ppo" or "sft".

    Raises:
        FileNotFoundError: If there is no such directory.
        CheckpointError: If it holds no checkpoint, one of another command, or a damaged one; names
            the newest complete one before a damaged one.
    """
    check_path("place", place, "the directory of a run, or the folder of a checkpoint")
    path = Path(place)
    if not path.is_dir():
        raise FileNotFoundError(f"no directory {place}: expected that of a run, or a checkpoint's")
    if not CHECKPOINT_NAME.fullmatch(path.resolve().name):
        path = path / CHECKPOINTS
        names = _names(path)
        if not names:
            raise CheckpointError(
                f"{place} holds no checkpoint to resume from: start a new run, with --overwrite to "
                f"replace this one{was_killed_at_once(place)}"
            )
        path = path / names[-1]
    try:
        checkpoint = _check(path, run_of(path))
    except CheckpointError as error:
        raise CheckpointError(f"{error}. {_offer(path)}") from error
    if checkpoint.kind != kind:
        raise CheckpointError(
            f"{path} was written by `vlm-agent {checkpoint.kind}`: resume it with "
            f"`vlm-agent {checkpoint.kind} --resume`"
        )
    return checkpoint


def holds_checkpoint(run: Path) -> bool:
    """Returns whether a run has a checkpoint to resume from."""
    return bool(_names(run / CHECKPOINTS))


def drop_after(checkpoint: Checkpoint) -> None:
    """Removes the checkpoints of a run after the one that it is resumed from."""
    folder = checkpoint.path.parent
    _sweep(folder)
    for name in _names(folder):
        if _number(name) > checkpoint.step:
            _remove(folder / name)


def _write(folder: Path, step: int, kind: str, fill: Callable[[Path], None]) -> Path:
    path = folder / f"step-{step:09d}"
    fresh = path.with_name(path.name + UNFINISHED)
    fresh.mkdir()
    try:
        with writing(fresh):
            fill(fresh)
        files = {
            file.relative_to(fresh).as_posix(): {"size": file.stat().st_size, "sha256": _hash(file)}
            for file in _files(fresh)
        }
        about = {"format": FORMAT, "version": VERSION, "kind": kind, "step": step, "files": files}
        manifest = json.dumps({**about, "sha256": _hash_of(about)}, indent=1)
        (fresh / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
        for file in _files(fresh):
            sync_path(file)
        for each in (fresh, *(d for d in fresh.rglob("*") if d.is_dir())):
            sync_path(each)
        if path.exists():
            _remove(path)
        fresh.rename(path)
        sync_path(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return path


def _check(path: Path, run: Path) -> Checkpoint:
    """Verifies the manifest of a checkpoint and all files that it names."""
    manifest = _read_manifest(path)
    for name, about in manifest["files"].items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{path} is damaged: {name} is missing")
        if (size := file.stat().st_size) != about["size"]:
            raise CheckpointError(
                f"{path} is damaged: {name} has {size} bytes, and had {about['size']}"
            )
        if _hash(file) != about["sha256"]:
            raise CheckpointError(f"{path} is damaged: {name} is not what was written")
    return Checkpoint(path, int(manifest["step"]), str(manifest["kind"]), run)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        written = manifest.pop("sha256")
    except FileNotFoundError:
        raise CheckpointError(f"{path} is damaged: {MANIFEST} is missing") from None
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {MANIFEST} cannot be read: {error}") from error
    if manifest.get("format") == FORMAT and manifest.get("version") != VERSION:
        raise CheckpointError(
            f"{path} is of version {manifest.get('version')!r}, and this release reads version "
            f"{VERSION}: resume with the release that wrote it"
        )
    if written != _hash_of(manifest) or manifest.get("format") != FORMAT:
        raise CheckpointError(f"{path} is damaged: {MANIFEST} is not what was written")
    return dict(manifest)


def _offer(path: Path) -> str:
    """Returns what to do about a damaged checkpoint, for the message."""
    for name in reversed(_names(path.parent)):
        if _number(name) < _number(path.name):
            try:
                _check(path.parent / name, run_of(path))
            except CheckpointError:
                continue
            return f"An earlier one is complete; to resume from it: --resume {path.parent / name}"
    return "There is no complete one before it: start a new run"


def _names(folder: Path) -> list[str]:
    """Returns the names of the checkpoints in a folder, oldest first."""
    if not folder.is_dir():
        return []
    found = (entry.name for entry in folder.iterdir() if CHECKPOINT_NAME.fullmatch(entry.name))
    return sorted(found, key=_number)


def _number(name: str) -> int:
    found = CHECKPOINT_NAME.fullmatch(name)
    return int(found[1]) if found else -1


def _sweep(folder: Path) -> None:
    """Removes folders that a crash left partly written or partly removed."""
    for entry in folder.glob(f"*{UNFINISHED}"):
        shutil.rmtree(entry)


def _remove(path: Path) -> None:
    """Removes a checkpoint; after a crash it is complete, or has a temporary name."""
    doomed = path.with_name(path.name + UNFINISHED)
    path.rename(doomed)
    shutil.rmtree(doomed)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _hash(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _hash_of(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
