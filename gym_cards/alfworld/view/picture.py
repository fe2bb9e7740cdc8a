"""Picture of a household scene, as a pure function of it.

It is composed of prepared art with integer arithmetic alone, so that the same scene has the same
bytes on every machine.
"""

from __future__ import annotations

import functools
from typing import Literal, get_args

import numpy as np

from gym_cards.alfworld.scene import Receptacle, Scene, Thing
from gym_cards.alfworld.view import art
from gym_cards.alfworld.view.art import Colour, Room
from gym_cards.alfworld.view.goal import goal_strip
from gym_cards.alfworld.view.map import draw_map
from gym_cards.alfworld.view.place import draw_places, draw_room
from gym_cards.render.sprites import Frame, paste

View = Literal["first_person", "map", "both"]

SMALLEST, LARGEST = 150, 2048

_HAND_GROUND: Colour = (74, 84, 110)

# Furniture that identifies a kind of room, in this order; without any it is a living room.
_ROOM_SIGNS: tuple[tuple[Room, frozenset[str]], ...] = (
    ("kitchen", frozenset({"Fridge", "StoveBurner", "Microwave", "CoffeeMachine", "Toaster"})),
    ("bathroom", frozenset({"Toilet", "BathtubBasin", "Bathtub", "TowelHolder"})),
    ("bedroom", frozenset({"Bed"})),
)


def draw(scene: Scene, *, view: View = "both", size: int = 300, goal: str = "") -> Frame:
    """Returns the picture of a scene.

    Args:
        scene: What the agent sees.
        view: "first_person" shows the place where the agent stands, or the room where that is no
            place, and its hand; "map" shows the room from above; "both" shows the first above the
            map, with the hand next to it.
        size: Width and height in pixels, from 150 to 2048.
        goal: The goal in words, on a strip above everything else, which is that much lower; "" for
            no strip.

    Returns:
        A new array of shape (size, size, 3) and dtype uint8.

    Raises:
        ValueError: If the view or the size is out of range, a type has no drawing, a name has no
            number, or there is no room for all visible things.
    """
    if view not in get_args(View):
        raise ValueError(f"there is no view {view!r}: expected one of {', '.join(get_args(View))}")
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(
            f"a picture of {size} pixels: expected a size from {SMALLEST} to {LARGEST}"
        )
    frame = np.empty((size, size, 3), np.uint8)
    top = 0
    if goal:
        strip = goal_strip(goal, size)
        top = len(strip)
        frame[:top] = strip
    _draw(frame[top:], scene, view, size)
    return frame


def _draw(frame: Frame, scene: Scene, view: View, size: int) -> None:
    """Draws the picture of a scene over a whole frame, with letters for a picture of a size."""
    height = frame.shape[0]
    if view == "map":
        draw_map(frame, scene.agent, scene.receptacles, scene.floor, size)
        return
    below = height * (184 if view == "both" else 216) // 300
    here = scene.here
    room = room_of(scene.receptacles)
    if here:
        draw_places(frame[:below], here, room, size)
    else:
        draw_room(frame[:below], scene.receptacles, room, size)
    across = 0
    if view == "both":
        across = size * 2 // 3
        draw_map(frame[below:, :across], scene.agent, scene.receptacles, scene.floor, size)
    frame[below:, across:] = _hand(scene.held, size - across, height - below)


def room_of(receptacles: tuple[Receptacle, ...]) -> Room:
    """Returns the kind of room, by the furniture in it."""
    types = {one.type for one in receptacles}
    for room, signs in _ROOM_SIGNS:
        if types & signs:
            return room
    return "living"


@functools.lru_cache(maxsize=128)
def _hand(held: Thing | None, width: int, height: int) -> Frame:
    """Returns the agent's hand with what it holds, read-only."""
    side = min(width, height) * 92 // 100
    frame = np.empty((height, width, 3), np.uint8)
    frame[...] = _HAND_GROUND
    frame[: max(1, height // 60)] = art.DARK
    if width < height * 2:
        frame[:, : max(1, height // 60)] = art.DARK
    paste(frame, art.icon("#hand", side), (width - side) // 2, height - side)
    if held is not None:
        thing = min(width, height) * 66 // 100
        paste(frame, art.thing(held, thing), (width - thing) // 2, (height - thing) * 22 // 100)
    frame.flags.writeable = False
    return frame
