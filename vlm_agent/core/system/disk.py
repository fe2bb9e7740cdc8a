"""Durable writes, and errors of full disks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def sync(file: IO[Any]) -> int:
    """Flushes a file to disk and returns its size in bytes."""
    file.flush()
    os.fsync(file.fileno())
    return os.fstat(file.fileno()).st_size


def sync_path(path: Path) -> None:
    """Flushes a file, or the entries of a folder, to disk."""
    if path.is_dir() and os.name == "nt":
        return  # folders cannot be opened there
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def cut(file: IO[Any], size: int) -> None:
    """Truncates a file that is open for appending to an earlier size.

    Args:
        file: The file.
        size: Its size in bytes when the checkpoint was written.

    Raises:
        ValueError: If the file is shorter.
    """
    found = os.fstat(file.fileno()).st_size
    if found < size:
        raise ValueError(
            f"{file.name} has {found} bytes, and had {size} when the checkpoint was written: "
            "restore the file that belongs to the checkpoint"
        )
    file.truncate(size)


def lock(file: IO[Any]) -> bool:
    """Locks a file for as long as it is open, where the system and its disk can do that.

    Returns:
        False if it is locked already.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns disk errors of safetensors inside the block into `OSError`.

    Args:
        place: File or folder that is written to, for the message.
    """
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        # The system's error number is only in the text.
        code = re.search(r"os error (\d+)", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(place)) from error
