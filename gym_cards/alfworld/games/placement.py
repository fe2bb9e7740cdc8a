"""Which furniture a thing is in or on, judging by where it is.

ALFRED's data has positions of things, and alfworld's floor plans one point of each piece of
furniture, on its top or at its foot. How far contents are from that point, sideways and in height,
depends on the type of furniture; the figures below are what the things near furniture of each type
show over all of ALFRED's tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from gym_cards.alfworld.games.alfred import AlfredTask, Seen
from gym_cards.alfworld.games.floor_plans import Furniture, contents_allowed, floor_plan
from gym_cards.alfworld.ids import position_of


class _Reach(NamedTuple):
    """Where contents are, relative to their furniture's point, in metres.

    Attributes:
        across: Usual distance sideways, at most.
        low: Usual height above the point, at least.
        high: Usual height above the point, at most.
    """

    across: float
    low: float
    high: float


_REACHES = {
    "ArmChair": _Reach(0.35, 0.2, 0.65),
    "BathtubBasin": _Reach(0.7, -0.3, 0.1),
    "Bed": _Reach(1.0, 0.0, 0.9),
    "Cabinet": _Reach(0.4, -0.35, 0.35),
    "Cart": _Reach(0.4, 0.0, 0.8),
    "CoffeeMachine": _Reach(0.2, -0.15, 0.05),
    "CoffeeTable": _Reach(0.5, 0.0, 0.6),
    "CounterTop": _Reach(0.8, -0.12, 0.2),
    "Desk": _Reach(0.7, -0.05, 1.0),
    "DiningTable": _Reach(0.8, -0.1, 1.0),
    "Drawer": _Reach(0.3, -0.12, 0.2),
    "Dresser": _Reach(0.5, 0.0, 1.3),
    "Fridge": _Reach(0.35, 0.2, 1.8),
    "GarbageCan": _Reach(0.2, 0.0, 0.4),
    "HandTowelHolder": _Reach(0.2, -0.15, 0.5),
    "Microwave": _Reach(0.25, -0.05, 0.25),
    "Ottoman": _Reach(0.3, 0.3, 0.5),
    "Safe": _Reach(0.2, -0.1, 0.2),
    "Shelf": _Reach(0.35, -0.1, 0.15),
    "SideTable": _Reach(0.3, -0.1, 0.9),
    "SinkBasin": _Reach(0.3, -0.2, 0.2),
    "Sofa": _Reach(0.8, 0.2, 0.75),
    "StoveBurner": _Reach(0.25, -0.1, 0.1),
    "Toilet": _Reach(0.45, 0.4, 1.15),
    "ToiletPaperHanger": _Reach(0.15, -0.1, 0.15),
    "TowelHolder": _Reach(0.2, -0.2, 0.4),
    "TVStand": _Reach(0.6, 0.0, 0.9),
}
_ANY = _Reach(0.4, -0.1, 1.0)
# So far outside of its usual heights a thing counts as far as at the edge of its furniture.
_HEIGHT_STEP = 0.1
_SURE = 4.0
"""The largest misfit of a place that is hardly in doubt: twice the usual distance."""


class Place(NamedTuple):
    """Furniture that a thing may be in or on.

    Attributes:
        furniture: The furniture.
        misfit: How far outside of the furniture's usual reach the thing is: 1 at its edge.
    """

    furniture: Furniture
    misfit: float

    @property
    def is_sure(self) -> bool:
        """True if the thing is near enough that its place is hardly in doubt."""
        return self.misfit <= _SURE


def places(thing: Seen, scene: int) -> Sequence[Place]:
    """Returns the furniture of a scene that may hold a thing, the most likely first.

    Empty if no furniture there may hold things of its type, by ALFRED's tables.
    """
    x, height, z = thing.position
    found = []
    for piece in _holders(thing.kind, scene):
        across, above, along = position_of(piece.identity)
        reach = _REACHES.get(piece.kind, _ANY)
        outside = max(reach.low - (height - above), 0.0, height - above - reach.high)
        sideways = ((x - across) ** 2 + (z - along) ** 2) / reach.across**2
        found.append(Place(piece, sideways + (outside / _HEIGHT_STEP) ** 2))
    return sorted(found, key=lambda place: (place.misfit, place.furniture.identity))


@lru_cache(maxsize=4096)
def _holders(kind: str, scene: int) -> Sequence[Furniture]:
    allowed = contents_allowed()
    return [piece for piece in floor_plan(scene).furniture if kind in allowed[piece.kind]]


class Found(NamedTuple):
    """Thing of a task, with its place.

    Attributes:
        seen: The thing, where ALFRED has it.
        place: The furniture that holds it; `None` if none in the room may.
        moved: Whether it was put elsewhere than seems likeliest, because the task would otherwise
            be over at its start.
    """

    seen: Seen
    place: Place | None
    moved: bool = False


def place_all(task: AlfredTask, allowed: int | None) -> list[Found]:
    """Returns the things of a task with their places.

    ALFRED's tasks are never done at their start. If more things of the type to find seem to be
    where they have to go than a start allows, the others are put into the likeliest furniture of
    other types.

    Args:
        task: The task.
        allowed: How many things of the type to find may be where they have to go; `None` for any
            number, if that does not reach the goal.
    """
    found = []
    there = 0
    for thing in task.things:
        options = places(thing, task.scene)
        first = options[0] if options else None
        if first is None or thing.kind != task.target or first.furniture.kind != task.parent:
            found.append(Found(thing, first))
        elif allowed is None or there < allowed:
            there += 1
            found.append(Found(thing, first))
        else:
            others = [place for place in options if place.furniture.kind != task.parent]
            found.append(Found(thing, others[0] if others else None, moved=True))
    return found
