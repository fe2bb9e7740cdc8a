"""What an interrupted evaluation leaves behind, so that the same call goes on from there.

A journal is a file of JSON lines. Several evaluations may share it; each line says which one it is
of by a key, made of everything that the evaluation's result depends on. There are four kinds:

- `about`: what the key stands for, once for each evaluation;
- `replies`: one turn of all environments, written before it is played: the numbers of the episodes,
  what was replied in each, and the seconds;
- `over`: an episode that ended, with all that the record needs of it;
- `record`: the record, once all episodes are over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_agent.core.json_lines import read_json_lines
from vlm_agent.core.types import Reply, Usage


class ProgressLog:
    """The part of a file that belongs to one evaluation.

    Args:
        path: The file; made if need be.
        about: Everything that the result depends on, as plain values.

    Attributes:
        over: What the record needs of each episode that is over, by its number.
        record: The record of an evaluation that is over.
    """

    def __init__(self, path: str | Path, about: Mapping[str, Any]) -> None:
        self.path = Path(path)
        text = json.dumps(about, sort_keys=True)
        self._key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        self.over: dict[int, dict[str, Any]] = {}
        self.record: dict[str, Any] | None = None
        self._given: dict[int, list[tuple[Reply, float]]] = {}
        known = self._read() if self.path.is_file() else False
        self._file = self.path.open("ab")
        if self._file.tell() and not _ends_a_line(self.path):
            self._file.write(b"\n")  # what was cut short must not swallow the next line
        if not known:
            self._write({"about": json.loads(text)})

    def given(self, episode: int) -> Sequence[tuple[Reply, float]]:
        """The replies that were given in an episode, each with the seconds that it took."""
        return self._given.get(episode, ())

    def replied(self, episodes: Sequence[int], replies: Sequence[Reply], seconds: float) -> None:
        """Keeps one turn, before it is played.

        Args:
            episodes: The number of each episode.
            replies: What was replied in each.
            seconds: How long each reply took.
        """
        turn = {
            "episodes": list(episodes),
            "replies": [asdict(reply) for reply in replies],
            "seconds": seconds,
        }
        self._write({"replies": turn})

    def ended(self, episode: int, result: Mapping[str, Any]) -> None:
        """Keeps what the record needs of an episode that is over."""
        self.over[episode] = dict(result)
        self._write({"over": {"episode": episode, **result}})

    def finished(self, record: Mapping[str, Any]) -> None:
        """Keeps the record."""
        self.record = dict(record)
        self._write({"record": self.record})

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps({"evaluation": self._key, **line}, default=_plain)
        self._file.write(text.encode() + b"\n")
        self._file.flush()

    def _read(self) -> bool:
        """Takes up what the file holds of this evaluation; whether it holds anything."""
        known = False
        for _, line in read_json_lines(self.path):
            if not isinstance(line, dict) or line.get("evaluation") != self._key:
                continue
            known = True
            if "over" in line:
                result = dict(line["over"])
                self.over[result.pop("episode")] = result
            elif "record" in line:
                self.record = line["record"]
            elif "replies" in line:
                turn = line["replies"]
                for episode, reply in zip(turn["episodes"], turn["replies"], strict=True):
                    self._given.setdefault(episode, []).append((_reply(reply), turn["seconds"]))
        return known


def _plain(value: Any) -> Any:
    """A number of numpy, of which a policy may make its replies, as one of Python."""
    return value.item()


def _reply(saved: Mapping[str, Any]) -> Reply:
    usage = saved["usage"]
    return Reply(
        **{
            **saved,
            "tokens": tuple(saved["tokens"]),
            "log_probs": tuple(saved["log_probs"]),
            "usage": None if usage is None else Usage(**usage),
        }
    )


def fingerprint(path: str | Path) -> str:
    """Tells whether the files of a policy have changed: their names, sizes and times, as a hash.

    Args:
        path: A file, or a directory whose own files count.
    """
    path = Path(path)
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    found = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return hashlib.blake2b(json.dumps(found).encode(), digest_size=8).hexdigest()


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
