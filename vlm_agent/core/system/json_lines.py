"""Reading and appending to files of JSON lines, also after a crash."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def read_json_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yields the number and the value of each line of a file.

    A line that cannot be read is skipped with a warning: it may be cut short by a crash, nested too
    deeply, or hold too long a number.

    Raises:
        OSError: If there is no such file.
    """
    with Path(path).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                warnings.warn(
                    f"{path}:{number} is cut short or not JSON, and skipped", stacklevel=2
                )
                continue
            yield number, value


def open_to_append(path: str | Path) -> BinaryIO:
    """Opens a file to append lines; adds a line break if a crash cut off the last line."""
    file = Path(path).open("a+b")  # noqa: SIM115
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


def check_format(value: Any, name: str, version: int) -> None:
    """Checks that a line is an object of a format and version.

    Raises:
        ValueError: If it is not; the message has no subject, so that the caller can put the line's
            place before it.
    """
    if not isinstance(value, dict) or value.get("format") != name:
        raise ValueError(f"is not a recorded episode: expected a JSON object with format={name!r}")
    if value.get("version") != version:
        raise ValueError(
            f"has version {value.get('version')!r}, expected {version}: it was written by another "
            "release"
        )
