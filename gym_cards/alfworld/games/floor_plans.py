"""Floor plans that come with alfworld: where the agent can walk, and where furniture is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from gym_cards.alfworld import packages
from gym_cards.alfworld.games.alfred import SPLITS, Split, trajectories
from gym_cards.alfworld.games.streams import Stream
from gym_cards.alfworld.ids import CELL, kind_of, place_id, position_of, thing_id
from gym_cards.alfworld.scene import Pose

_DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))
# Heights of furniture whose place a plan does not give, in metres; other furniture is on the floor.
_HEIGHTS = {
    "Cabinet": 0.40,
    "CoffeeMachine": 0.90,
    "Drawer": 0.60,
    "HandTowelHolder": 1.20,
    "Safe": 0.40,
    "Shelf": 1.00,
    "SinkBasin": 0.80,
    "StoveBurner": 0.92,
    "Toaster": 0.90,
    "ToiletPaperHanger": 0.80,
    "TowelHolder": 1.20,
}
_BURNERS = 4
_REACH = 0.5
"""The distance of added furniture from the agent, in metres."""


@dataclass(frozen=True)
class Furniture:
    """Receptacle that does not move.

    Attributes:
        identity: Its id.
        kind: Its type.
        stand: The place to stand to use it.
        openable: Whether it can be opened.
    """

    identity: str
    kind: str
    stand: Pose
    openable: bool


@dataclass(frozen=True)
class FloorPlan:
    """Floor plan of a room.

    Attributes:
        number: ALFRED's number of the scene.
        room: "Kitchen", "LivingRoom", "Bedroom" or "Bathroom".
        floor: Every (x, z) where the agent can stand, in metres, in order.
        furniture: The receptacles, in the order of their ids.
        kinds: The types of things that the room may hold, in alphabetical order.
    """

    number: int
    room: str
    floor: tuple[tuple[float, float], ...]
    furniture: tuple[Furniture, ...]
    kinds: tuple[str, ...]


def constants() -> ModuleType:
    """Returns alfworld's tables of the types of things and their properties."""
    return packages.load("alfworld.gen.constants")


@lru_cache(maxsize=1)
def contents_allowed() -> Mapping[str, frozenset[str]]:
    """Returns for every type of furniture the types of things that may be in or on it."""
    tables = constants()
    furniture = set(tables.RECEPTACLES) - tables.MOVABLE_RECEPTACLES_SET
    things = set(tables.OBJECTS_SET) - furniture
    allowed = tables.VAL_RECEPTACLE_OBJECTS
    return {kind: frozenset(allowed.get(kind, ())) & things for kind in sorted(furniture)}


@lru_cache(maxsize=1)
def type_names() -> Mapping[str, str]:
    """Returns the types in the domain's spelling, by their names in lower case."""
    return {name.lower(): name for name in [*constants().OBJECTS_SET, *contents_allowed()]}


def scenes(split: Split) -> Sequence[int]:
    """Returns the numbers of the scenes of a split, as ALFRED divides them."""
    return tuple(trajectories(split))


@lru_cache(maxsize=128)
def floor_plan(number: int) -> FloorPlan:
    """Returns the room of a scene, completed by furniture whose place the shipped plan omits.

    This furniture is added at the rim of the floor, in the same places in every game.
    """
    tables = constants()
    folder = packages.package_folder() / "gen" / "layouts"
    floor = np.load(folder / f"FloorPlan{number}-layout.npy")
    placed = json.loads((folder / f"FloorPlan{number}-openable.json").read_text("utf-8"))
    kinds = json.loads((folder / f"FloorPlan{number}-objects.json").read_text("utf-8"))
    walkable = sorted({(float(x), float(z)) for x, z in floor.tolist()})
    furniture = [
        Furniture(
            identity,
            kind_of(identity),
            Pose(round(x / CELL) * CELL, round(z / CELL) * CELL, int(rotation) // 90, int(horizon)),
            kind_of(identity) in tables.OPENABLE_CLASS_SET,
        )
        for identity, (x, z, rotation, horizon) in placed.items()
    ]
    furniture += _unplaced(number, walkable, furniture, kinds)
    return FloorPlan(
        number,
        next(room for room, numbers in tables.SCENE_TYPE.items() if number in numbers),
        tuple(walkable),
        tuple(sorted(furniture, key=lambda piece: piece.identity)),
        tuple(sorted(kinds)),
    )


def floor_of(trajectory: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Returns the floor of the scene in a game's `traj_data.json`; empty if it is unknown."""
    number = trajectory.get("scene", {}).get("scene_num")
    known = any(number in scenes(split) for split in SPLITS)
    return floor_plan(number).floor if known else ()


def _unplaced(
    number: int,
    walkable: Sequence[tuple[float, float]],
    placed: Sequence[Furniture],
    kinds: Sequence[str],
) -> list[Furniture]:
    stream = Stream("furniture", number)
    openable = constants().OPENABLE_CLASS_SET
    there = {piece.kind for piece in placed}
    taken = [(position_of(piece.identity), piece.stand) for piece in placed]
    floor = set(walkable)
    rim = [
        Pose(x, z, rotation, 30)
        for x, z in walkable
        for rotation, (right, ahead) in enumerate(_DIRECTIONS)
        if (x + right * CELL, z + ahead * CELL) not in floor
    ]
    added: list[Furniture] = []
    for kind in sorted(set(kinds) & set(contents_allowed()) - there):
        count = _BURNERS if kind == "StoveBurner" else 1
        height = _HEIGHTS.get(kind, 0.0)
        free = [pose for pose in rim if _is_free(pose, taken)]
        stand = stream.choose(free or rim)
        right, ahead = _DIRECTIONS[stand.rotation]
        for index in range(count):
            # Several of a kind are side by side, across the line of sight.
            aside = 0.2 * (index - (count - 1) / 2)
            position = (
                stand.x + right * _REACH + ahead * aside,
                height,
                stand.z + ahead * _REACH + right * aside,
            )
            added.append(Furniture(thing_id(kind, position), kind, stand, kind in openable))
            taken.append((position, stand))
    return added


def _is_free(pose: Pose, taken: Sequence[tuple[tuple[float, float, float], Pose]]) -> bool:
    """Returns whether a pose, and the place in front of it, are free of other furniture."""
    right, ahead = _DIRECTIONS[pose.rotation]
    x, z = pose.x + right * _REACH, pose.z + ahead * _REACH
    return all(
        place_id(stand) != place_id(pose) and (x - other_x) ** 2 + (z - other_z) ** 2 > 0.5**2
        for (other_x, _, other_z), stand in taken
    )
