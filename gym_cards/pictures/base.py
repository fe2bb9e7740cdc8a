"""What the pictures of all games have in common."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gym_cards.cards import Card
from gym_cards.pictures import sprites
from gym_cards.pictures.canvas import Canvas
from gym_cards.pictures.jitter import Place
from gym_cards.pictures.lettering import Ink, Label, Paragraph, Way, put_word
from gym_cards.pictures.look import Colour, Look, ink_on
from gym_cards.pictures.sprites import Frame

TABLE: Colour = (0x35, 0x65, 0x4D)
STANDARD = Look()

# Text keeps this far from the picture's right edge.
_MARGIN = 5


class Picture:
    """A picture of one game, kept up to date: what a move changes is drawn, and nothing else.

    Args:
        look: What it looks like.
        ground: The game's own background.
    """

    def __init__(self, look: Look, ground: Colour) -> None:
        self.look = look
        self.ground = look.ground(ground)
        self.ink = ink_on(self.ground)
        self.canvas = Canvas(np.full((look.size, look.size, 3), self.ground, np.uint8))
        # By their width.
        self._cards: dict[int, Mapping[Card | None, Frame]] = {}

    @property
    def frame(self) -> Frame:
        """The picture, uint8 of shape (size, size, 3), into which all is drawn in place."""
        return self.canvas.frame

    def move_to(self, frame: Frame) -> None:
        """Copies the picture into another array, and draws there from then on.

        Args:
            frame: Contiguous uint8 array of the same shape.
        """
        frame[...] = self.frame
        self.canvas = Canvas(frame)

    def font(self, family: str, size: float) -> str:
        """A font whose size is in pixels of a picture of 300, before letters are scaled."""
        pixels = size * self.look.font_scale * self.look.size / 300
        return f"{family}-{max(1, int(pixels + 0.5))}"

    def label(self, text: str, x: float, y: float, family: str, size: float) -> Label:
        """Writes text; lengths are in a picture of 300."""
        ink = Ink(self.font(family, size), self.ink, self.ground)
        label = Label(text, self.look.pixels(x), self.look.pixels(y), ink)
        put_word(self.canvas, *label)
        return label

    def paragraph(
        self,
        x: float,
        bottom: float,
        ways: Sequence[tuple[str, float, float, float, int]],
        label: Label | None = None,
    ) -> Paragraph:
        """A paragraph from lengths in a picture of 300.

        Args:
            x: Left edge.
            bottom: End of the part of the picture that is the paragraph's alone.
            ways: Each a family, a font size, a top, a distance of lines and their number.
            label: What stands above it.
        """
        pixels = self.look.pixels
        left = pixels(x)
        return Paragraph(
            left,
            self.look.size - pixels(_MARGIN) - left,
            self.look.size,
            min(self.look.size, pixels(bottom)),
            [
                Way(self.font(family, size), pixels(top), pixels(pitch), room)
                for family, size, top, pitch, room in ways
            ],
            self.ink,
            self.ground,
            label,
        )

    def put_card(self, card: Card | None, width: int, x: int, y: int) -> None:
        """Puts a card, or the back for `None`, where the ground or a card like it is shown.

        Raises:
            ValueError: If it would not lie inside the picture.
        """
        cards = self._cards.get(width)
        if cards is None:
            cards = self._cards[width] = _faces(self.ground, width, self.look.four_colours)
        self.canvas.put(cards[card], x, y)

    def take_card(self, width: int, x: int, y: int) -> None:
        """Shows the ground where a card was put.

        Raises:
            ValueError: If no card would lie inside the picture there.
        """
        self.canvas.put(_bare(self.ground, width), x, y)

    def paste_card(self, card: Card | None, width: int, place: Place) -> None:
        """Puts a card, or the back for `None`, on whatever is shown."""
        sprite = sprites.card(card, width, four_colours=self.look.four_colours, angle=place.angle)
        sprites.paste(self.frame, sprite, place.x, place.y)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "canvas": self.frame, "_cards": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Buffers that are unpickled out of band may be read-only.
        self.canvas = Canvas(np.require(state["canvas"], requirements=["C", "W"]))


@functools.lru_cache(maxsize=4)
def plain(ground: Colour, size: int) -> Frame:
    """A picture that shows the ground alone, for all to copy from."""
    return np.full((size, size, 3), ground, np.uint8)


class _Faces(dict[Card | None, Frame]):
    """Cards of one size with the ground behind their rounded corners, drawn when first asked for.

    Their backs are those of `None`.
    """

    def __init__(self, ground: Colour, width: int, four_colours: bool) -> None:
        self._ground, self._width, self._four_colours = ground, width, four_colours

    def __missing__(self, card: Card | None) -> Frame:
        sprite = sprites.card(card, self._width, four_colours=self._four_colours)
        picture = np.full(sprite.ink.shape, self._ground, np.uint8)
        sprites.paste(picture, sprite, 0, 0)
        # Not before it is drawn, for all pictures share it.
        self[card] = picture
        return picture


@functools.lru_cache(maxsize=16)
def _bare(ground: Colour, width: int) -> Frame:
    """The ground below a card."""
    return np.full((sprites.card_height(width), width, 3), ground, np.uint8)


@functools.lru_cache(maxsize=16)
def _faces(ground: Colour, width: int, four_colours: bool) -> Mapping[Card | None, Frame]:
    return _Faces(ground, width, four_colours)
