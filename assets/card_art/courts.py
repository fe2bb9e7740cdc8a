"""Kings, queens and jacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from PIL import Image

from card_art.canvas import (
    GOLD,
    INK,
    NOTHING,
    WHITE,
    Canvas,
    Colour,
    circle,
    mirrored,
    outline,
)
from card_art.layout import Layout
from card_art.suits import draw_symbol
from gym_cards.cards import Card

# A figure is drawn in hundredths of the card's width around the card's middle, upright, and then
# cut off along the sash and at the edges; the card's lower half is the same figure turned around.

HEAD = 6.0
SASH = ((-52.0, 15.0), (52.0, -15.0))
EDGE = 45.0

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
