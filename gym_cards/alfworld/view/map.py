"""Map of the room: where the agent can walk, where everything is, where the agent looks."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from gym_cards.alfworld.scene import Pose, Receptacle
from gym_cards.alfworld.view import art
from gym_cards.alfworld.view.art import Colour
from gym_cards.render.sprites import Frame, Sprite, paste

_GROUND: Colour = (222, 217, 208)
_ROOM: Colour = (240, 236, 228)
_WALL: Colour = (120, 112, 116)
_TILES: tuple[Colour, Colour] = ((214, 182, 140), (206, 172, 128))
_CARD: Colour = (255, 216, 72)
_INK: Colour = (48, 44, 58)
_LINE: Colour = (150, 138, 132)

_CELL = 25
# Centimetres from the outermost things to the room's wall.
_MARGIN = 30
# Sides of the icons in tags, in units of a picture that is 300 wide, the best first. If icons with
# numbers would be too small to recognise, there are no numbers, and icons are larger.
_NUMBERED = (30, 28, 26, 24, 22, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11)
_BARE = (18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5)
# The smallest, in pixels, with a number and without.
_SMALLEST_NUMBERED = 11
_SMALLEST = 4


class Mark(NamedTuple):
    """Tag of a receptacle, with its icon and, if there is room, its number.

    Attributes:
        name: The receptacle's name.
        x: Left edge of the tag, in pixels.
        y: Upper edge of the tag.
        tag: The tag.
        tag_here: The same on a card, for when the agent stands in front of the receptacle.
    """

    name: str
    x: int
    y: int
    tag: Sprite
    tag_here: Frame


class Spotted(NamedTuple):
    """Part of a receptacle that the map depends on."""

    name: str
    type: str
    position: tuple[float, float, float]


class _Scale(NamedTuple):
    """Scale from centimetres to pixels, in whole numbers: x to the right, z upwards.

    Each direction has its own fraction, pixels over centimetres.
    """

    west: int
    north: int
    left: int
    top: int
    across: tuple[int, int]
    down: tuple[int, int]

    def column(self, x: int) -> int:
        return self.left + (x - self.west) * self.across[0] // self.across[1]

    def row(self, z: int) -> int:
        return self.top + (self.north - z) * self.down[0] // self.down[1]


def draw_map(
    frame: Frame,
    agent: Pose,
    receptacles: tuple[Receptacle, ...],
    floor: frozenset[tuple[float, float]],
    size: int,
) -> None:
    """Draws the map over a whole frame.

    Args:
        frame: Shape (height, width, 3), dtype uint8.
        agent: The agent's place.
        receptacles: All receptacles of the room.
        floor: The places where the agent can stand.
        size: The size of the picture, which sets that of letters and icons.
    """
    height, width, _ = frame.shape
    known = tuple(Spotted(one.name, one.type, one.position) for one in receptacles)
    spot = (agent.x, agent.z)
    walkable = floor if spot in floor else floor | {spot}
    ground, scale, marks = room_map(known, walkable, width, height, size)
    frame[...] = ground
    here = {one.name for one in receptacles if one.stand == agent}
    for mark in marks:
        if mark.name in here:
            rows, columns, _ = mark.tag_here.shape
            frame[mark.y : mark.y + rows, mark.x : mark.x + columns] = mark.tag_here
    arrow = _arrow(agent.rotation % 4, _arrow_side(width, height))
    side = arrow.clear.shape[0]
    x = scale.column(_centimetres(agent.x)) - side // 2
    y = scale.row(_centimetres(agent.z)) - side // 2
    paste(frame, arrow, _within(x, width - side), _within(y, height - side))


@functools.lru_cache(maxsize=64)
def room_map(
    known: tuple[Spotted, ...],
    floor: frozenset[tuple[float, float]],
    width: int,
    height: int,
    size: int,
) -> tuple[Frame, _Scale, tuple[Mark, ...]]:
    """Returns the map without the agent: its picture, its scale, and every receptacle's tag."""
    scale = _scale(known, floor, width, height)
    frame = np.full((height, width, 3), _GROUND, np.uint8)
    _draw_floor(frame, known, floor, scale)
    marks = _placed(known, scale, width, height, size)
    for mark, one in zip(marks, known, strict=True):
        rows, columns, _ = mark.tag_here.shape
        x, y = scale.column(_centimetres(one.position[0])), scale.row(_centimetres(one.position[2]))
        to = mark.x + columns // 2, mark.y + rows // 2
        # A tag at its receptacle's place needs no line to it.
        if max(abs(x - to[0]), abs(y - to[1])) > rows:
            _line(frame, (x, y), to)
    for mark in marks:
        paste(frame, mark.tag, mark.x, mark.y)
    frame.flags.writeable = False
    return frame, scale, marks


def _centimetres(metres: float) -> int:
    return round(metres * 100)


def _within(value: int, most: int) -> int:
    return max(0, min(value, most))


def _arrow_side(width: int, height: int) -> int:
    return max(9, min(width, height) * 12 // 100)


def _scale(
    known: tuple[Spotted, ...], floor: frozenset[tuple[float, float]], width: int, height: int
) -> _Scale:
    """Returns the largest scale that fits; one direction may be stretched by half."""
    places = [*floor, *((one.position[0], one.position[2]) for one in known)]
    xs = [_centimetres(x) for x, _ in places]
    zs = [_centimetres(z) for _, z in places]
    west, north = min(xs) - _MARGIN, max(zs) + _MARGIN
    across, down = max(xs) + _MARGIN - west, north - min(zs) + _MARGIN
    columns = min(width, across * height * 3 // (down * 2))
    rows = min(height, down * width * 3 // (across * 2))
    left, top = (width - columns) // 2, (height - rows) // 2
    return _Scale(west, north, left, top, (columns, across), (rows, down))


def _draw_floor(
    frame: Frame, known: tuple[Spotted, ...], floor: frozenset[tuple[float, float]], scale: _Scale
) -> None:
    """Draws the room within its walls, with a tile wherever the agent can stand."""
    height, width, _ = frame.shape
    left, top = scale.left, scale.top
    frame[top : height - top, left : width - left] = _WALL
    wall = max(1, height // 60)
    frame[top + wall : height - top - wall, left + wall : width - left - wall] = _ROOM
    half = _CELL // 2
    for x, z in floor:
        column, row = round(x * 4), round(z * 4)
        middle, level = _centimetres(x), _centimetres(z)
        x0, x1 = scale.column(middle - half), scale.column(middle - half + _CELL)
        y0, y1 = scale.row(level + half), scale.row(level + half - _CELL)
        frame[max(y0, 0) : y1, max(x0, 0) : x1] = _TILES[(column + row) % 2]


def _placed(
    known: tuple[Spotted, ...], scale: _Scale, width: int, height: int, size: int
) -> tuple[Mark, ...]:
    """Returns tags as close to their receptacles as possible without covering each other.

    If there is no room even for the smallest, they cover each other.
    """
    ways = [(units, True) for units in _NUMBERED] + [(units, False) for units in _BARE]
    for units, numbered in ways:
        side = max(_SMALLEST_NUMBERED if numbered else _SMALLEST, size * units // 300)
        # Some of the floor stays visible between them.
        if len(known) * side * side * 4 <= width * height:
            marks = _packed(known, scale, (width, height), side, numbered, max(1, size // 150))
            if marks is not None:
                return tuple(marks)
    marks = []
    for one in known:
        tag, card = _tag(one.type, "", _SMALLEST)
        x, y = _corner(one, scale, card)
        x, y = _within(x, width - _SMALLEST), _within(y, height - _SMALLEST)
        marks.append(Mark(one.name, x, y, tag, card))
    return tuple(marks)


def _packed(
    known: tuple[Spotted, ...],
    scale: _Scale,
    pixels: tuple[int, int],
    side: int,
    numbered: bool,
    step: int,
) -> list[Mark] | None:
    """Returns tags with icons of this side, `step` pixels apart, or None if there is no room."""
    width, height = pixels
    taken = np.zeros((height // step, width // step), bool)
    marks = []
    for one in known:
        tag, card = _tag(one.type, art.number(one.name) if numbered else "", side)
        rows, columns = (-(-pixels // step) for pixels in card.shape[:2])
        x, y = _corner(one, scale, card)
        spot = _nearest_free(taken, x // step, y // step, columns, rows)
        if spot is None:
            return None
        x, y = spot
        taken[y : y + rows, x : x + columns] = True
        marks.append(Mark(one.name, x * step, y * step, tag, card))
    return marks


def _corner(one: Spotted, scale: _Scale, card: Frame) -> tuple[int, int]:
    """Returns the upper left corner of a card that is centred at a receptacle."""
    rows, columns, _ = card.shape
    x, y = scale.column(_centimetres(one.position[0])), scale.row(_centimetres(one.position[2]))
    return x - columns // 2, y - rows // 2


def _nearest_free(
    taken: np.ndarray[tuple[int, int], np.dtype[np.bool_]], x: int, y: int, columns: int, rows: int
) -> tuple[int, int] | None:
    """Returns the upper left corner of the free rectangle that is closest to a place."""
    height, width = taken.shape
    if columns > width or rows > height:
        return None
    # The number of taken pixels in the rectangle at every corner, from running sums.
    sums = np.zeros((height + 1, width + 1), np.int64)
    sums[1:, 1:] = taken.cumsum(axis=0).cumsum(axis=1)
    covered = (sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns]) + sums[
        :-rows, :-columns
    ]
    free_rows, free_columns = (covered == 0).nonzero()
    if not free_rows.size:
        return None
    distance = (free_rows - y) ** 2 + (free_columns - x) ** 2
    best = int(distance.argmin())
    return int(free_columns[best]), int(free_rows[best])


@functools.lru_cache(maxsize=2048)
def _tag(kind: str, number: str, side: int) -> tuple[Sprite, Frame]:
    """Returns an icon, with a number at the lower right if given, and the same on a bright card."""
    tag = art.icon(kind, side)
    if number:
        pill = art.pill(number, side * 2 // 5, 10 * side)
        rows, columns = pill.clear.shape[:2]
        # The number covers only the icon's corner.
        width = side + columns - min(side, columns) // 3
        bare = art.blended(np.zeros((side, width, 3)), np.full((side, width, 1), 255))
        tag = art.over(art.over(bare, tag, 0, 0), pill, width - columns, side - rows)
    height, width = tag.clear.shape[:2]
    card = np.full((height, width, 3), _INK, np.uint8)
    card[1:-1, 1:-1] = _CARD
    paste(card, tag, 0, 0)
    card.flags.writeable = False
    return tag, card


def _line(frame: Frame, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Draws a thin line from a receptacle's own place to its tag."""
    height, width, _ = frame.shape
    steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    for step in range(steps + 1):
        x = start[0] + (end[0] - start[0]) * step // steps
        y = start[1] + (end[1] - start[1]) * step // steps
        frame[_within(y, height - 1), _within(x, width - 1)] = _LINE


@functools.lru_cache(maxsize=16)
def _arrow(rotation: int, side: int) -> Sprite:
    """Returns the agent's arrow: rotation 0 points up, towards +z, and 1 to the right."""
    up = art.icon("#agent", side)
    return art.blended(np.rot90(up.ink, -rotation), np.rot90(up.clear, -rotation))
