"""Generator of games in ALFRED's rooms, drawn from the statistics of ALFRED's own tasks.

A split, a task type and a seed identify a game: the room, the things in it, the goal, and the goal
in words. Games are solvable by construction, and each has a walkthrough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, cast

from gym_cards.alfworld.games.alfred import (
    LAMP,
    Split,
    alfred_tasks,
    holders,
    layouts,
    trajectories,
)
from gym_cards.alfworld.games.floor_plans import (
    FloorPlan,
    Furniture,
    contents_allowed,
    floor_plan,
    scenes,
)
from gym_cards.alfworld.games.game import (
    LAMP_STANDS,
    TREATMENTS,
    Game,
    Placed,
    TaskType,
    sentence,
    start_poses,
)
from gym_cards.alfworld.games.streams import Stream
from gym_cards.alfworld.ids import position_of, thing_id


class Pair(NamedTuple):
    """What a task is about.

    Attributes:
        target: The type of the thing to find.
        parent: The type of furniture to bring it to; "" if it is to be looked at.
    """

    target: str
    parent: str


def generate(split: Split, task_type: TaskType, seed: int) -> Game:
    """Returns the game of a split, a task type and a seed.

    All is drawn from ALFRED's statistics: the kind of room, the thing and the furniture by the
    number of its tasks of that type, the scene by that of its trajectories there, and the contents
    of the room are as many of each type as one of ALFRED's tasks had there.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """
    stream = Stream(split, task_type, seed)
    needed = 2 if task_type == "pick_two_obj_and_place" else 1
    possible = _scenes(split, task_type)
    rooms = {room: sum(_pairs(task_type, room).values()) for room in sorted(possible)}
    plan = floor_plan(stream.draw(possible[stream.draw(rooms)]))
    target, parent = stream.draw(_goals(task_type, plan.number))
    things = _furnish(stream, plan, target, parent, needed)
    start = stream.choose(start_poses(plan))
    task = sentence(stream, task_type, target, parent)
    return Game(split, task_type, f"trial_{seed}", plan, things, target, parent, start, task)


@lru_cache(maxsize=1)
def task_type_counts() -> Mapping[TaskType, int]:
    """Returns the number of ALFRED's tasks of each type in `train`."""
    counts = Counter(cast(TaskType, task.task_type) for task in alfred_tasks("train"))
    return dict(sorted(counts.items()))


# ----- what a room allows -------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _scenes(split: Split, task_type: TaskType) -> Mapping[str, Mapping[int, int]]:
    """Returns the scenes of a split that allow a task, by kind of room, with their trajectories."""
    found: dict[str, dict[int, int]] = {}
    for scene, count in trajectories(split).items():
        if _goals(task_type, scene):
            found.setdefault(floor_plan(scene).room, {})[scene] = count
    return found


@lru_cache(maxsize=32)
def _pairs(task_type: TaskType, room: str) -> Mapping[Pair, int]:
    """Returns how often ALFRED's tasks of a type are about each pair in rooms of a kind."""
    counts = Counter(
        Pair(task.target, task.parent)
        for task in alfred_tasks("train")
        if task.task_type == task_type and floor_plan(task.scene).room == room
    )
    return dict(sorted(counts.items()))


@lru_cache(maxsize=1024)
def _goals(task_type: TaskType, scene: int) -> Mapping[Pair, int]:
    """Returns what a task may be about in a room, and how often ALFRED's are in such rooms.

    A thing starts elsewhere than it is to end, so that it needs furniture of two types.
    """
    allowed, plan = contents_allowed(), floor_plan(scene)
    there = {piece.kind for piece in plan.furniture}
    if task_type == "look_at_obj_in_light" and not (
        LAMP in plan.kinds and there.intersection(LAMP_STANDS)
    ):
        return {}
    if task_type in TREATMENTS and TREATMENTS[task_type][2] not in there:
        return {}
    return {
        pair: count
        for pair, count in _pairs(task_type, plan.room).items()
        if pair.target in plan.kinds
        and (not pair.parent or pair.parent in there)
        and any(pair.target in allowed[kind] for kind in there - {pair.parent})
    }


@lru_cache(maxsize=128)
def _layouts(scene: int) -> Sequence[Mapping[str, int]]:
    """Returns how many things of each type rooms like a scene have; its own, if it is in train."""
    own = layouts(scene)
    if own:
        return own
    room = floor_plan(scene).room
    return [
        layout
        for number in scenes("train")
        if floor_plan(number).room == room
        for layout in layouts(number)
    ]


def _furnish(
    stream: Stream, plan: FloorPlan, target: str, parent: str, least: int
) -> tuple[Placed, ...]:
    """Puts things where ALFRED's are, at least `least` of the target and none of these at its goal.

    The type of the furniture is drawn first and then the piece.
    """
    counts = {
        kind: n for kind, n in stream.choose(_layouts(plan.number)).items() if kind in plan.kinds
    }
    counts[target] = max(counts.get(target, 0), least)
    if LAMP in plan.kinds:
        counts[LAMP] = 1
    things: list[Placed] = []
    taken: set[str] = set()
    for kind in sorted(counts):
        weights = _furniture_of(kind, plan, parent if kind == target else "")
        for _ in range(counts[kind] if weights else 0):
            stand = stream.draw(weights)
            piece = stream.choose([piece for piece in plan.furniture if piece.kind == stand])
            identity = _identity(stream, kind, piece, taken)
            taken.add(identity)
            things.append(Placed(identity, kind, piece))
    return tuple(things)


def _furniture_of(kind: str, plan: FloorPlan, avoided: str) -> Mapping[str, int]:
    """Returns the types of furniture that a thing may be in or on, and how often ALFRED's are."""
    there = sorted({piece.kind for piece in plan.furniture} - {avoided})
    if kind == LAMP:
        return {stand: 1 for stand in there if stand in LAMP_STANDS}
    allowed = contents_allowed()
    found = holders()[plan.room].get(kind, {})
    known = {stand: found[stand] for stand in there if stand in found}
    return known or {stand: 1 for stand in there if kind in allowed[stand]}


def _identity(stream: Stream, kind: str, piece: Furniture, taken: set[str]) -> str:
    """Returns a unique id for a thing, with a place near its furniture's."""
    x, height, z = position_of(piece.identity)
    while True:
        across, along = (0.01 * (stream.below(61) - 30) for _ in range(2))
        identity = thing_id(kind, (x + across, height + 0.05, z + along))
        if identity not in taken:
            return identity
