"""Files that have to be on the disk before something else happens, and disks that are full."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def sync(file: IO[Any]) -> int:
    """Waits until what was written to a file is on the disk, and gives the file's size."""
    file.flush()
    os.fsync(file.fileno())
    return os.fstat(file.fileno()).st_size


def sync_path(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cut(file: IO[Any], size: int) -> None:
    """Cuts a file that is open for appending to a size that it had before.

    Raises:
        ValueError: If it is shorter.
    """
    found = os.fstat(file.fileno()).st_size
    if found < size:
        raise ValueError(
            f"{file.name} has {found} bytes, and had {size} when the checkpoint was written: put "
            "back the file that belongs to the checkpoint"
        )
    file.truncate(size)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Inside, what goes wrong with the disk is an `OSError`, also where safetensors writes.

    Args:
        place: What is written to, for the message.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        # What the system said is in its text alone.
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(place)) from error
