"""Curves, polygons and letters on a picture that is drawn large and averaged down."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).resolve().parents[1] / "fonts"

# Everything is drawn this many times larger and averaged down.
SCALE = 8

# How far the stems of narrow digits are widened on both sides, at a size of 600.
_WIDENED = 14

Point = tuple[float, float]
Colour = tuple[int, int, int]
# One stretch of an outline: a line's end, or the remaining points of a Bézier curve.
Segment = tuple[Point, ...]

BLACK: Colour = (16, 16, 22)
WHITE: Colour = (255, 255, 255)
NOTHING: Colour = (0, 0, 0)
INK: Colour = (34, 26, 32)
GOLD: Colour = (244, 190, 48)
RED: Colour = (204, 16, 36)
GREEN: Colour = (12, 126, 52)
BLUE: Colour = (28, 84, 208)
# The colour of each suit's symbols and indices.
TWO_COLOURS = {"C": BLACK, "D": RED, "H": RED, "S": BLACK}
FOUR_COLOURS = {**TWO_COLOURS, "C": GREEN, "D": BLUE}


def bezier(points: Sequence[Point], t: float) -> Point:
    """The point at `t` of the Bézier curve with these control points."""
    while len(points) > 1:
        points = [
            (ax + (bx - ax) * t, ay + (by - ay) * t) for (ax, ay), (bx, by) in pairwise(points)
        ]
    return points[0]


def outline(start: Point, *segments: Segment) -> list[Point]:
    """The polygon through lines and curves that begins at `start`."""
    points = [start]
    for segment in segments:
        steps = 1 if len(segment) == 1 else 24
        control = (points[-1], *segment)
        points += [bezier(control, step / steps) for step in range(1, steps + 1)]
    return points


def mirrored(points: Sequence[Point], x: float) -> list[Point]:
    """An open outline closed by its own mirror image about the vertical at `x`."""
    return [*points, *((2 * x - px, py) for px, py in reversed(points))]


def circle(x: float, y: float, rx: float, ry: float | None = None) -> list[Point]:
    """An ellipse as a polygon; a circle if `ry` is left out."""
    turns = [2 * math.pi * step / 48 for step in range(48)]
    return [(x + rx * math.cos(a), y + (rx if ry is None else ry) * math.sin(a)) for a in turns]


class Canvas:
    """A picture drawn `SCALE` times larger, in units of the caller's choice.

    Args:
        size: Width and height in final pixels.
        background: The colour to begin with.
        origin: Where (0, 0) lies, in final pixels.
        unit: How many final pixels one unit is.
        inks: The colour of each suit's symbols and indices.
    """

    def __init__(
        self,
        size: tuple[int, int],
        background: Colour = WHITE,
        origin: Point = (0.0, 0.0),
        unit: float = 1.0,
        inks: Mapping[str, Colour] = TWO_COLOURS,
    ):
        self.size = size
        self.origin = origin
        self.unit = unit
        self.inks = inks
        self.image = Image.new("RGB", (size[0] * SCALE, size[1] * SCALE), background)
        self._draw = ImageDraw.Draw(self.image)

    def _place(self, points: Sequence[Point]) -> list[Point]:
        ox, oy = self.origin
        # Pillow paints the pixel at the end of an interval too; the half pixel undoes that.
        return [
            ((ox + x * self.unit) * SCALE - 0.5, (oy + y * self.unit) * SCALE - 0.5)
            for x, y in points
        ]

    def fill(self, points: Sequence[Point], colour: Colour, pen: float = 0.0) -> None:
        """Fills a polygon and draws its outline in ink, `pen` wide."""
        self._draw.polygon(self._place(points), fill=colour)
        if pen:
            self.stroke([*points, points[0]], INK, pen)

    def stroke(self, points: Sequence[Point], colour: Colour, pen: float) -> None:
        """Draws an open line with round ends."""
        placed = self._place(points)
        width = pen * self.unit * SCALE
        self._draw.line(placed, fill=colour, width=max(1, round(width)), joint="curve")
        for x, y in (placed[0], placed[-1]):
            r = width / 2
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def paste(self, other: Image.Image, mask: Image.Image) -> None:
        """Puts a picture of the same enlarged size on top wherever `mask` is set."""
        self.image.paste(other, (0, 0), mask)

    def letter(self, text: str, left: int, top: int, width: int, height: int, ink: Colour) -> None:
        """Draws bold text whose ink fills exactly this box, so that its edges are crisp."""
        mask = ink_of(text).resize((width * SCALE, height * SCALE), Image.Resampling.LANCZOS)
        colour = Image.new("RGB", mask.size, ink)
        self.image.paste(colour, (left * SCALE, top * SCALE), mask)

    def turn(self) -> None:
        """Turns the picture upside down."""
        self.image.paste(self.image.transpose(Image.Transpose.ROTATE_180))

    def reduced(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.reduce(SCALE)


@cache
def ink_of(text: str) -> Image.Image:
    """The coverage of a bold text, cut to its ink."""
    font = ImageFont.truetype(
        str(FONTS / "DejaVuSans-Bold.ttf"), 600, layout_engine=ImageFont.Layout.BASIC
    )
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    mask = mask.crop(mask.getbbox())
    if len(text) == 1:
        return mask
    # Two digits are squeezed into the room of one and a half: their stems are widened beforehand.
    wide = Image.new("L", (mask.width + 2 * _WIDENED, mask.height))
    for shift in range(2 * _WIDENED + 1):
        wide.paste(255, (shift, 0), mask)
    return wide
