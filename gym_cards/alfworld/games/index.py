"""Index of a data set: which of its games alfworld plays, and the types of their tasks.

Whether a game can be played is told in its files alone, of which a data set has thousands. What was
read is kept in the user's cache, with the times and sizes of the files, so that only files that
changed since are read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any

GAME = "game.tw-pddl"
TRAJECTORY = "traj_data.json"

_VERSION = 1
# In JSON a quote within a string is escaped, so that these keys are found as keys alone.
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*(true|false)\b')
_TASK_TYPE = re.compile(rb'"task_type"\s*:\s*"(\w+)"')
# alfworld writes what follows the problem, and is short, at the end.
_TAIL = 8192


# alfworld leaves out tasks that slice or that move a receptacle, by the words in their path.
_LEFT_OUT = ("movable", "Sliced")

_Stamp = tuple[int, ...]
_Known = Mapping[str, tuple[_Stamp, str]]


def task_types_of(folder: Path) -> Mapping[str, str]:
    """Returns the type of the task of every game below a folder that alfworld would play.

    The first to ask reads the files; others that ask meanwhile, in other threads or processes, wait
    for it. Later the folders are listed and no file is read. Without a cache that can be written
    to, each process reads the files.

    Args:
        folder: Folder of a split.

    Returns:
        The types by the games' folders, relative to the given one and with slashes.

    Raises:
        ValueError: If a file is no JSON of its kind.
    """
    with contextlib.ExitStack() as stack:
        try:
            kept = stack.enter_context(_kept(folder))
        except (OSError, ImportError, RuntimeError):
            found = _update(folder, {})
        else:
            known = _load(kept)
            found = _update(folder, known)
            if found != known:
                with contextlib.suppress(OSError):
                    _save(kept, found)
    return {name: task_type for name, (_, task_type) in found.items() if task_type}


def _update(folder: Path, known: _Known) -> _Known:
    """Returns the stamp and the type of every game; the type is "" if it cannot be solved."""
    found = {}
    if not any(word in str(folder) for word in _LEFT_OUT):
        for name, stamp in _games(str(folder)):
            before = known.get(name)
            same = before is not None and before[0] == stamp
            found[name] = before if before and same else (stamp, _read(folder / name))
    return found


def _games(top: str) -> Iterator[tuple[str, _Stamp]]:
    """Yields the folders of games, relative to the top, with times and sizes of their files."""
    waiting = [""]
    while waiting:
        name = waiting.pop()
        files = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(f"{top}/{name}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if not any(word in entry.name for word in _LEFT_OUT):
                        waiting.append(f"{name}/{entry.name}" if name else entry.name)
                elif entry.name in (TRAJECTORY, GAME):
                    files[entry.name] = entry.stat()
        if len(files) == 2:
            stamps = [(files[file].st_mtime_ns, files[file].st_size) for file in sorted(files)]
            yield name, (*stamps[0], *stamps[1])


def _read(place: Path) -> str:
    """Reads what alfworld asks of a game, and as little else as possible."""
    if not _is_solvable(place / GAME):
        return ""
    text = (place / TRAJECTORY).read_bytes()
    found = _TASK_TYPE.findall(text)
    return found[0].decode() if len(found) == 1 else str(json.loads(text)["task_type"])


def _is_solvable(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        found = _SOLVABLE.findall(file.read())
        if len(found) == 1:
            return bool(found[0] == b"true")
        file.seek(0)
        return bool(json.loads(file.read()).get("solvable"))


# ----- the cache ----------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Returns the folder of the indices, in the user's folder for caches."""
    given = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(given).expanduser() / "gym_cards" / "alfworld"


@contextlib.contextmanager
def _kept(folder: Path) -> Iterator[TextIOWrapper]:
    """Opens the index of a folder, which no other thread or process has open meanwhile.

    Raises:
        ImportError: If this system has no such locks.
        RuntimeError: If the user has no home.
        OSError: If there is no cache that can be written to.
    """
    import fcntl

    place = str(folder.resolve())
    path = cache_folder() / f"{hashlib.sha256(place.encode()).hexdigest()[:24]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing unlocks it
        yield file


def _load(file: TextIOWrapper) -> _Known:
    """Reads an index; one that is damaged or of another version is empty."""
    file.seek(0)
    try:
        read: dict[str, Any] = json.loads(file.read())
        if read["version"] != _VERSION:
            return {}
        return {
            name: (tuple(stamp), str(task_type))
            for name, (stamp, task_type) in read["games"].items()
        }
    except (LookupError, TypeError, ValueError, AttributeError):
        return {}


def _save(file: TextIOWrapper, found: _Known) -> None:
    file.seek(0)
    file.truncate()
    file.write(json.dumps({"version": _VERSION, "games": found}))
