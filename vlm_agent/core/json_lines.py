"""Files of JSON lines, as a crash may leave them."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


def read_json_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """The values of a file, each with the number of its line.

    A line that is no JSON, as a crash leaves it when it cuts one short, is left out with a warning;
    so is one that Python does not read, since it nests too deeply or holds too long a number.

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
                    f"{path}:{number} is cut short or no JSON, and left out", stacklevel=2
                )
                continue
            yield number, value


def open_to_append(path: str | Path) -> BinaryIO:
    """Opens a file to append lines to, which begin on a line of their own even after a crash."""
    file = Path(path).open("a+b")  # noqa: SIM115
    if file.seek(0, os.SEEK_END):
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


def check_format(value: Any, name: str, version: int) -> None:
    """Makes sure that a line is an object of a format and version.

    Raises:
        ValueError: If it is not; the message continues a sentence that begins with the line's
            place.
    """
    if not isinstance(value, dict) or value.get("format") != name:
        raise ValueError(f"is not a recorded episode: expected a JSON object with format={name!r}")
    if value.get("version") != version:
        raise ValueError(
            f"has version {value.get('version')!r}, expected {version}: it was written by another "
            "release"
        )
