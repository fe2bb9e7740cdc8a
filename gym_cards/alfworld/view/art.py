"""Art of the household: icons, furniture and labels at any size.

Everything was drawn beforehand (assets/build_household.py) and ships as PNG sheets. Here it is
scaled by averaging areas in whole numbers, so that the same picture has the same bytes on every
machine.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gym_cards.alfworld.scene import Thing
from gym_cards.render.lettering import draw_text, text_width
from gym_cards.render.sprites import FONT_SIZES, Frame, Glyph, Sprite, paste

Colour = tuple[int, int, int]
Room = Literal["kitchen", "living", "bedroom", "bathroom"]

# Colours of labels, badges, and the surround of the map and the hand.
DARK: Colour = (38, 42, 60)
LIGHT: Colour = (252, 250, 244)

# Furniture is drawn in these units; wide and narrow places differ only in width.
PLACE_HEIGHT = 184
PLACE_WIDTHS = (300, 150)

_FONT_SIZES = FONT_SIZES["bold"]
# Marks of a state, in the order in which they are drawn over an icon.
_MARKS = ("hot", "cool", "clean")
_NAME = re.compile(r"(.+) (\d+)", re.ASCII)


class Bay(NamedTuple):
    """Area for things in a place, in its units; `deep` bays hold rows behind each other."""

    left: float
    top: float
    right: float
    bottom: float
    deep: bool


@functools.cache
def icon_types() -> frozenset[str]:
    """Returns the types that have an icon."""
    return frozenset(name for name in _index()["icons"]["names"] if name[0] != "#")


def place_types() -> frozenset[str]:
    """Returns the types that are drawn as furniture."""
    return frozenset(name for name in _index()["places"] if not name.endswith("-open"))


def opens(kind: str) -> bool:
    """Returns whether a type of furniture is drawn both open and closed."""
    return f"{kind}-open" in _index()["places"]


def letter_sizes() -> tuple[int, ...]:
    """Returns the sizes, in pixels, that have letters beyond ASCII, from small to large."""
    return tuple(sorted(map(int, _index()["letters"])))


def more_glyphs(size: int) -> dict[str, Glyph]:
    """Returns the letters beyond ASCII in a size, in bold."""
    sheet = _read(f"glyphs-bold-{size}.png", "L")
    return {
        character: Glyph(sheet[:, start : start + width], bearing, advance)
        for character, (start, width, bearing, advance) in _index()["letters"][str(size)].items()
    }


@functools.lru_cache(maxsize=128)
def place(kind: str, is_open: bool, room: Room, width: int, height: int) -> Frame:
    """Returns furniture in front of a room's wall, read-only, shape (height, width, 3).

    Raises:
        ValueError: If the type is not drawn as furniture.
    """
    drawn = _place_width(width, height)
    frame = room_picture(room, width, height).copy()
    with_alpha = _read(f"place-{_place_key(kind, is_open)}-{drawn}.png", "RGBA")
    paste(frame, scaled(with_alpha, width, height), 0, 0)
    frame.flags.writeable = False
    return frame


def place_bays(kind: str, is_open: bool, width: int, height: int) -> list[Bay]:
    """Returns the areas for things in a place of this size, in its units."""
    key = _place_key(kind, is_open)
    return [Bay(*bay) for bay in _index()["places"][key][str(_place_width(width, height))]]


def place_units(width: int, height: int) -> tuple[int, int]:
    """Returns width and height of a place of this size, in units."""
    return _place_width(width, height), PLACE_HEIGHT


@functools.lru_cache(maxsize=16)
def room_picture(room: Room, width: int, height: int) -> Frame:
    """Returns a room's wall and floor, read-only, shape (height, width, 3)."""
    frame = np.zeros((height, width, 3), np.uint8)
    drawn = _read(f"room-{room}-{_place_width(width, height)}.png", "RGBA")
    paste(frame, scaled(drawn, width, height), 0, 0)
    frame.flags.writeable = False
    return frame


@functools.lru_cache(maxsize=1024)
def icon(name: str, side: int) -> Sprite:
    """Returns an icon, or a mark whose name begins with "#", as a square of this side.

    Raises:
        ValueError: If there is no such icon.
    """
    return scaled(_master(name), side, side)


@functools.lru_cache(maxsize=1024)
def thing(seen: Thing, side: int) -> Sprite:
    """Returns an object with its state, number and contents, as a square of this side.

    Raises:
        ValueError: If the object's type is unknown, or its name has no number.
    """
    kind = seen.type
    cut = seen.sliced and not kind.endswith("Sliced")
    if cut and f"{kind}Sliced" in icon_types():
        kind, cut = f"{kind}Sliced", False
    lit = seen.on and f"{kind}On" in icon_types()
    marks = [f"#{mark}" for mark in _MARKS if getattr(seen, mark)]
    layers = ["#on"] if seen.on and not lit else []
    layers += [f"{kind}On" if lit else kind, *(["#sliced"] if cut else []), *marks]
    picture = icon(layers[0], side)
    for layer in layers[1:]:
        picture = over(picture, icon(layer, side), 0, 0)
    inner = max(8, min(side // 2, side // max(1, len(seen.contents))))
    for index, held in enumerate(seen.contents[: side // inner]):
        picture = over(picture, thing(held, inner), index * inner, 0)
    mark = badge(number(seen.name), side)
    height, width = mark.clear.shape[:2]
    return over(picture, mark, side - width, side - height)


def number(name: str) -> str:
    """Returns the number in a name such as "mug 2".

    Raises:
        ValueError: If the name has none.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} has no number: expected a name as in commands, such as 'mug 2'")
    return match[2]


def badge(text: str, side: int) -> Sprite:
    """Returns a number, light on dark, in a size that suits an icon of this side."""
    mark = pill(text, _font_size(side * 23 // 100), side)
    height, width = mark.clear.shape[:2]
    return mark if height <= side else pressed(mark, width, side)


@functools.lru_cache(maxsize=512)
def pill(text: str, size: int, room: int) -> Sprite:
    """Returns a text in letters of this size, light on dark, no wider than `room` pixels.

    A text that is too wide gets smaller letters, and then narrower ones.
    """
    fitting = [s for s in _FONT_SIZES if s <= max(size, _FONT_SIZES[0])]
    sizes = [s for s in fitting if text_width(text, f"bold-{s}") + s // 2 <= room]
    size = (sizes or fitting[:1])[-1]
    letters = _letters(text, f"bold-{size}")
    pad = max(1, size // 7)
    side = pad + size // 10
    letters = np.pad(letters, ((pad, pad), (side, side)))[..., None]
    colours = np.array(DARK, np.uint16) * (255 - letters) + np.array(LIGHT, np.uint16) * letters
    height, width, _ = letters.shape
    opacity = np.full((height, width, 1), 255, np.uint16)
    # The corners are cut off.
    reach = max(1, size // 6)
    for step in range(reach):
        for y in (step, height - 1 - step):
            opacity[y, : reach - step] = opacity[y, width - reach + step :] = 0
    sprite = blended(colours // 255 * opacity, 255 - opacity)
    return sprite if width <= room else pressed(sprite, room, height)


def _letters(text: str, font: str) -> NDArray[np.uint16]:
    """Returns the coverage of a text, cropped to its ink but at least as high as digits."""
    reach = 2 * int(font.rpartition("-")[2])
    frame = np.zeros((reach, text_width(text, font) + 2 * reach, 3), np.uint8)
    draw_text(frame, "0", 0, 0, font, (255, 255, 255))
    rows = frame[..., 0].any(axis=1)
    frame[...] = 0
    draw_text(frame, text, reach, 0, font, (255, 255, 255))
    ink = frame[..., 0].astype(np.uint16)
    lines = np.flatnonzero(rows | ink.any(axis=1))
    columns = np.flatnonzero(ink.any(axis=0))
    return ink[lines[0] : lines[-1] + 1, columns[0] : columns[-1] + 1]


def blended(ink: NDArray[Any], clear: NDArray[Any]) -> Sprite:
    """Returns a sprite of colour times opacity, shape (height, width, 3), and 255 minus opacity."""
    return Sprite(
        ink.astype(np.uint16), clear.astype(np.uint16), np.zeros((0, *ink.shape[1:]), np.uint8), 0
    )


def over(below: Sprite, above: Sprite, x: int, y: int) -> Sprite:
    """Returns a sprite with another one drawn on it."""
    height, width = above.clear.shape[:2]
    ink, clear = below.ink.astype(np.uint32), below.clear.astype(np.uint32)
    part = np.s_[y : y + height, x : x + width]
    ink[part] = above.ink + (ink[part] * above.clear + 127) // 255
    clear[part] = (clear[part] * above.clear + 127) // 255
    # Rounding must not let ink exceed what the opacity allows.
    return blended(np.minimum(ink, 255 * (255 - clear)), clear)


def _font_size(wanted: float) -> int:
    return max((size for size in _FONT_SIZES if size <= wanted), default=_FONT_SIZES[0])


def label_size(size: int) -> int:
    """Returns the size of the letters of a place's name in a picture of this size."""
    return _font_size(size * 13 // 300)


def _place_key(kind: str, is_open: bool) -> str:
    places = _index()["places"]
    if kind not in places:
        raise ValueError(
            f"there is no furniture of type {kind!r}: expected {sorted(place_types())}"
        )
    return f"{kind}-open" if is_open and opens(kind) else kind


def _place_width(width: int, height: int) -> int:
    """Returns the width of the drawing whose shape is closer to this one."""
    wide, narrow = PLACE_WIDTHS
    return wide if width * PLACE_HEIGHT * 2 >= height * (wide + narrow) else narrow


def _master(name: str) -> Frame:
    """Returns an icon as it was drawn, shape (side, side, 4)."""
    key = _index()["icons"]
    if name not in key["names"]:
        raise ValueError(f"there is no icon of type {name!r}: expected {sorted(icon_types())}")
    row, column = divmod(key["names"].index(name), key["columns"])
    side = key["side"]
    sheet = _icon_sheet()
    return sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]


def scaled(picture: Frame, width: int, height: int) -> Sprite:
    """Scales a picture of shape (rows, columns, 4) by averaging areas."""
    wide = picture.astype(np.uint32)
    wide[..., :3] *= wide[..., 3:]
    area = picture.shape[0] * picture.shape[1]
    mean = (_resized(wide, width, height) + area // 2) // area
    # Rounding must not let ink exceed what the opacity allows.
    ink = np.minimum(mean[..., :3], 255 * mean[..., 3:])
    return blended(ink, 255 - mean[..., 3:])


def pressed(sprite: Sprite, width: int, height: int) -> Sprite:
    """Scales a sprite."""
    area = sprite.clear.shape[0] * sprite.clear.shape[1]
    ink, clear = (
        _resized(part.astype(np.uint32), width, height) // area
        for part in (sprite.ink, sprite.clear)
    )
    return blended(ink, clear)


def _resized(values: NDArray[np.uint32], width: int, height: int) -> NDArray[np.int64]:
    """Returns means of areas, times the number of pixels, shape (height, width, channels).

    Args:
        values: At most 255 squared, shape (rows, columns, channels).
        width: Width of the result.
        height: Height of the result.
    """
    tall = _resized_rows(values, height)
    return _resized_rows(tall.swapaxes(0, 1), width).swapaxes(0, 1)


def _resized_rows(values: NDArray[np.uint32] | NDArray[np.int64], target: int) -> NDArray[np.int64]:
    """Returns sums of the parts of rows in each of `target` equal stretches, times `target`."""
    source = values.shape[0]
    if source % target == 0:
        stretch = source // target
        total = values[::stretch].copy()
        for row in range(1, stretch):
            total += values[row::stretch]
        return total.astype(np.int64) * target
    sums = np.zeros((source + 1, *values.shape[1:]), np.int64)
    np.cumsum(values, axis=0, out=sums[1:])
    whole, part = np.divmod(np.arange(target + 1) * source, target)
    # Beyond the last row there is nothing to take a part of.
    begun = values[np.minimum(whole, source - 1)]
    upto: NDArray[np.int64] = sums[whole] * target + begun * part[:, None, None]
    return upto[1:] - upto[:-1]


@functools.cache
def _icon_sheet() -> Frame:
    return _read("icons.png", "RGBA")


def _read(name: str, mode: str) -> Frame:
    path = resources.files("gym_cards") / "alfworld" / "art" / name
    with path.open("rb") as file, Image.open(file) as picture:
        return np.array(picture.convert(mode))


@functools.cache
def _index() -> dict[str, Any]:
    path = resources.files("gym_cards") / "alfworld" / "art" / "art.json"
    index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return index
