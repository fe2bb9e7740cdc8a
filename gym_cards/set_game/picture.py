"""Picture of SET."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from gym_cards.render import sprites
from gym_cards.render.jitter import Place, scattered
from gym_cards.render.picture import STANDARD, TABLE, Picture
from gym_cards.render.sprites import Frame, Sprite, card_height
from gym_cards.render.style import Colour, RenderStyle
from gym_cards.set_game.drawing import card_face, put_number, turned
from gym_cards.set_game.rules import SetCard

_GAP = 6
# Cards that are moved or turned are smaller, so that none covers another one.
_SCATTERED = 0.84


class SETPicture(Picture):
    """Picture of SET: rows of cards with numbers, of which the picked ones are marked.

    Args:
        num_cards: The number of cards, 3 to 12.
        style: The style of the picture.
    """

    def __init__(self, num_cards: int, style: RenderStyle = STANDARD) -> None:
        super().__init__(style, TABLE)
        rows = 1 + (num_cards > 3) + (num_cards > 8)
        columns = -(-num_cards // rows)
        pitch = (300 - _GAP) / columns
        width = int(min(pitch - _GAP, (((300 - _GAP) / rows) - _GAP) * 5 / 7))
        height = card_height(width)
        across = min(pitch, width * 1.25 + _GAP)
        down = min((300 - _GAP) / rows, height * 1.12 + _GAP)
        left = (300 - (columns - 1) * across - width) / 2
        top = (300 - (rows - 1) * down - height) / 2
        self._corners = [
            (style.pixels(left + i % columns * across), style.pixels(top + i // columns * down))
            for i in range(num_cards)
        ]
        self._width = style.pixels(width)
        # Rounding must not make neighbours touch or leave the picture.
        while not self._fits():
            self._width -= 1
        if style.jitters:
            whole, self._width = self._width, int(_SCATTERED * self._width)
            x, y = whole - self._width, card_height(whole) - card_height(self._width)
            self._corners = [(left + x // 2, top + y // 2) for left, top in self._corners]
        self._places = [Place(x, y) for x, y in self._corners]
        self._dealt: Sequence[SetCard] = ()
        self._share_drawings()

    def deal(
        self, cards: Sequence[SetCard], picked: Collection[int], jitter: int | None = None
    ) -> None:
        """Draws all cards.

        Args:
            cards: As many as the picture has places for.
            picked: The places of those that are marked.
            jitter: The seed of the cards' displacement, if the style has any.
        """
        self._dealt = cards
        if self.style.jitters:
            self.clear()
            box = (0, 0, self.style.size, self.style.size)
            self._places = scattered(
                self.style, jitter, self._corners, self._width, box, overlap=False
            )
        for place in range(len(cards)):
            self._show(place, place in picked)

    def mark(self, place: int) -> None:
        """Marks a card as picked."""
        self._show(place, True)

    def _show(self, place: int, picked: bool) -> None:
        card, style, number = self._dealt[place], self.style, place + 1
        x, y, angle = self._places[place]
        if style.jitters:
            face, opacity = card_face(card, picked, self._width, style.font_scale)
            face = face.copy()
            put_number(face, number, picked, style.font_scale)
            sprite = turned(face, opacity, angle)
            height, width, _ = sprite.ink.shape
            self.frame[y : y + height, x : x + width] = self.ground
            sprites.paste(self.frame, sprite, x, y)
            return
        faces, corners = self._faces[picked], self._corners_of[picked]
        self.canvas.put(faces[card], x, y)
        corner, left, top = corners[card, number]
        self.canvas.put(corner, x + left, y + top)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_faces": None, "_corners_of": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share_drawings()

    def _share_drawings(self) -> None:
        """Takes the drawings that all pictures with cards of this look share."""
        look = _Look(self._width, self.style.font_scale, self.ground)
        self._faces = [_faces(look, picked) for picked in (False, True)]
        self._corners_of = [_corners(look, picked) for picked in (False, True)]

    def _fits(self) -> bool:
        width, size = self._width, self.style.size
        for axis, length in enumerate((width, card_height(width))):
            starts = sorted({corner[axis] for corner in self._corners})
            if any(after - before <= length for before, after in pairwise(starts)):
                return False
            if starts[-1] + length > size:
                return False
        return True


class _Look(NamedTuple):
    width: int
    scale: float
    ground: Colour


class _Faces(dict[SetCard, Frame]):
    """Cards of one look without their numbers, on the ground, drawn when first needed."""

    def __init__(self, look: _Look, picked: bool) -> None:
        self._look, self._picked = look, picked

    def __missing__(self, card: SetCard) -> Frame:
        width, scale, ground = self._look
        picture = np.full((card_height(width), width, 3), ground, np.uint8)
        face = Sprite.of(*card_face(card, self._picked, width, scale))
        sprites.paste(picture, face, 0, 0)
        # Stored only when it is complete, because all pictures share it.
        self[card] = picture
        return picture


class _Corners(dict[tuple[SetCard, int], tuple[Frame, int, int]]):
    """The parts of cards of one look that have the number, each with its place on the card.

    They are small, so that those of all cards with all numbers take little memory.
    """

    def __init__(self, look: _Look, picked: bool) -> None:
        self._look, self._picked = look, picked

    def __missing__(self, key: tuple[SetCard, int]) -> tuple[Frame, int, int]:
        card, number = key
        width, scale, _ = self._look
        face = card_face(card, self._picked, width, scale)[0].copy()
        rows, columns = put_number(face, number, self._picked, scale)
        self[key] = drawn = (face[rows, columns].copy(), columns.start, rows.start)
        return drawn


_faces = functools.lru_cache(maxsize=16)(_Faces)
_corners = functools.lru_cache(maxsize=16)(_Corners)
