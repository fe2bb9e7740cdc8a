"""Cards of SET, drawn at any size from distances to edges, without fonts or art."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gym_cards.render.lettering import Ink, word
from gym_cards.render.sprites import Frame, Sprite, card_height
from gym_cards.render.style import WHITE, Colour
from gym_cards.set_game.rules import COLOURS, SHADINGS, SHAPES, SetCard

INKS: dict[str, Colour] = {"red": (190, 10, 60), "blue": (20, 104, 226), "orange": (240, 152, 0)}
"""Colours that are also far apart for people with any kind of colour blindness."""

PICKED: Colour = (242, 234, 255)
"""The paper of a picked card."""

_BORDER: Colour = (112, 112, 116)
_FRAME: Colour = (104, 36, 176)
_NUMBER: Colour = (88, 92, 100)
# Shares of a card's width: the corners' radius, the frame of a picked card, a shape's outline, its
# width, and the size of the number.
_RADIUS, _THICK, _PEN, _WIDE, _DIGITS = 0.09, 0.065, 0.042, 0.62, 0.17
# The distance of shapes as a share of a card's height, and their height as a share of that.
_PITCH, _TALL = 0.262, 0.76
# Points in a pixel, along each axis.
_SCALE = 8

Plane = NDArray[np.float64]


class _Layout(NamedTuple):
    """Places on a card, in pixels.

    Attributes:
        font: The font of the number.
        start: The distance of the number from the left and the upper edge.
        middle: The distance of the shapes' middle from the upper edge.
        pitch: The distance of the shapes from one another.
    """

    font: str
    start: int
    middle: float
    pitch: float

    @classmethod
    def of(cls, width: int, scale: float) -> _Layout:
        """Returns the layout of a card with a number of this scale; large numbers push shapes."""
        height = card_height(width)
        size = max(1, round(min(_DIGITS * scale, 0.36) * width))
        start = max(1, round((_THICK + 0.015) * width))
        # Digits are three quarters of the size high.
        top, bottom = start + 0.75 * size + 2, height - 0.08 * width
        pitch = min(_PITCH * height, (bottom - top) / (2 + _TALL))
        needed = pitch * (2 + _TALL) / 2
        return cls(f"bold-{size}", start, max(height / 2, top + needed), pitch)


@functools.lru_cache(maxsize=192)
def card_face(card: SetCard, picked: bool, width: int, scale: float) -> tuple[Frame, Frame]:
    """Draws a card without its number.

    Args:
        card: The card.
        picked: Whether it is marked as picked.
        width: Its width in pixels.
        scale: The scale of the number that it will have.

    Returns:
        Its colours, shape (height, width, 3), and its opacity, (height, width), both uint8.
    """
    picture, opacity = _blank(width, picked)
    picture = picture.copy()
    paper = np.array(PICKED if picked else WHITE)
    layout = _Layout.of(width, scale)
    covered = _shape(card.shading, card.shape, width, max(3, round(_TALL * layout.pitch)))
    covered = covered[..., None]
    tall, wide, _ = covered.shape
    blend = covered * np.array(INKS[COLOURS[card.colour]]) + (1 - covered) * paper
    left = (width - wide) // 2
    for index in range(card.number + 1):
        top = round(layout.middle + layout.pitch * (index - card.number / 2) - tall / 2)
        picture[top : top + tall, left : left + wide] = (blend + 0.5).astype(np.uint8)
    return picture, opacity


def put_number(face: Frame, number: int, picked: bool, scale: float) -> tuple[slice, slice]:
    """Writes a number into the corner of a card.

    Args:
        face: The card's colours, changed in place.
        number: The number of the card's place.
        picked: Whether the card is marked as picked.
        scale: The scale of the number.

    Returns:
        The rows and columns that it takes.
    """
    font, start, _, _ = _Layout.of(face.shape[1], scale)
    digits = word(str(number), Ink(font, _NUMBER, PICKED if picked else WHITE)).picture
    taken = slice(start, start + digits.shape[0]), slice(start, start + digits.shape[1])
    # The darker of both, because in very small pictures they reach a shape.
    np.minimum(face[taken], digits, out=face[taken])
    return taken


def turned(colours: Frame, opacity: Frame, angle: float) -> Sprite:
    """Returns a card turned counterclockwise around its middle, by an angle in degrees."""
    if not angle:
        return Sprite.of(colours, opacity)
    picture = Image.fromarray(np.dstack([colours, opacity]), "RGBA").convert("RGBa")
    picture = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True).convert("RGBA")
    pixels = np.asarray(picture)
    return Sprite.of(pixels[..., :3], pixels[..., 3])


@functools.lru_cache(maxsize=16)
def _blank(width: int, picked: bool) -> tuple[Frame, Frame]:
    """Draws a card without shapes; returns its colours and its opacity."""
    height = card_height(width)
    radius = _RADIUS * width
    x, y = _points(width, height)

    def covered(inset: float) -> Plane:
        # A rectangle with round corners: what is close to a smaller rectangle.
        round_x = np.maximum(abs(x) - (width / 2 - radius), 0)
        round_y = np.maximum(abs(y) - (height / 2 - radius), 0)
        return _share(np.hypot(round_x, round_y) <= radius - inset)

    thin = max(1.0, width / 120)
    layers = [(covered(thin), np.array(_FRAME if picked else WHITE))]
    if picked:
        layers.append((covered(max(2.0, _THICK * width)), np.array(PICKED)))
    colours = np.broadcast_to(np.array(_BORDER, float), (height, width, 3))
    for share, colour in layers:
        colours = share[..., None] * colour + (1 - share[..., None]) * colours
    return (colours + 0.5).astype(np.uint8), (covered(0.0) * 255 + 0.5).astype(np.uint8)


@functools.lru_cache(maxsize=32)
def _shape(shading: int, shape: int, width: int, tall: int) -> Plane:
    """Returns how much of each pixel around a shape it covers with ink, 0 to 1."""
    wide = max(3, round(_WIDE * width))
    pen = max(1.0, _PEN * width)
    outer = _share(_inside(SHAPES[shape], wide, tall, 0.0))
    if SHADINGS[shading] == "solid":
        return outer
    inner = _share(_inside(SHAPES[shape], wide, tall, pen))
    if SHADINGS[shading] == "open":
        return outer - inner
    # Stripes are on whole pixels, so that they are crisp.
    line, period = max(1, round(0.025 * width)), max(3, round(0.07 * width))
    start = (wide // 2 - line // 2) % period
    stripes = (np.arange(wide) - start) % period < line
    return outer - inner * ~stripes


def _inside(shape: str, wide: int, tall: int, inset: float) -> NDArray[np.bool_]:
    """Returns which points are inside a shape, by at least the inset."""
    x, y = (abs(plane) for plane in _points(wide, tall))
    a, b = wide / 2, tall / 2
    inside: NDArray[np.bool_]
    if shape == "oval":
        # The points close to a line through the middle.
        inside = np.hypot(np.maximum(x - (a - b), 0), y) <= b - inset
    elif shape == "diamond":
        inside = x / a + y / b <= 1 - inset * np.hypot(1 / a, 1 / b)
    else:
        # A bow: high at both ends, narrow in the middle.
        waist = 0.28 * b
        slope = (b - waist) / a
        edge = waist + slope * x - inset * np.hypot(1, slope)
        inside = (x <= a - inset) & (y <= edge)
    return inside


def _points(width: int, height: int) -> tuple[Plane, Plane]:
    """Returns the coordinates of the points of all pixels, from the middle of the picture."""
    xs = (np.arange(width * _SCALE) + 0.5) / _SCALE - width / 2
    ys = (np.arange(height * _SCALE) + 0.5) / _SCALE - height / 2
    return np.broadcast_arrays(xs[None, :], ys[:, None])  # type: ignore[return-value]


def _share(inside: NDArray[np.bool_]) -> Plane:
    """Returns the share of each pixel's points that are inside."""
    height, width = inside.shape
    parts = inside.reshape(height // _SCALE, _SCALE, width // _SCALE, _SCALE)
    share: Plane = parts.mean(axis=(1, 3))
    return share
