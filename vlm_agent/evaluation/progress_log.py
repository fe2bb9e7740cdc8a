"""Log of an evaluation, from which the same call continues after an interruption.

A log is a file of JSON lines. Several evaluations may share it; each line names its evaluation by a
key, a hash of everything that the evaluation's result depends on. There are four kinds of lines:

- `about`: what the key stands for, once per evaluation;
- `replies`: one turn of all environments, written before it is played: the numbers of the episodes,
  the reply in each, and the seconds;
- `over`: an episode that ended, with what the result needs of it;
- `record`: the result, when all episodes are over.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlm_agent.core.inspection.faults import shown
from vlm_agent.core.system.disk import sync
from vlm_agent.core.system.json_lines import open_to_append, read_json_lines
from vlm_agent.core.types import Reply, Usage


class ProgressLog:
    """Part of a file that belongs to one evaluation.

    Args:
        path: The file; created if it does not exist.
        about: Everything that the result depends on, as plain values.

    Attributes:
        over: Statistics of each finished episode, by its number.
        record: Result of a finished evaluation, else `None`.

    Raises:
        OSError: If the file holds anything else, or cannot be written.
        TypeError: If `about` has a value that JSON cannot hold.
    """

    def __init__(self, path: str | Path, about: Mapping[str, Any]) -> None:
        self.path = Path(path)
        check_log(self.path)
        text = json.dumps(about, sort_keys=True, default=plain_value)
        self._key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        self.over: dict[int, dict[str, Any]] = {}
        self.record: dict[str, Any] | None = None
        self._given: dict[int, list[tuple[Reply, float]]] = {}
        known = self._read() if self.path.is_file() else False
        self._file = open_to_append(self.path)
        if not known:
            self._write({"about": json.loads(text)})

    def given(self, episode: int) -> Sequence[tuple[Reply, float]]:
        """Returns the replies of an unfinished episode, each with the seconds that it took."""
        return self._given.get(episode, ())

    def replied(self, episodes: Sequence[int], replies: Sequence[Reply], seconds: float) -> None:
        """Stores one turn, before it is played.

        Args:
            episodes: Number of each episode.
            replies: The reply in each.
            seconds: Time per reply.
        """
        turn = {
            "episodes": list(episodes),
            "replies": [asdict(reply) for reply in replies],
            "seconds": seconds,
        }
        self._write({"replies": turn})

    def ended(self, episode: int, result: Mapping[str, Any]) -> None:
        """Stores the statistics of a finished episode."""
        self.over[episode] = dict(result)
        self._write({"over": {"episode": episode, **result}})

    def finished(self, record: Mapping[str, Any]) -> None:
        """Stores the result."""
        self.record = dict(record)
        self._write({"record": self.record})

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def remove(self) -> None:
        """Closes the file and takes this evaluation out of it; deletes it if nothing is left."""
        self.close()
        own = f'{_BEGINNING}{self._key}"'.encode()
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        # Lines that a crash cut short before the key are no one's.
        others = [line for line in lines if not (line.startswith(own) or _is_cut(line, own))]
        if not others:
            self.path.unlink(missing_ok=True)
            return
        whole = self.path.resolve()
        part = whole.with_name(f".{whole.name}.{os.getpid()}.part")
        with part.open("wb") as file:
            file.writelines(others)
            sync(file)
        part.replace(whole)

    def _write(self, line: Mapping[str, Any]) -> None:
        text = json.dumps({"evaluation": self._key, **line}, default=plain_value)
        self._file.write(text.encode() + b"\n")
        self._file.flush()

    def _read(self) -> bool:
        """Reads what the file holds of this evaluation; returns whether it holds anything."""
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


_BEGINNING = '{"evaluation": "'


def _is_cut(line: bytes, beginning: bytes) -> bool:
    """Returns whether a line ends before what each line of its kind begins with."""
    return beginning.startswith(line.strip())


def check_log(path: Path) -> None:
    """Makes sure that nothing of others is appended to, or deleted with a log.

    Raises:
        FileExistsError: If the file holds anything else than logs.
    """
    if not path.exists():
        return
    if not path.is_file():
        raise other_content(path, "the progress of evaluations")
    beginning = _BEGINNING.encode()
    with path.open("rb") as lines:
        if not all(line.startswith(beginning) or _is_cut(line, beginning) for line in lines):
            raise other_content(path, "the progress of evaluations")


def other_content(path: Path, expected: str) -> FileExistsError:
    """Returns the error for a file that would be lost, with what was expected in its place."""
    return FileExistsError(
        f"{path} holds something else than {expected}, which would be lost: name another file, or "
        "move that one"
    )


def plain_value(value: Any) -> Any:
    """Converts a number or array of NumPy or torch for `json.dumps`.

    Raises:
        TypeError: If it is none.
    """
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(
        f"{shown(value)} cannot be stored in a file of JSON: expected numbers, text, booleans, "
        "None, or lists and dictionaries of them"
    )


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
    """Returns a hash of file names, sizes and times, which shows whether a policy has changed.

    Args:
        path: A file, or a directory, of which only the files directly in it count.
    """
    path = Path(path)
    files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
    found = [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in files]
    return hashlib.blake2b(json.dumps(found).encode(), digest_size=8).hexdigest()
