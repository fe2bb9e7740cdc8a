"""Scenes of a household game: plain values that a picture is drawn from.

A scene holds what may be drawn and nothing else. It has no field for the contents of closed
receptacles or of other places, so that no picture can show them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Pose(NamedTuple):
    """Place where the agent stands, and the direction of its eyes.

    Attributes:
        x: Metres, a multiple of 0.25.
        z: Metres, a multiple of 0.25.
        rotation: 0 looks towards +z, 1 towards +x, 2 towards -z, 3 towards -x.
        horizon: Degrees that the eyes look down; negative is up.
    """

    x: float
    z: float
    rotation: int = 0
    horizon: int = 0


@dataclass(frozen=True, slots=True)
class Thing:
    """Object that can be seen.

    Attributes:
        name: Its name in commands: "mug 2".
        type: Its type in the domain: "Mug".
        hot: Whether it was heated.
        cool: Whether it was cooled.
        clean: Whether it was cleaned.
        sliced: Whether it was cut into slices.
        on: Whether it is switched on.
        contents: The things in or on it, if it can hold things, such as a plate.
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
    """Piece of furniture, or a part of one, that things are put in or on.

    Attributes:
        name: Its name in commands: "shelf 1".
        type: Its type in the domain: "Shelf".
        position: Its x, height and z, in metres.
        stand: The place to stand to use it.
        openable: Whether it has a door or the like.
        open: Whether that is open.
        contents: The things in or on it; None if they are not visible.
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
    """Scene: what the agent sees, holds and knows of the room.

    Attributes:
        agent: The agent's place.
        receptacles: All receptacles of the room, in any order.
        floor: The (x, z) of every place where the agent can stand, in metres, multiples of 0.25.
        held: The thing in the agent's hand.

    Raises:
        ValueError: If the contents of a receptacle are given although they are not visible, or are
            missing although they are.
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
                    "if the agent stands in front of it and it is open or cannot be closed, "
                    "otherwise None"
                )

    @property
    def here(self) -> tuple[Receptacle, ...]:
        """The receptacles at the place where the agent stands: none, one or several."""
        return tuple(one for one in self.receptacles if one.stand == self.agent)
