"""ALFRED's own rooms and tasks: which scenes a split has, and what each task's room contained.

The facts are those of ALFRED's json_2.1.0 (MIT licence, Copyright 2019 ALFRED), without the tasks
that alfworld cannot play: those that slice, move a receptacle, or use a floor lamp.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "valid_seen", "valid_unseen", "tests_seen", "tests_unseen"]
SPLITS: tuple[Split, ...] = get_args(Split)

LAMP = "DeskLamp"
"""The lamp of the tasks that look at a thing; ALFRED's data does not say where it stands."""

FILE = Path(__file__).with_name("alfred.npz")
PLACES_FILE = Path(__file__).with_name("alfred_places.json")


class Seen(NamedTuple):
    """Thing in a room, where ALFRED has it.

    Attributes:
        kind: Its type.
        position: x, height and z, in metres.
    """

    kind: str
    position: tuple[float, float, float]


@dataclass(frozen=True)
class AlfredTask:
    """Task of ALFRED.

    Attributes:
        split: Its split.
        trial: The name of its trajectory.
        scene: The number of its room.
        task_type: One of the six types.
        target: The type of the thing to find.
        parent: The type of furniture to bring it to; "" if it is to be looked at.
        start: The agent's x and z in metres, and its rotation in degrees.
        rows: Which rows of the table of things it has.
    """

    split: Split
    trial: str
    scene: int
    task_type: str
    target: str
    parent: str
    start: tuple[float, float, int]
    rows: slice

    @property
    def name(self) -> str:
        """The folder of the task in a data set: `<task>-<Obj>-None-<Recep>-<scene>/<trial>`."""
        return folder_of(self.task_type, self.target, self.parent, self.scene, self.trial)

    @property
    def things(self) -> list[Seen]:
        """The things in the room, in ALFRED's order."""
        kinds = _facts().kinds
        return [
            Seen(kinds[kind], (x / 100, height / 100, z / 100))
            for kind, x, height, z in _facts().things[:, self.rows].T.tolist()
        ]


def folder_of(task_type: str, target: str, parent: str, scene: int, trial: str) -> str:
    """Returns the folder of a game in a data set of alfworld, below that of its split."""
    return f"{task_type}-{target}-None-{parent or LAMP}-{scene}/{trial}"


class _Facts(NamedTuple):
    scenes: Mapping[str, Mapping[int, int]]
    kinds: Sequence[str]
    tasks: Sequence[AlfredTask]
    things: NDArray[np.int16]


@lru_cache(maxsize=1)
def _facts() -> _Facts:
    with np.load(FILE) as file:
        text, things = file["text"].tobytes().decode(), file["things"]
    read: dict[str, Any] = json.loads(text)
    tasks = []
    first = 0
    for split, trial, scene, task_type, target, parent, start, count in read["tasks"]:
        x, z, rotation = start
        rows = slice(first, first + count)
        start = (float(x), float(z), int(rotation))
        tasks.append(AlfredTask(split, trial, scene, task_type, target, parent, start, rows))
        first += count
    scenes = {
        split: {int(number): count for number, count in counts.items()}
        for split, counts in read["scenes"].items()
    }
    return _Facts(scenes, read["kinds"], tasks, things)


def trajectories(split: Split) -> Mapping[int, int]:
    """Returns the number of trajectories that ALFRED has in each scene of a split."""
    return _facts().scenes[split]


@lru_cache(maxsize=8)
def alfred_tasks(split: Split) -> Sequence[AlfredTask]:
    """Returns ALFRED's tasks of a split that alfworld can play, by type, scene and name.

    There are none of the test splits: ALFRED publishes their scenes and sentences alone.
    """
    return tuple(task for task in _facts().tasks if task.split == split)


@lru_cache(maxsize=128)
def layouts(scene: int) -> Sequence[Mapping[str, int]]:
    """Returns how many things of each type a scene has in each of its tasks in `train`."""
    facts = _facts()
    found = []
    for task in alfred_tasks("train"):
        if task.scene == scene:
            counts = Counter(cast(list[int], facts.things[0, task.rows].tolist()))
            found.append({facts.kinds[kind]: counts[kind] for kind in sorted(counts)})
    return found


@lru_cache(maxsize=1)
def holders() -> Mapping[str, Mapping[str, Mapping[str, int]]]:
    """Returns how often furniture of each type holds things of each type, by room and thing.

    Counted over all tasks of `train`, where it is hardly in doubt; see
    `gym_cards.alfworld.games.placement`.
    """
    read: dict[str, dict[str, dict[str, int]]] = json.loads(PLACES_FILE.read_text("utf-8"))
    return read
