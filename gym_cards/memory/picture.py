"""Picture of Memory: a grid of numbered cards above the misses that are left."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from gym_cards.cards import Card
from gym_cards.render import sprites
from gym_cards.render.jitter import Place, scattered
from gym_cards.render.lettering import Ink, word
from gym_cards.render.picture import STANDARD, TABLE, Picture
from gym_cards.render.sprites import Frame, Sprite, card_height
from gym_cards.render.style import Colour, RenderStyle

Shown = Card | Literal["back"] | None
"""What is at a place: a card face up, one face down, or nothing."""

_GAP = 6
_LINE = 24
# Cards that are moved or turned are smaller, so that none covers another one.
_SCATTERED = 0.84

_PLATE: Colour = (250, 246, 234)
_RIM: Colour = (30, 58, 120)
# Diameter of the plate with a card's number, as a share of the card's width.
_ON_BACK, _ON_FACE = 0.56, 0.36
# Shapes are drawn this many times larger and averaged down.
_SCALE = 8


class MemoryPicture(Picture):
    """Picture of Memory.

    Args:
        rows: The number of rows of cards.
        columns: The number of cards in a row.
        style: The style of the picture.
    """

    def __init__(self, rows: int, columns: int, style: RenderStyle = STANDARD) -> None:
        super().__init__(style, TABLE)
        line = _LINE * style.font_scale
        floor = 300 - line
        across = (300 - _GAP) / columns
        width = int(across - _GAP)
        while rows * (card_height(width) + _GAP) + _GAP > floor:
            width -= 1
        pitch_x = min(across, 1.35 * width + _GAP)
        pitch_y = min((floor - _GAP) / rows, card_height(width) * 1.12 + _GAP)
        left = (300 - columns * pitch_x + pitch_x - width) / 2
        top = (floor - rows * pitch_y + pitch_y - card_height(width)) / 2
        xs = [style.pixels(left + column * pitch_x) for column in range(columns)]
        ys = [style.pixels(top + row * pitch_y) for row in range(rows)]
        self._width = style.pixels(width)
        # Rounding must not make neighbours touch.
        while not (_apart(xs, self._width) and _apart(ys, card_height(self._width))):
            self._width -= 1
        if style.jitters:
            whole, self._width = self._width, int(_SCATTERED * self._width)
            inset = (whole - self._width) // 2, (card_height(whole) - card_height(self._width)) // 2
            xs, ys = [x + inset[0] for x in xs], [y + inset[1] for y in ys]
        self._corners = [(x, y) for y in ys for x in xs]
        self._box = (0, 0, style.size, style.pixels(floor))
        # The numbers that were drawn so far, by the card that they are on and its place.
        self._plates: dict[tuple[Card | None, int], tuple[Frame, int, int]] = {}
        self._shown: list[Shown] = [None] * len(self._corners)
        self._places = [Place(x, y) for x, y in self._corners]
        size, top = 16.0, floor + 1
        ways = [
            ("bold", part * size, top + (1 - part) * size / 2, line, 1) for part in (1, 0.8, 0.6)
        ]
        self._misses = self.paragraph(_GAP, 300, ways)
        self._misses.begin(self.canvas, "Misses left:")

    def deal(self, cards: Sequence[Shown], misses: int, jitter: int | None = None) -> None:
        """Draws all places.

        Args:
            cards: What is at each place, row by row.
            misses: The number of misses left.
            jitter: The seed of the cards' displacement, if the style has any.
        """
        if self.style.jitters:
            for place, shown in enumerate(self._shown):
                if shown is not None:
                    self._take(place)
            self._shown = [None] * len(self._corners)
            self._places = scattered(
                self.style, jitter, self._corners, self._width, self._box, overlap=False
            )
        for place, card in enumerate(cards):
            if card != self._shown[place]:
                self.turn(place, card)
        self.count(misses)

    def turn(self, place: int, shown: Shown) -> None:
        """Draws what is at a place now."""
        before, self._shown[place] = self._shown[place], shown
        if self.style.jitters:
            if before is not None:
                self._take(place)
            if shown is not None:
                self._paste(place, shown)
        elif shown is None:
            if before is not None:
                self._take(place)
        else:
            self._put(place, shown)

    def count(self, misses: int) -> None:
        """Writes the number of misses left."""
        self._misses.replace(self.canvas, str(misses))

    def _take(self, place: int) -> None:
        """Shows the ground at a place."""
        x, y, angle = self._places[place]
        if angle:
            height, width = sprites.turned_size(self._width, angle)
            self.frame[y : y + height, x : x + width] = self.ground
        else:
            self.take_card(self._width, x, y)

    def _put(self, place: int, shown: Card | Literal["back"]) -> None:
        style = self.style
        x, y = self._corners[place]
        card = None if shown == "back" else shown
        self.put_card(card, self._width, x, y)
        key = (card, place)
        if key not in self._plates:
            self._plates[key] = _on_card(
                card, self._width, place + 1, style.font_scale, style.four_colours
            )
        plate, left, top = self._plates[key]
        self.canvas.put(plate, x + left, y + top)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_plates": {}}

    def _paste(self, place: int, shown: Card | Literal["back"]) -> None:
        card = None if shown == "back" else shown
        where = self._places[place]
        self.paste_card(card, self._width, where)
        height, width = sprites.turned_size(self._width, where.angle)
        box = self.frame[where.y : where.y + height, where.x : where.x + width]
        _put_number(box, card, self._width, place + 1, self.style.font_scale)


# Small, so that all cards with all numbers take little memory.
@functools.lru_cache(maxsize=2048)
def _on_card(
    card: Card | None, width: int, number: int, scale: float, four_colours: bool
) -> tuple[Frame, int, int]:
    """Draws the part of a card that its number is on; returns it and its place on the card."""
    picture = np.empty((card_height(width), width, 3), np.uint8)
    sprites.paste(picture, sprites.card(card, width, four_colours=four_colours), 0, 0)
    rows, columns = _put_number(picture, card, width, number, scale)
    return picture[rows, columns].copy(), columns.start, rows.start


def _put_number(
    box: Frame, card: Card | None, width: int, number: int, scale: float
) -> tuple[slice, slice]:
    """Writes a card's number into the box around it: in the middle of a back, low on a face.

    Returns:
        The rows and columns that it takes.
    """
    share = min(_ON_BACK * scale, 0.9) if card is None else min(_ON_FACE * scale, 0.5)
    diameter = max(5, round(share * width))
    height, wide, _ = box.shape
    x = (wide - diameter) // 2
    # On a face it leaves both corners and the middle of the card free.
    y = (height - diameter) // 2
    if card is not None:
        y += card_height(width) // 2 - diameter // 2 - max(1, round(0.05 * width))
    sprites.paste(box, _plate(diameter), x, y)
    digits = word(str(number), Ink(f"bold-{max(1, round(0.54 * diameter))}", _RIM, _PLATE)).picture
    tall, long, _ = digits.shape
    left, top = x + (diameter - long + 1) // 2, y + (diameter - tall + 1) // 2
    box[top : top + tall, left : left + long] = digits
    return slice(y, y + diameter), slice(x, x + diameter)


@functools.lru_cache(maxsize=64)
def _plate(diameter: int) -> Sprite:
    """Draws a disc with a rim."""
    across = (np.arange(diameter * _SCALE) + 0.5) / _SCALE - diameter / 2
    distance = np.hypot(across[:, None], across)
    rim = max(1.0, diameter / 14)

    def covered(radius: float) -> Frame:
        parts = (distance <= radius).reshape(diameter, _SCALE, diameter, _SCALE)
        share: Frame = (parts.mean(axis=(1, 3)) * 255 + 0.5).astype(np.uint8)
        return share

    inside = covered(diameter / 2 - rim)[..., None] / 255
    colours = inside * np.array(_PLATE) + (1 - inside) * np.array(_RIM)
    return Sprite.of((colours + 0.5).astype(np.uint8), covered(diameter / 2))


def _apart(starts: Sequence[int], length: int) -> bool:
    return all(after - before > length for before, after in pairwise(starts))
