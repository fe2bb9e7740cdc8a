"""Recordings of episodes played by hand, as JSON lines.

Each line is one episode that can be replayed, because environments are deterministic given their
seed and the actions:

- `format`: `"gym-cards-episode"`, and `version`: 1;
- `env`, `kwargs`, `seed`: what `gymnasium.make` and `reset` were given;
- `state_hidden`: whether the player saw the pictures alone, without the state in words;
- `steps`: for each step the `state` before it (`info["state"]`), the `action` that `step` took, an
  index or a text, its `name`, and the `reward`;
- `terminated`, `truncated`: how the last step ended the episode; both are false if the player
  abandoned it;
- `success`: `info["is_success"]` after the last step.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FORMAT = "gym-cards-episode"
VERSION = 1


class Recorder:
    """Recorder that appends each episode to a file as soon as it is over.

    Args:
        path: The file, which is created if necessary and never overwritten.

    Raises:
        OSError: If the file cannot be written to.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        # Opened now, so that a wrong path is reported before anything is played.
        with self.path.open("ab"):
            pass

    def append(self, episode: dict[str, Any]) -> None:
        """Writes one episode and flushes it to the disk."""
        line = json.dumps({"format": FORMAT, "version": VERSION, **episode}, ensure_ascii=False)
        with self.path.open("rb+") as file:
            # A crash may have left an incomplete line, which must not join this one.
            end = file.seek(0, os.SEEK_END)
            torn = False
            if end:
                file.seek(end - 1)
                torn = file.read(1) != b"\n"
            file.write(b"\n" * torn + line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
