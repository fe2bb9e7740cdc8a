"""Files of JSON lines, as a crash may leave them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any


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
