"""What a household game lets its player see: plain values that a picture is drawn from.

A scene holds what may be drawn and nothing else. What lies in a closed receptacle, or at a place
where the agent does not stand, has no room in it, so that no picture can tell it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Pose(NamedTuple):
    """Where somebody stands and looks.

    Attributes:
        x: Metres, a multiple of 0.25.
        z: Metres, a multiple of 0.25.
        rotation: 0 looks towards +z, 1 towards +x, 2 towards -z, 3 towards -x.
        horizon: How far the eyes look down, in degrees; negative is up.
    """

    x: float
    z: float
    rotation: int = 0
    horizon: int = 0


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that can be seen.

    Attributes:
        name: As commands call it: "mug 2".
        type: Of the domain: "Mug".
        hot: Whether it was heated.
        cool: Whether it was cooled.
        clean: Whether it was cleaned.
        sliced: Whether it was cut into slices.
        on: Whether it is switched on.
        contents: What lies in or on it, if it can hold things: a plate, a pan.
    """

    name: str
    type: str
    hot: bool = False
    cool: bool = False
    clean: bool = False
    sliced: bool = False
    on: bool = False
    contents: tuple[Thing, ...] = ()


@dataclass(frozen=True, slots=True)
class Receptacle:
    """A piece of furniture, or a part of one, that things are put in or on.

    Attributes:
        name: As commands call it: "shelf 1".
        type: Of the domain: "Shelf".
        position: x, height and z of its own, in metres.
        stand: Where the agent stands to use it.
        openable: Whether it has a door or the like.
        open: Whether that is open.
        contents: What lies in or on it; None where that is out of sight.
    """

    name: str
    type: str
    position: tuple[float, float, float]
    stand: Pose
    openable: bool = False
    open: bool = False
    contents: tuple[Thing, ...] | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What the agent sees, holds and knows of the room.

    Attributes:
        agent: Where the agent stands.
        receptacles: All of the room, in any order.
        floor: The (x, z) of every place where the agent can stand, in metres, multiples of 0.25.
        held: What the agent has in its hand.

    Raises:
        ValueError: If the contents of a receptacle are given that the agent cannot look into from
            where it stands, or those are missing of one that it can.
    """

    agent: Pose
    receptacles: tuple[Receptacle, ...]
    floor: frozenset[tuple[float, float]]
    held: Thing | None = None

    def __post_init__(self) -> None:
        for receptacle in self.receptacles:
            here = receptacle.stand == self.agent
            seen = here and (receptacle.open or not receptacle.openable)
            if seen != (receptacle.contents is not None):
                given = "hidden" if receptacle.contents is None else "given"
                raise ValueError(
                    f"the contents of {receptacle.name!r} are {given}: expected a tuple of things "
                    "where the agent stands before it and it is open or cannot be closed, "
                    "otherwise None"
                )

    @property
    def here(self) -> tuple[Receptacle, ...]:
        """The receptacles at the place where the agent stands: none, one or several."""
        return tuple(one for one in self.receptacles if one.stand == self.agent)
