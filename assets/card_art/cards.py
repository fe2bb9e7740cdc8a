"""Whole cards: faces with their indices and pips or figures, and the back."""

from __future__ import annotations

import math
from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFilter

from card_art.canvas import (
    GOLD,
    NOTHING,
    SCALE,
    TWO_COLOURS,
    WHITE,
    Canvas,
    Colour,
    circle,
)
from card_art.courts import FIGURES, draw_court
from card_art.layout import PIPS, Layout, like
from card_art.suits import draw_symbol
from gym_cards.cards import Card

BORDER: Colour = (112, 112, 116)
# The narrowest symbol, in pixels, that is wide enough for an inlaid line.
_INLAID = 24


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


def draw_pips(canvas: Canvas, card: Card, layout: Layout) -> None:
    """Draws the pips of an ace to a ten."""
    middle = (layout.width / 2, layout.height / 2)
    if card.rank == 1:
        between = layout.width - layout.middle - layout.ten
        side = like(min(round(0.48 * layout.width), between), layout.width)
        draw_symbol(canvas, card.suit, middle, (side, side * 1.14))
        if side < _INLAID:
            return
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
