"""The place in front of the agent, or the room if it stands at no furniture."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

from gym_cards.alfworld.scene import Receptacle, Thing
from gym_cards.alfworld.view import art
from gym_cards.alfworld.view.art import Bay, Room
from gym_cards.render.sprites import Frame, paste

# The largest icons, and those below which things on a board are stacked, in units of a picture that
# is 300 wide.
_LARGEST = 56
_STACKED = 18
# The smallest icons, in pixels.
_SMALLEST = 4
_ROOM_BAY = Bay(8, 24, 292, 178, True)


class Spot(NamedTuple):
    """Square of a thing: its upper left corner and its side, in pixels."""

    x: int
    y: int
    side: int


def draw_places(frame: Frame, here: tuple[Receptacle, ...], room: Room, size: int) -> None:
    """Draws places side by side until they fill a frame.

    Args:
        frame: Shape (height, width, 3), dtype uint8.
        here: One receptacle or more.
        room: The kind of room.
        size: The size of the picture, which sets that of letters and gaps.
    """
    height, width, _ = frame.shape
    columns, rows = grid(len(here))
    for index, receptacle in enumerate(here):
        row, column = divmod(index, columns)
        # A last row that is not full is as wide as the others.
        many = min(columns, len(here) - row * columns)
        left, right = width * column // many, width * (column + 1) // many
        top, bottom = height * row // rows, height * (row + 1) // rows
        one = frame[top:bottom, left:right]
        one[...] = _place(receptacle, room, right - left, bottom - top, size)
        if column:
            frame[top:bottom, left] = art.DARK
        if row:
            frame[top, left:right] = art.DARK


def grid(n: int) -> tuple[int, int]:
    """Returns the numbers of columns and rows for a number of places."""
    columns = n if n <= 3 else math.isqrt(n - 1) + 1
    return columns, -(-n // columns)


def draw_room(frame: Frame, receptacles: tuple[Receptacle, ...], room: Room, size: int) -> None:
    """Draws the room from its middle: an icon for each type of receptacle, with their numbers.

    Args:
        frame: Shape (height, width, 3), dtype uint8.
        receptacles: All receptacles of the room.
        room: The kind of room.
        size: The size of the picture, which sets that of letters and gaps.
    """
    height, width, _ = frame.shape
    frame[...] = art.room_picture(room, width, height)
    numbers: dict[str, list[int]] = {}
    for receptacle in receptacles:
        number = int(art.number(receptacle.name))
        numbers.setdefault(receptacle.type, []).append(number)
    types = sorted(numbers, key=lambda kind: (-len(numbers[kind]), kind))
    spots = arrange([_ROOM_BAY], len(types), (width, height), (300, art.PLACE_HEIGHT), size)
    for kind, spot in zip(types, spots, strict=True):
        paste(frame, art.icon(kind, spot.side), spot.x, spot.y)
        low, high = min(numbers[kind]), max(numbers[kind])
        mark = art.badge(str(low) if low == high else f"{low}-{high}", spot.side)
        rows, columns = mark.clear.shape[:2]
        paste(frame, mark, spot.x + spot.side - columns, spot.y + spot.side - rows)
    _draw_label(frame, "room", size)


def arrange(
    bays: list[Bay], n: int, pixels: tuple[int, int], units: tuple[int, int], size: int
) -> list[Spot]:
    """Returns the squares of things: as large as possible, apart from each other, within the bays.

    Args:
        bays: The areas for things, in units.
        n: The number of things.
        pixels: Width and height of the place.
        units: Width and height of the place in units.
        size: The size of the picture.

    Raises:
        ValueError: If there is no room for this number of things.
    """
    if not n:
        return []
    rooms = [_to_pixels(bay, pixels, units) for bay in bays]
    gap = max(1, size // 100)
    stacked = size * _STACKED // 300
    # Few different sides, so that few sprites are cached.
    largest, step = size * _LARGEST // 300, max(1, size // 150)
    for side in (*range(largest, _SMALLEST, -step), _SMALLEST):
        columns = [(right - left + gap) // (side + gap) for left, _, right, _, _ in rooms]
        rows = [
            min(1, (bottom - top) // side)
            if not deep and side > stacked
            else (bottom - top + gap) // (side + gap)
            for _, top, _, bottom, deep in rooms
        ]
        capacities = [c * r for c, r in zip(columns, rows, strict=True)]
        if sum(capacities) >= n:
            shares = _shared(n, capacities)
            return [
                spot
                for bay, share, most in zip(rooms, shares, columns, strict=True)
                for spot in _rows(bay, share, most, side, gap)
            ]
    raise ValueError(f"{n} things have no room in {pixels[0]} × {pixels[1]} pixels: draw it larger")


class _Area(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int
    deep: bool


def _to_pixels(bay: Bay, pixels: tuple[int, int], units: tuple[int, int]) -> _Area:
    (width, height), (across, down) = pixels, units
    return _Area(
        round(bay.left * width / across),
        round(bay.top * height / down),
        round(bay.right * width / across),
        round(bay.bottom * height / down),
        bay.deep,
    )


def _shared(n: int, capacities: list[int]) -> list[int]:
    """Returns the number of things in each bay, in proportion to what each holds."""
    shares = []
    left, room = n, sum(capacities)
    for capacity in capacities:
        share = -(-left * capacity // room) if room else 0
        shares.append(share)
        left -= share
        room -= capacity
    return shares


def _rows(area: _Area, n: int, most: int, side: int, gap: int) -> list[Spot]:
    """Returns the squares of things in one bay, from the back row to the front."""
    if not n:
        return []
    rows = -(-n // most)
    spare = area.bottom - area.top - rows * side
    # Things on a board stand on it; elsewhere rows spread, and a few things move off the edge.
    between = min(spare // (rows - 1), side // 4) if rows > 1 else 0
    lift = (spare - between * (rows - 1)) * 3 // 10 if area.deep else 0
    width = area.right - area.left
    spots = []
    for row in range(rows):
        many = (n + rows - 1 - row) // rows
        pitch = 0
        if many > 1:
            pitch = min(width // many, side * 7 // 4)
            pitch = min(max(pitch, side + gap), (width - side) // (many - 1))
        left = area.left + (width - pitch * (many - 1) - side) // 2
        y = area.bottom - lift - side - (rows - 1 - row) * (side + between)
        spots += [Spot(left + i * pitch, y, side) for i in range(many)]
    return spots


@functools.lru_cache(maxsize=64)
def _place(receptacle: Receptacle, room: Room, width: int, height: int, size: int) -> Frame:
    """Returns one place with its name and its visible contents, read-only."""
    kind, is_open = receptacle.type, receptacle.open or not receptacle.openable
    frame = art.place(kind, is_open, room, width, height).copy()
    things: tuple[Thing, ...] = receptacle.contents or ()
    bays = art.place_bays(kind, is_open, width, height)
    units = art.place_units(width, height)
    spots = arrange(bays, len(things), (width, height), units, size)
    for seen, spot in zip(things, spots, strict=True):
        paste(frame, art.thing(seen, spot.side), spot.x, spot.y)
    _draw_label(frame, receptacle.name, size)
    frame.flags.writeable = False
    return frame


def _draw_label(frame: Frame, text: str, size: int) -> None:
    """Writes a place's name into the upper left corner."""
    margin = max(1, size // 100)
    label = art.pill(text, art.label_size(size), frame.shape[1] - 2 * margin)
    paste(frame, label, margin, margin)
