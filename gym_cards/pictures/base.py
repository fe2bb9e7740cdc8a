"""What the pictures of all games have in common."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym_cards.cards import Card
from gym_cards.pictures import sprites
from gym_cards.pictures.jitter import Place
from gym_cards.pictures.lettering import Ink, Paragraph, Way, put_word
from gym_cards.pictures.look import Colour, Look, ink_on
from gym_cards.pictures.sprites import Frame

TABLE: Colour = (0x35, 0x65, 0x4D)
STANDARD = Look()

# Text keeps this far from the picture's right edge.
_MARGIN = 5


Rows = NDArray[np.void]
"""A part of a picture, shape (height,). An element is a whole row of it: NumPy copies those in half
the time that it takes for bytes."""


class _Slot(NamedTuple):
    """Where a card is shown.

    Attributes:
        frame: The picture.
        rows: Of the picture.
        faces: What may be put into them.
        bare: A row of the ground alone, shape (1,).
    """

    frame: Frame
    rows: Rows
    faces: Mapping[Card | None, Rows]
    bare: Rows


class Picture:
    """A picture of one game, kept up to date: what a move changes is drawn, and nothing else.

    Attributes:
        frame: The picture, uint8 of shape (size, size, 3). Everything is drawn into it in place.

    Args:
        look: What it looks like.
        ground: The game's own background.
    """

    def __init__(self, look: Look, ground: Colour) -> None:
        self.look = look
        self.ground = look.ground(ground)
        self.ink = ink_on(self.ground)
        self.frame: Frame = np.full((look.size, look.size, 3), self.ground, np.uint8)
        # By a card's width and place.
        self._slots: dict[tuple[int, int, int], _Slot] = {}

    def move_to(self, frame: Frame) -> None:
        """Goes on in another contiguous array of the same shape, with what it shows now."""
        frame[...] = self.frame
        self.frame = frame
        self._slots = {}

    def drawn_rows(self) -> Sequence[tuple[int, int]]:
        """Beginnings and ends of the rows, in order, outside of which there is ever only ground."""
        return [(0, self.look.size)]

    def font(self, family: str, size: float) -> str:
        """A font whose size is in pixels of a picture of 300, before letters are scaled."""
        pixels = size * self.look.font_scale * self.look.size / 300
        return f"{family}-{max(1, int(pixels + 0.5))}"

    def label(self, text: str, x: float, y: float, family: str, size: float) -> None:
        """Writes text; lengths are in a picture of 300."""
        ink = Ink(self.font(family, size), self.ink, self.ground)
        put_word(self.frame, text, self.look.pixels(x), self.look.pixels(y), ink)

    def paragraph(
        self, x: float, bottom: float, ways: Sequence[tuple[str, float, float, float, int]]
    ) -> Paragraph:
        """A paragraph from lengths in a picture of 300.

        Args:
            x: Left edge.
            bottom: End of the part of the picture that is the paragraph's alone.
            ways: Each a family, a font size, a top, a distance of lines and their number.
        """
        pixels = self.look.pixels
        left = pixels(x)
        return Paragraph(
            left,
            self.look.size - pixels(_MARGIN) - left,
            min(self.look.size, pixels(bottom)),
            [
                Way(self.font(family, size), pixels(top), pixels(pitch), room)
                for family, size, top, pitch, room in ways
            ],
            self.ink,
            self.ground,
        )

    def put_card(self, card: Card | None, width: int, x: int, y: int) -> None:
        """Puts a card, or the back for `None`, where the ground or a card like it is shown.

        Raises:
            ValueError: If it would not lie inside the picture.
        """
        slot = self._slots.get((width, x, y))
        if slot is None or slot.frame is not self.frame:
            slot = self._slot(width, x, y)
        slot.rows[...] = slot.faces[card]

    def take_card(self, width: int, x: int, y: int) -> None:
        """Shows the ground where a card was put.

        Raises:
            ValueError: If no card would lie inside the picture there.
        """
        slot = self._slots.get((width, x, y))
        if slot is None or slot.frame is not self.frame:
            slot = self._slot(width, x, y)
        slot.rows[...] = slot.bare

    def paste_card(self, card: Card | None, width: int, place: Place) -> None:
        """Puts a card, or the back for `None`, on whatever is shown."""
        sprite = sprites.card(card, width, four_colours=self.look.four_colours, angle=place.angle)
        sprites.paste(self.frame, sprite, place.x, place.y)

    def _slot(self, width: int, x: int, y: int) -> _Slot:
        """The place of a card, found once for each frame."""
        size, height = self.look.size, sprites.card_height(width)
        if not (0 <= x <= size - width and 0 <= y <= size - height):
            raise ValueError(
                f"a card of {width} x {height} pixels at ({x}, {y}): expected one inside the "
                f"picture of {size} x {size}"
            )
        row = np.dtype((np.void, 3 * width))
        rows: Rows = np.ndarray((height,), row, self.frame, 3 * (y * size + x), (3 * size,))
        bare = np.full((1, width, 3), self.ground, np.uint8).reshape(1, -1).view(row)[0]
        faces = _faces(self.ground, width, self.look.four_colours)
        slot = _Slot(self.frame, rows, faces, bare)
        self._slots[width, x, y] = slot
        return slot

    def __getstate__(self) -> dict[str, Any]:
        # A copy of the picture has a frame of its own, which these are no part of.
        return {**self.__dict__, "_slots": {}}


@functools.lru_cache(maxsize=4)
def plain(ground: Colour, size: int) -> Frame:
    """A picture that shows the ground alone, for all to copy from."""
    return np.full((size, size, 3), ground, np.uint8)


class _Faces(dict[Card | None, Rows]):
    """Cards of one size with the ground behind their rounded corners, drawn when first asked for.

    Their backs are those of `None`.
    """

    def __init__(self, ground: Colour, width: int, four_colours: bool) -> None:
        self._ground, self._width, self._four_colours = ground, width, four_colours

    def __missing__(self, card: Card | None) -> Rows:
        sprite = sprites.card(card, self._width, four_colours=self._four_colours)
        picture = np.full(sprite.ink.shape, self._ground, np.uint8)
        sprites.paste(picture, sprite, 0, 0)
        row = np.dtype((np.void, 3 * self._width))
        self[card] = np.ndarray((len(picture),), row, picture)
        return self[card]


@functools.lru_cache(maxsize=16)
def _faces(ground: Colour, width: int, four_colours: bool) -> Mapping[Card | None, Rows]:
    return _Faces(ground, width, four_colours)
