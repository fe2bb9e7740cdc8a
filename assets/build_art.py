"""Draws the cards and rasterises the text that gym_cards ships as package data.

Run `python assets/build_art.py`; it rewrites every sheet in gym_cards/art. The cards are drawn
here, from polygons and curves; only the letters come from a font, DejaVu Sans, in assets/fonts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from gym_cards.cards import RANKS, SUITS, Card

ASSETS = Path(__file__).resolve().parent
ART = ASSETS.parent / "gym_cards" / "art"

# Every width that a standard picture needs, with two to six cards and Blackjack's hands among
# them, and a large one that others are scaled from.
CARD_SIZES = ((45, 63), (54, 75), (67, 93), (70, 98), (90, 126), (135, 189), (270, 378))
TEXT = {
    "bold-72": ("DejaVuSans-Bold.ttf", 72),
    "bold-36": ("DejaVuSans-Bold.ttf", 36),
    "bold-16": ("DejaVuSans-Bold.ttf", 16),
    "sans-72": ("DejaVuSans.ttf", 72),
    "sans-20": ("DejaVuSans.ttf", 20),
    "sans-16": ("DejaVuSans.ttf", 16),
}
CHARACTERS = "".join(map(chr, range(32, 127)))

# Everything is drawn this many times larger and averaged down.
SCALE = 8

Point = tuple[float, float]
Colour = tuple[int, int, int]
# One stretch of an outline: a line's end, or the remaining points of a Bézier curve.
Segment = tuple[Point, ...]

RED: Colour = (204, 16, 36)
BLACK: Colour = (16, 16, 22)
GREEN: Colour = (12, 126, 52)
BLUE: Colour = (28, 84, 208)
WHITE: Colour = (255, 255, 255)
NOTHING: Colour = (0, 0, 0)
BORDER: Colour = (112, 112, 116)
INK: Colour = (34, 26, 32)
GOLD: Colour = (244, 190, 48)
GOLD_DARK: Colour = (196, 132, 20)
SKIN: Colour = (250, 216, 184)
BLUSH: Colour = (240, 168, 148)
LIPS: Colour = (198, 40, 56)
ERMINE: Colour = (252, 249, 240)
LEAF: Colour = (54, 132, 66)
STEEL: Colour = (196, 204, 214)


class Livery(NamedTuple):
    """The colours that the three court cards of a suit wear."""

    robe: Colour
    trim: Colour
    hair: Colour
    beard: Colour


LIVERIES = {
    "C": Livery((28, 112, 76), (116, 190, 120), (92, 56, 32), (110, 70, 40)),
    "D": Livery((226, 104, 30), (255, 196, 120), (226, 178, 74), (200, 196, 190)),
    "H": Livery((186, 24, 52), (244, 138, 150), (150, 66, 26), (166, 82, 34)),
    "S": Livery((38, 62, 142), (128, 160, 226), (40, 34, 44), (62, 56, 66)),
}


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
        """Fills a polygon and, for a `pen` above 0, draws its outline in ink so wide."""
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
        str(ASSETS / "fonts" / "DejaVuSans-Bold.ttf"), 600, layout_engine=ImageFont.Layout.BASIC
    )
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text))
    mask = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(mask).text((-left, -top), text, fill=255, font=font)
    return mask.crop(mask.getbbox())


# ---------------------------------------------------------------------------------- suit symbols

STEM = outline((0, 0.0), ((0.06, 0.62), (0.18, 0.86), (0.46, 1.0)))


def symbol(suit: str) -> list[list[Point]]:
    """The polygons of a suit symbol in the square from (-1, -1) to (1, 1), its stem last."""
    if suit == "D":
        side = outline((0, -1), ((0.3, -0.46), (0.82, 0)), ((0.3, 0.46), (0, 1)))
        return [mirrored(side, 0)]
    if suit == "H":
        side = outline(
            (0, -0.56),
            ((0.1, -0.86), (0.3, -1), (0.52, -1)),
            ((0.82, -1), (1, -0.74), (1, -0.42)),
            ((1, 0.12), (0.3, 0.44), (0, 1)),
        )
        return [mirrored(side, 0)]
    stem = mirrored(STEM, 0)
    if suit == "S":
        side = outline(
            (0, -1),
            ((0.24, -0.5), (0.98, -0.22), (0.98, 0.28)),
            ((0.98, 0.58), (0.76, 0.74), (0.52, 0.74)),
            ((0.3, 0.74), (0.1, 0.6), (0, 0.36)),
        )
        return [mirrored(side, 0), stem]
    heart = [(-0.3, -0.2), (0.3, -0.2), (0.3, 0.3), (-0.3, 0.3)]
    leaves = [circle(0, -0.53, 0.46), circle(-0.53, 0.2, 0.46), circle(0.53, 0.2, 0.46)]
    return [*leaves, heart, stem]


def draw_symbol(
    canvas: Canvas,
    suit: str,
    centre: Point,
    size: Point,
    colour: Colour | None = None,
    *,
    upside_down: bool = False,
    stem: bool = True,
) -> None:
    """Draws a suit symbol of this width and height around `centre`."""
    sign = -0.5 if upside_down else 0.5
    polygons = symbol(suit)
    if suit in "CS" and not stem:
        polygons = polygons[:-1]
    for polygon in polygons:
        placed = [
            (centre[0] + x * size[0] * 0.5, centre[1] + y * size[1] * sign) for x, y in polygon
        ]
        canvas.fill(placed, colour or canvas.inks[suit])


# ---------------------------------------------------------------------------------------- layout


class Layout(NamedTuple):
    """Where things stand on a card of one size; everything in whole pixels.

    Attributes:
        width: Of the card.
        height: Of the card.
        rank: Width and height of a rank letter in the corner.
        ten: Width of the corner's "10", which is narrower a digit.
        top: Of the corner's rank letter.
        middle: Of the corner's column, in half pixels.
        suit: Width and height of the corner's suit symbol.
        suit_top: Top of the corner's suit symbol.
        pip: Width and height of a pip.
        column: Distance of the outer pip columns from the card's middle.
        row: Distance of the top pip row from the card's middle.
    """

    width: int
    height: int
    rank: tuple[int, int]
    ten: int
    top: int
    middle: int
    suit: tuple[int, int]
    suit_top: int
    pip: tuple[int, int]
    column: int
    row: float

    @classmethod
    def of(cls, width: int, height: int) -> Layout:
        """The layout of a card of this size.

        Corners shrink more slowly than the card, since they are what tells cards apart. Symbols
        are as odd or even in width as the card, so that its middle is theirs to the pixel.
        """
        rank_height = round(6 + 0.165 * width)
        rank_width = round(rank_height * 0.74)
        ten = round(rank_height * 0.94)
        margin = max(3, round(0.045 * width))
        suit_width = like(round(rank_height * 0.72), ten)
        suit_height = suit_width + 1
        top = margin + 1
        suit_top = top + rank_height + max(2, round(0.025 * width))
        index_right = margin + ten
        pip_width = like(int(0.165 * width - 2), width)
        pip_height = round(pip_width * 1.12)
        gap = max(1, round(0.03 * width))
        column = int(width / 2 - index_right - gap - pip_width / 2)
        row = height / 2 - top - pip_height / 2 - max(1, round(0.025 * width))
        return cls(
            width,
            height,
            (rank_width, rank_height),
            ten,
            top,
            2 * margin + ten,
            (suit_width, suit_height),
            suit_top,
            (pip_width, pip_height),
            column,
            row,
        )


def like(value: int, parity: int) -> int:
    """`value`, or one more, so that it is odd where `parity` is odd."""
    return value + (value - parity) % 2


# Pips stand in three columns (-1, 0, 1) and at heights given as shares of the outer rows' distance
# from the middle. Those below the middle are drawn upside down.
SIDES = (-1.0, 1.0)
PIPS: dict[int, tuple[tuple[float, float], ...]] = {
    2: ((0, -1), (0, 1)),
    3: ((0, -1), (0, 0), (0, 1)),
    4: tuple((x, y) for y in (-1, 1) for x in SIDES),
    5: (*((x, y) for y in (-1, 1) for x in SIDES), (0, 0)),
    6: tuple((x, y) for y in (-1, 0, 1) for x in SIDES),
    7: (*((x, y) for y in (-1, 0, 1) for x in SIDES), (0, -0.5)),
    8: (*((x, y) for y in (-1, 0, 1) for x in SIDES), (0, -0.5), (0, 0.5)),
    9: (*((x, y) for y in (-1, -1 / 3, 1 / 3, 1) for x in SIDES), (0, 0)),
    10: (*((x, y) for y in (-1, -1 / 3, 1 / 3, 1) for x in SIDES), (0, -2 / 3), (0, 2 / 3)),
}


def draw_pips(canvas: Canvas, card: Card, layout: Layout) -> None:
    """Draws the pips of an ace to a ten."""
    middle = (layout.width / 2, layout.height / 2)
    if card.rank == 1:
        between = layout.width - layout.middle - layout.ten
        side = like(min(round(0.42 * layout.width), between), layout.width)
        draw_symbol(canvas, card.suit, middle, (side, side * 1.14))
        # An engraver's inlaid line: where the blurred shape has these levels is so far inside.
        shape = Canvas(canvas.size, NOTHING)
        draw_symbol(shape, card.suit, middle, (side, side * 1.14), WHITE, stem=False)
        soft = shape.image.convert("L").filter(ImageFilter.GaussianBlur(0.055 * side * SCALE))
        line = soft.point([255 if 218 < level <= 243 else 0 for level in range(256)])
        canvas.paste(Image.new("RGB", line.size, WHITE), line)
        return
    for x, y in PIPS[card.rank]:
        centre = (middle[0] + x * layout.column, middle[1] + y * layout.row)
        # A pip's top edge on a whole pixel: every pip of a card then looks the same.
        top = round(centre[1] - layout.pip[1] / 2 + (0.01 if y < 0 else -0.01))
        placed = (centre[0], top + layout.pip[1] / 2)
        draw_symbol(canvas, card.suit, placed, layout.pip, upside_down=y > 0)


def draw_corner(canvas: Canvas, card: Card, layout: Layout) -> None:
    """Draws rank and suit into the top left corner."""
    width, height = layout.rank
    if card.rank == 10:
        width = layout.ten
    elif card.label == "J":
        width = round(height * 0.56)
    width = like(width, layout.middle)
    left = (layout.middle - width) // 2
    canvas.letter(card.label, left, layout.top, width, height, canvas.inks[card.suit])
    centre = (layout.middle / 2, layout.suit_top + layout.suit[1] / 2)
    draw_symbol(canvas, card.suit, centre, layout.suit)


# ----------------------------------------------------------------------------------- court cards
# A figure is drawn in hundredths of the card's width around the card's middle, upright, and then
# cut off along the sash and at the edges; the card's lower half is the same figure turned around.

HEAD = 6.0
SASH = ((-52.0, 15.0), (52.0, -15.0))
EDGE = 45.0


def draw_king(canvas: Canvas, suit: str, pen: float) -> None:
    """A bearded king with a tall crown, ermine and a sceptre."""
    robe, _, hair, beard = LIVERIES[suit]
    h = HEAD
    draw_sceptre(canvas, suit, pen)
    draw_shoulders(canvas, robe, pen, drop=-17, reach=42)
    # Ermine over the shoulders, with its black tails.
    cape = outline(
        (h, -10),
        ((h + 16, -13), (h + 18, -19)),
        ((h + 29, -12), (h + 29, 8)),
        ((h + 14, 2), (h, 10)),
    )
    canvas.fill(mirrored(cape, h), ERMINE, pen)
    for x, y in ((14.0, -8.0), (22.0, -10.0), (24.5, -3.0), (17, -1.5), (24, 4)):
        for side in (-1, 1):
            tail = [(h + side * x, y - 2), (h + side * x + 1.3, y + 2), (h + side * x - 1.3, y + 2)]
            canvas.fill(tail, INK)
    # Hair in a roll on each side of the face.
    for side in (-1, 1):
        curl = outline(
            (h + side * 9, -48),
            ((h + side * 22, -48), (h + side * 21, -34)),
            ((h + side * 23, -22), (h + side * 14, -21)),
            ((h + side * 8, -24), (h + side * 9, -48)),
        )
        canvas.fill(curl, hair, pen)
    draw_face(canvas, pen)
    # The beard covers the chin; the moustache lies over it.
    jaw = outline(
        (h, -29),
        ((h + 6, -31), (h + 12.5, -36)),
        ((h + 15, -22), (h + 6, -13)),
        ((h + 3, -10), (h, -6)),
    )
    canvas.fill(mirrored(jaw, h), beard, pen)
    for x in (-4.0, 0.0, 4.0):
        canvas.stroke([(h + x * 1.3, -21), (h + x * 0.7, -13)], INK, pen * 0.6)
    canvas.fill(circle(h, -26.4, 3.2, 1.5), LIPS)
    for side in (-1, 1):
        moustache = outline(
            (h, -31),
            ((h + side * 5, -32), (h + side * 10, -26)),
            ((h + side * 5, -26.5), (h, -28)),
        )
        canvas.fill(moustache, beard, pen * 0.7)
    draw_crown(canvas, suit, pen)


def draw_crown(canvas: Canvas, suit: str, pen: float) -> None:
    """A king's crown: five points with pearls over a jewelled band."""
    h = HEAD
    cap = outline((h, -64), ((h + 16, -64), (h + 15, -50)), ((h, -48),))
    canvas.fill(mirrored(cap, h), LIVERIES[suit].robe, pen)
    crown = [(h, -65), (h + 4, -56.5), (h + 9.5, -64), (h + 12, -56), (h + 19, -61), (h + 15, -47)]
    bottom = outline((h + 15, -47), ((h + 8, -44.5), (h, -44.5)))
    canvas.fill(mirrored([*crown, *bottom], h), GOLD, pen)
    canvas.stroke(outline((h - 16, -51.5), ((h, -48), (h + 16, -51.5))), GOLD_DARK, pen * 0.8)
    for x, y in ((0.0, -64.5), (9.5, -63.5), (-9.5, -63.5), (19, -60.5), (-19, -60.5)):
        canvas.fill(circle(h + x, y, 2.2), ERMINE, pen * 0.8)
    for x, y in ((0, -47.2), (8, -47.8), (-8, -47.8)):
        canvas.fill(circle(h + x, y, 1.7), LIPS if x == 0 else LIVERIES[suit].robe)


def draw_sceptre(canvas: Canvas, suit: str, pen: float) -> None:
    """A staff on the figure's left that carries the suit."""
    canvas.stroke([(36.5, -44), (36.5, 10)], INK, 2.6 + 2 * pen)
    canvas.stroke([(36.5, -44), (36.5, 10)], GOLD, 2.6)
    canvas.fill(circle(36.5, -43, 3.4, 2.4), GOLD, pen)
    draw_symbol(canvas, suit, (36.5, -54.5), (15, 17))


def draw_shoulders(canvas: Canvas, robe: Colour, pen: float, drop: float, reach: float) -> None:
    """The body from the neck down to far below the sash."""
    side = outline(
        (HEAD, drop - 3),
        ((HEAD + 10, drop - 4),),
        ((HEAD + reach, drop), (HEAD + reach + 2, 40)),
        ((HEAD, 40),),
    )
    canvas.fill(mirrored(side, HEAD), robe, pen)


def draw_face(canvas: Canvas, pen: float, *, rx: float = 12.5, chin: float = -21.5) -> None:
    """A face seen from the front: eyes, brows, nose and cheeks."""
    h = HEAD
    side = outline(
        (h, -53),
        ((h + rx, -53), (h + rx, -40)),
        ((h + rx, -28), (h + 6, chin + 1.5), (h, chin)),
    )
    canvas.fill(mirrored(side, h), SKIN, pen)
    for s in (-1, 1):
        canvas.fill(circle(h + s * 7.4, -32.6, 2.8, 2.2), BLUSH)
        canvas.fill(circle(h + s * 5.2, -38, 2.7, 1.9), WHITE)
        canvas.fill(circle(h + s * 5.0, -38, 1.7, 1.9), INK)
        brow = outline((h + s * 2.4, -41.6), ((h + s * 5.4, -43.6), (h + s * 8.8, -41.2)))
        canvas.stroke(brow, INK, pen * 0.8)
    canvas.stroke([(h + 0.6, -37.5), (h - 1.6, -32.4), (h + 0.8, -32.0)], INK, pen * 0.55)


def draw_queen(canvas: Canvas, suit: str, pen: float) -> None:
    """A queen with long hair, a tiara, a pearl necklace and a flower."""
    robe, trim, hair, _ = LIVERIES[suit]
    h = HEAD
    # Hair falls behind the shoulders.
    locks = outline(
        (h, -60),
        ((h + 22, -60), (h + 20, -40)),
        ((h + 19, -28), (h + 27, -20), (h + 25, -4)),
        ((h + 14, 6), (h, 0)),
    )
    canvas.fill(mirrored(locks, h), hair, pen)
    draw_shoulders(canvas, robe, pen, drop=-12, reach=36)
    neck = outline(
        (h, -26),
        ((h + 5.5, -26),),
        ((h + 5.5, -16), (h + 15, -13)),
        ((h + 11, -2), (h, 3)),
    )
    canvas.fill(mirrored(neck, h), SKIN, pen)
    collar = outline(
        (h + 15, -13),
        ((h + 22, -12), (h + 24, -8)),
        ((h + 14, 6), (h, 10)),
        ((h, 3),),
        ((h + 11, -2), (h + 15, -13)),
    )
    for points in (collar, [(2 * h - x, y) for x, y in collar]):
        canvas.fill(points, trim, pen)
    # Locks in front of the shoulders frame the face.
    draw_face(canvas, pen, rx=11.5, chin=-22)
    for s in (-1, 1):
        lock = outline(
            (h, -54),
            ((h + s * 15, -56), (h + s * 19, -42)),
            ((h + s * 21, -30), (h + s * 25, -16)),
            ((h + s * 17, -14), (h + s * 14, -20)),
            ((h + s * 13, -34), (h + s * 10.5, -42)),
            ((h + s * 5, -44), (h, -50)),
        )
        canvas.fill(lock, hair, pen * 0.8)
    canvas.fill(circle(h, -27.4, 3.1, 1.6), LIPS)
    canvas.stroke([(h - 3, -27.4), (h + 3, -27.4)], INK, pen * 0.4)
    for x, y in ((-8, -12.2), (-4.6, -9.8), (0, -8.8), (4.6, -9.8), (8, -12.2)):
        canvas.fill(circle(h + x, y, 1.9), ERMINE, pen * 0.5)
    draw_tiara(canvas, suit, pen)
    draw_flower(canvas, suit, pen)


def draw_tiara(canvas: Canvas, suit: str, pen: float) -> None:
    """A low band that rises to one jewelled point."""
    h = HEAD
    side = outline(
        (h, -66),
        ((h + 2, -62), (h + 6, -60)),
        ((h + 9, -61), (h + 10, -63)),
        ((h + 11, -58), (h + 18, -54)),
        ((h + 16.5, -50),),
        ((h + 8, -54.5), (h, -54.5)),
    )
    canvas.fill(mirrored(side, h), GOLD, pen)
    canvas.fill(circle(h, -59, 2.2, 2.6), LIPS if suit != "H" else (60, 90, 190), pen * 0.6)
    for x, y in ((0, -64.6), (10, -62.5), (-10, -62.5)):
        canvas.fill(circle(h + x, y, 1.8), ERMINE, pen * 0.7)


def draw_flower(canvas: Canvas, suit: str, pen: float) -> None:
    """A flower on the figure's left, with a leaf."""
    trim = LIVERIES[suit].trim
    stem = outline((34.5, -46), ((38, -30), (32, -10), (37, 8)))
    canvas.stroke(stem, INK, 1.8 + 2 * pen)
    canvas.stroke(stem, LEAF, 1.8)
    leaf = outline((35.5, -26), ((38, -36), (43, -35)), ((44, -25), (35.5, -24)))
    canvas.fill(leaf, LEAF, pen * 0.8)
    for turn in range(5):
        angle = 2 * math.pi * (turn / 5) - math.pi / 2
        petal = circle(34.5 + 5 * math.cos(angle), -51 + 5 * math.sin(angle), 4.2)
        canvas.fill(petal, trim, pen * 0.8)
    canvas.fill(circle(34.5, -51, 3.2), GOLD, pen * 0.8)


def draw_jack(canvas: Canvas, suit: str, pen: float) -> None:
    """A young page with a feathered cap, a ruff and a halberd."""
    robe, trim, hair, _ = LIVERIES[suit]
    h = HEAD
    draw_halberd(canvas, pen)
    draw_shoulders(canvas, robe, pen, drop=-14, reach=41)
    # A slashed sleeve.
    for x, y in ((-19.5, -4.0), (-12.5, -7.5), (-5.5, -8.5)):
        slash = [(x, y), (x + 4, y + 16)]
        canvas.stroke(slash, INK, 2.6 + 2 * pen)
        canvas.stroke(slash, trim, 2.6)
    # The ruff: a scalloped white collar.
    for x in (-15, 15, -10, 10, -5, 5, 0):
        canvas.fill(circle(h + x, -15.5 - abs(x) * 0.12, 4.4, 4.8), ERMINE, pen * 0.8)
    # Bobbed hair behind the face.
    bob = outline(
        (h, -58),
        ((h + 20, -58), (h + 18, -40)),
        ((h + 18, -26), (h + 20, -23)),
        ((h + 12, -19), (h, -21)),
    )
    canvas.fill(mirrored(bob, h), hair, pen)
    draw_face(canvas, pen, rx=11.5, chin=-20)
    fringe = outline(
        (h - 12, -42),
        ((h - 6, -48), (h + 4, -44), (h + 12, -45)),
        ((h + 12, -54), (h, -55)),
        ((h - 12, -54), (h - 12, -42)),
    )
    canvas.fill(fringe, hair)
    smile = outline((h - 3.2, -27.2), ((h, -24.8), (h + 3.6, -27.8)))
    canvas.stroke(smile, LIPS, max(pen, 1.4))
    draw_cap(canvas, suit, pen)


def draw_cap(canvas: Canvas, suit: str, pen: float) -> None:
    """A flat cap, worn aslant, with a long feather."""
    robe, trim, _, _ = LIVERIES[suit]
    h = HEAD
    crown = outline(
        (h - 17, -49),
        ((h - 20, -60), (h - 8, -64), (h, -64)),
        ((h + 14, -65), (h + 22, -58), (h + 18, -50)),
        ((h, -53), (h - 17, -49)),
    )
    canvas.fill(crown, robe, pen)
    band = outline(
        (h - 17.5, -51.5),
        ((h, -56), (h + 18.5, -52.5)),
        ((h + 18, -48),),
        ((h, -51.5), (h - 17, -46.5)),
        ((h - 17.5, -51.5),),
    )
    canvas.fill(band, GOLD, pen)
    feather = outline(
        (h - 12, -51),
        ((h - 17, -63), (h - 5, -68), (h + 8, -66)),
        ((h + 16, -65), (h + 22, -62), (h + 23, -55)),
        ((h + 17, -60), (h + 9, -60), (h + 1, -59)),
        ((h - 6, -58), (h - 9, -56), (h - 12, -51)),
    )
    canvas.fill(feather, trim, pen)
    spine = outline((h - 11, -53), ((h - 8, -63), (h + 6, -64), (h + 17, -61.5)))
    canvas.stroke(spine, ERMINE, pen * 0.8)
    canvas.fill(circle(h - 12, -50.5, 2.4), LIPS if suit != "H" else (60, 90, 190), pen * 0.7)


def draw_halberd(canvas: Canvas, pen: float) -> None:
    """A pole with an axe blade and a point on the figure's left."""
    canvas.stroke([(34, -50), (34, 10)], INK, 2.2 + 2 * pen)
    canvas.stroke([(34, -50), (34, 10)], (150, 96, 48), 2.2)
    point = [(34, -66), (36.6, -57), (34, -52), (31.4, -57)]
    blade = outline(
        (35, -55), ((38, -54), (42, -60)), ((45.5, -50), (42, -41)), ((38, -46), (35, -45))
    )
    spike = [(33, -53), (27, -50.5), (33, -48)]
    for points in (blade, spike, point):
        canvas.fill(points, STEEL, pen)


FIGURES: dict[int, Callable[[Canvas, str, float], None]] = {
    11: draw_jack,
    12: draw_queen,
    13: draw_king,
}


def draw_court(canvas: Canvas, card: Card, layout: Layout) -> None:
    """Draws a figure and, turned around, its twin."""
    size = (layout.width, layout.height)
    unit = layout.width / 100
    half = Canvas(size, WHITE, (layout.width / 2, layout.height / 2), unit, canvas.inks)
    # A pen of one pixel, or somewhat more on large cards.
    pen = max(1.0, layout.width / 100) / unit
    FIGURES[card.rank](half, card.suit, pen)
    turned = half.image.transpose(Image.Transpose.ROTATE_180)
    below = Canvas(size, NOTHING, half.origin, unit)
    below.fill([*SASH, (52, 90), (-52, 90)], WHITE)
    full = Canvas(size, WHITE, half.origin, unit)
    full.paste(half.image, Image.new("L", half.image.size, 255))
    full.paste(turned, below.image.convert("L"))
    livery = LIVERIES[card.suit]
    slope = (SASH[1][1] - SASH[0][1]) / (SASH[1][0] - SASH[0][0])
    left, right = -EDGE + pen / 2, EDGE - pen / 2
    full.fill(
        [
            (left, left * slope - 3.4),
            (right, right * slope - 3.4),
            (right, right * slope + 3.4),
            (left, left * slope + 3.4),
        ],
        GOLD,
        pen,
    )
    for step in range(-6, 7):
        x = step * 7.0
        y = x * slope
        full.fill([(x - 2, y), (x, y - 2.2), (x + 2, y), (x, y + 2.2)], livery.robe)
    # The figure ends at a margin inside the card's border.
    inner = Canvas(size, NOTHING, half.origin, unit)
    tall = layout.height / unit / 2 - 2
    inner.fill([(-EDGE, -tall), (EDGE, -tall), (EDGE, tall), (-EDGE, tall)], WHITE)
    canvas.paste(full.image, inner.image.convert("L"))


# -------------------------------------------------------------------------------------- the card


def silhouette(width: int, height: int, inset: float = 0.0) -> Image.Image:
    """The card's rounded shape as an enlarged mask."""
    mask = Image.new("L", (width * SCALE, height * SCALE))
    low = inset * SCALE
    box = (low, low, width * SCALE - 1 - low, height * SCALE - 1 - low)
    radius = (0.075 * width - inset) * SCALE
    ImageDraw.Draw(mask).rounded_rectangle(box, radius, fill=255)
    return mask


def finished(canvas: Canvas) -> Image.Image:
    """The card inside its border, transparent outside its rounded corners."""
    width, height = canvas.size
    card = Canvas(canvas.size, BORDER)
    card.paste(canvas.image, silhouette(width, height, inset=max(1.0, width / 120)))
    # In steps of 8 the eye sees no difference, and the sheets take a quarter less room.
    steps = [round(round(level * 31 / 255) * 255 / 31) for level in range(256)]
    picture = card.reduced().point(steps * 3).convert("RGBA")
    picture.putalpha(silhouette(width, height).reduce(SCALE))
    return picture


def face(
    card: Card, width: int, height: int, inks: Mapping[str, Colour] = TWO_COLOURS
) -> Image.Image:
    """The picture of a card's face, RGBA."""
    layout = Layout.of(width, height)
    canvas = Canvas((width, height), inks=inks)
    if card.rank in FIGURES:
        draw_court(canvas, card, layout)
    else:
        draw_pips(canvas, card, layout)
    for _ in range(2):
        draw_corner(canvas, card, layout)
        canvas.turn()
    return finished(canvas)


def back(width: int, height: int) -> Image.Image:
    """The picture of every card's back, RGBA."""
    navy, pale = (30, 58, 120), (150, 176, 226)
    unit = width / 100
    canvas = Canvas((width, height), WHITE, (width / 2, height / 2), unit)
    tall = 50 * height / width
    pen = max(1.0, width / 110) / unit

    def frame(inset: float, colour: Colour) -> None:
        x, y = 50 - inset, tall - inset
        canvas.fill([(-x, -y), (x, -y), (x, y), (-x, y)], colour)

    frame(6, navy)
    # A lattice of two families of lines with a bead in every mesh.
    pitch = 11.0
    for step in range(-20, 21):
        x = step * pitch
        canvas.stroke([(x - 100, -100), (x + 100, 100)], pale, pen * 0.7)
        canvas.stroke([(x + 100, -100), (x - 100, 100)], pale, pen * 0.7)
    for row in range(-20, 21):
        for column in range(-10, 11):
            x = (column + 0.5 * (row % 2)) * pitch
            canvas.fill(circle(x + pitch / 2, row * pitch / 2, 1.5), GOLD)
    lattice = canvas.image.copy()
    inner = Canvas((width, height), NOTHING, canvas.origin, unit)
    inner.fill([(-40, 10 - tall), (40, 10 - tall), (40, tall - 10), (-40, tall - 10)], WHITE)
    canvas.fill([(-60, -90), (60, -90), (60, 90), (-60, 90)], WHITE)
    frame(5.5, navy)
    frame(5.5 + 1.6 * pen, WHITE)
    frame(5.5 + 2.8 * pen, navy)
    canvas.paste(lattice, inner.image.convert("L"))
    # A medallion: a star of eight rays over a disc.
    canvas.fill(circle(0, 0, 22), WHITE)
    canvas.fill(circle(0, 0, 20), navy)
    rays = []
    for turn in range(16):
        radius = 16.5 if turn % 2 == 0 else 7.0
        angle = math.pi * turn / 8
        rays.append((radius * math.sin(angle), -radius * math.cos(angle)))
    canvas.fill(rays, GOLD)
    canvas.fill(circle(0, 0, 5.2), navy)
    canvas.fill(circle(0, 0, 2.8), WHITE)
    return finished(canvas)


# ---------------------------------------------------------------------------------------- sheets


def write_cards(width: int, height: int) -> None:
    """Writes the faces of one size, a row for each suit and a column for each rank, and a back.

    A four-colour deck has a sheet of its own, which holds the two suits that differ.
    """
    differing = [suit for suit in SUITS if FOUR_COLOURS[suit] != TWO_COLOURS[suit]]
    for name, suits, inks in (
        ("faces", SUITS, TWO_COLOURS),
        ("faces-four-colours", differing, FOUR_COLOURS),
    ):
        sheet = Image.new("RGBA", (width * len(RANKS), height * len(suits)))
        for row, suit in enumerate(suits):
            for column, rank in enumerate(RANKS):
                picture = face(Card(suit, rank), width, height, inks)
                sheet.paste(picture, (column * width, row * height))
        sheet.save(ART / f"{name}-{width}.png", optimize=True)
    back(width, height).save(ART / f"back-{width}.png", optimize=True)


def write_text(name: str, file: str, size: int) -> dict[str, tuple[int, int, int, int]]:
    """Writes one font's glyphs side by side, each as high as a line, and returns their metrics.

    A glyph's entry is its place in the sheet and its width there, how far its ink stands from the
    pen, and how far the pen moves on; all whole pixels.
    """
    path = str(ASSETS / "fonts" / file)
    font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    ascent, descent = font.getmetrics()
    glyphs: dict[str, tuple[int, int, int, int]] = {}
    pictures: list[Image.Image] = []
    place = 0
    for character in CHARACTERS:
        margin = size
        cell = Image.new("L", (3 * size, ascent + descent))
        ImageDraw.Draw(cell).text((margin, 0), character, fill=255, font=font, anchor="la")
        box = cell.getbbox()
        left, right = (box[0], box[2]) if box else (margin, margin)
        pictures.append(cell.crop((left, 0, right, cell.height)))
        glyphs[character] = (place, right - left, left - margin, round(font.getlength(character)))
        place += right - left
    sheet = Image.new("L", (place, ascent + descent))
    for picture, (start, *_) in zip(pictures, glyphs.values(), strict=True):
        sheet.paste(picture, (start, 0))
    sheet.save(ART / f"glyphs-{name}.png", optimize=True)
    return glyphs


def main() -> None:
    """Rebuilds everything."""
    for width, height in CARD_SIZES:
        write_cards(width, height)
    metrics = {name: write_text(name, file, size) for name, (file, size) in TEXT.items()}
    lines = json.dumps(metrics, separators=(",", ":"), sort_keys=True)
    (ART / "glyphs.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
