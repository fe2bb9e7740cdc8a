"""Art that ships with the package: card faces, card backs and glyphs, at any size.

It was drawn by assets/build_art.py and ships as PNG sheets, which decode without loss, once per
process. The standard sizes are used as they are, so that the same state gives the same bytes on
every machine; other sizes are scaled down from the next larger sheet.
"""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gym_cards.cards import RANKS, SUITS, Card

Frame = NDArray[np.uint8]

CARD_WIDTHS = (45, 54, 67, 70, 90, 135, 270)
FONT_SIZES: dict[str, tuple[int, ...]] = {
    "bold": (*range(7, 17), 18, 20, 22, 24, 36, 72),
    "sans": (16, 20, 72),
}

_MASTER_FONT_SIZE = 72
# Turned cards wider than this, in pixels, are not cached.
_LARGEST_KEPT = 70
# The suits that have other colours in a four-colour deck, in the order of their sheet.
_RECOLOURED = ("C", "D")


class Sprite(NamedTuple):
    """Picture with opacity, to be drawn on another one.

    Attributes:
        ink: Colour times opacity, shape (height, width, 3), dtype uint16.
        clear: 255 minus the opacity, shape (height, width, 1), dtype uint16.
        opaque: The fully opaque rows, shape (rows, width, 3), dtype uint8.
        opaque_top: The first of these rows.
    """

    ink: NDArray[np.uint16]
    clear: NDArray[np.uint16]
    opaque: Frame
    opaque_top: int

    @classmethod
    def of(cls, colours: NDArray[np.uint8], opacity: NDArray[np.uint8]) -> Sprite:
        """Returns a sprite; colours have the shape (height, width, 3), opacity (height, width)."""
        wide = opacity[..., None].astype(np.uint16)
        # A card is opaque except for its rounded corners: one run of rows, which may be empty.
        rows = np.flatnonzero((opacity == 255).all(axis=1))
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if rows.size else (0, 0)
        if bottom - top != rows.size:
            top = bottom = 0
        return cls(colours * wide, 255 - wide, colours[top:bottom].copy(), top)


class Glyph(NamedTuple):
    """Character of a font.

    Attributes:
        coverage: Shape (line height, width), dtype uint8.
        bearing: Distance from the pen to its left edge, in pixels.
        advance: Distance that it moves the pen, in pixels.
    """

    coverage: Frame
    bearing: int
    advance: int


def card_height(width: int) -> int:
    """Returns the height of a card of this width, in pixels."""
    return width * 7 // 5


def card(
    face: Card | None, width: int, *, four_colours: bool = False, angle: float = 0.0
) -> Sprite:
    """Returns a card's face, or the back for `None`.

    Args:
        face: The card.
        width: Its width in pixels, before it is turned.
        four_colours: Whether clubs are green and diamonds blue.
        angle: Degrees that it is turned around its middle, counterclockwise.
    """
    # Large turned cards would fill the memory, because there are many angles.
    draw = _draw_card.__wrapped__ if angle and width > _LARGEST_KEPT else _draw_card
    return draw(face, width, four_colours, angle)


@functools.lru_cache(maxsize=1200)
def _draw_card(face: Card | None, width: int, four_colours: bool, angle: float) -> Sprite:
    sheet = next((w for w in CARD_WIDTHS if w >= width), CARD_WIDTHS[-1])
    picture = Image.fromarray(_face(face, sheet, four_colours))
    if sheet != width:
        picture = _scaled(picture, width, card_height(width))
    if angle:
        picture = picture.convert("RGBa").rotate(angle, Image.Resampling.BICUBIC, expand=True)
        picture = picture.convert("RGBA")
    pixels = np.asarray(picture)
    return Sprite.of(pixels[..., :3], pixels[..., 3])


@functools.lru_cache(maxsize=256)
def turned_size(width: int, angle: float) -> tuple[int, int]:
    """Returns height and width of the box around a card that is turned by an angle in degrees."""
    return card(None, width, angle=angle).ink.shape[:2]


def glyph(character: str, font: str) -> Glyph:
    """Returns a character of a font.

    Args:
        character: A printable ASCII character.
        font: "bold" or "sans" and a size in pixels, such as "bold-36": DejaVu Sans.

    Raises:
        ValueError: If there is no such font.
        KeyError: If there is no such character.
    """
    return font_glyphs(font)[character]


@functools.lru_cache(maxsize=64)
def font_glyphs(font: str) -> dict[str, Glyph]:
    """Returns all characters of a font.

    Raises:
        ValueError: If there is no such font.
    """
    family, _, digits = font.partition("-")
    if family not in FONT_SIZES or not digits.isdecimal() or int(digits) < 1:
        raise ValueError(
            f"there is no font {font!r}: expected 'bold' or 'sans' and a size, such as 'bold-36'"
        )
    size = int(digits)
    drawn = size if size in FONT_SIZES[family] else _MASTER_FONT_SIZE
    sheet = read_sheet(f"glyphs-{family}-{drawn}.png", "L")
    glyphs = {
        character: Glyph(sheet[:, start : start + width], bearing, advance)
        for character, (start, width, bearing, advance) in _metrics(f"{family}-{drawn}").items()
    }
    if drawn == size:
        return glyphs
    scale = size / drawn
    height = round(sheet.shape[0] * scale)
    return {
        character: Glyph(
            _scaled_coverage(one.coverage, scale, height),
            round(one.bearing * scale),
            round(one.advance * scale),
        )
        for character, one in glyphs.items()
    }


def paste(frame: Frame, sprite: Sprite, x: int, y: int) -> None:
    """Draws a sprite in place: (opacity·colour + (255 - opacity)·below + 127) // 255."""
    height, width, _ = sprite.ink.shape
    if 0 <= x <= frame.shape[1] - width and 0 <= y <= frame.shape[0] - height:
        top, bottom = sprite.opaque_top, sprite.opaque_top + len(sprite.opaque)
        frame[y + top : y + bottom, x : x + width] = sprite.opaque
        _blend(frame[y : y + top, x : x + width], sprite, np.s_[:top])
        _blend(frame[y + bottom : y + height, x : x + width], sprite, np.s_[bottom:])
        return
    top, left = max(y, 0), max(x, 0)
    below = frame[top : max(y + height, 0), left : max(x + width, 0)]
    seen = np.s_[top - y : top - y + below.shape[0], left - x : left - x + below.shape[1]]
    _blend(below, sprite, seen)


def _blend(below: Frame, sprite: Sprite, seen: Any) -> None:
    # At most 255 * 255 + 127, which fits uint16.
    below[...] = (sprite.ink[seen] + below * sprite.clear[seen] + np.uint16(127)) // 255


@functools.cache
def read_sheet(name: str, mode: str) -> Frame:
    """Reads a sheet of art as an array of shape (height, width) or (height, width, 4), uint8."""
    path = resources.files("gym_cards.render") / "art" / name
    with path.open("rb") as file, Image.open(file) as picture:
        return np.array(picture.convert(mode))


@functools.lru_cache(maxsize=256)
def _face(face: Card | None, width: int, four_colours: bool) -> Frame:
    """Returns a card of a sheet, shape (height, width, 4)."""
    if face is None:
        return read_sheet(f"back-{width}.png", "RGBA")
    suits: tuple[str, ...]
    if four_colours and face.suit in _RECOLOURED:
        name, suits = f"faces-four-colours-{width}.png", _RECOLOURED
    else:
        name, suits = f"faces-{width}.png", SUITS
    height = card_height(width)
    top, left = suits.index(face.suit) * height, RANKS.index(face.rank) * width
    # A copy, because a view would keep the whole sheet in memory.
    return read_sheet(name, "RGBA")[top : top + height, left : left + width].copy()


def _scaled(picture: Image.Image, width: int, height: int) -> Image.Image:
    """Returns a picture with opacity at another size."""
    # Colours are weighted by opacity, so that transparent pixels do not bleed in.
    weighed = picture.convert("RGBa").resize((width, height), Image.Resampling.BICUBIC)
    return weighed.convert("RGBA")


def _scaled_coverage(coverage: Frame, scale: float, height: int) -> Frame:
    if not coverage.size:
        return np.zeros((height, 0), np.uint8)
    width = max(1, round(coverage.shape[1] * scale))
    picture = Image.fromarray(coverage).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _metrics(font: str) -> dict[str, tuple[int, int, int, int]]:
    """Returns each character's place and width in its sheet, its bearing and its advance."""
    return _all_metrics()[font]


@functools.cache
def _all_metrics() -> dict[str, dict[str, tuple[int, int, int, int]]]:
    text = (resources.files("gym_cards.render") / "art" / "glyphs.json").read_text(encoding="utf-8")
    return {
        font: {character: (a, b, c, d) for character, (a, b, c, d) in glyphs.items()}
        for font, glyphs in json.loads(text).items()
    }
