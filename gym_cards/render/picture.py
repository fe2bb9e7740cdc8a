"""Base class of the games' pictures."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gym_cards.cards import Card
from gym_cards.render import sprites
from gym_cards.render.canvas import Canvas
from gym_cards.render.jitter import Place, scattered
from gym_cards.render.lettering import Ink, Label, Paragraph, Way, put_word
from gym_cards.render.sprites import Frame
from gym_cards.render.style import Colour, RenderStyle, ink_on

TABLE: Colour = (0x35, 0x65, 0x4D)
STANDARD = RenderStyle()

# The distance of text from the picture's right edge.
_MARGIN = 5


class Picture:
    """Picture of a game that is kept up to date by drawing only what a move changes.

    Args:
        style: The style of the picture.
        ground: The game's own background.
    """

    def __init__(self, style: RenderStyle, ground: Colour) -> None:
        self.style = style
        self.ground = style.ground(ground)
        self.ink = ink_on(self.ground)
        self.canvas = Canvas(np.full((style.size, style.size, 3), self.ground, np.uint8))
        # By width.
        self._cards: dict[int, Mapping[Card | None, Frame]] = {}

    @property
    def frame(self) -> Frame:
        """The picture, a uint8 array of shape (size, size, 3) that is changed in place."""
        return self.canvas.frame

    def move_to(self, frame: Frame) -> None:
        """Copies the picture into another array, and draws there from then on.

        Args:
            frame: Contiguous uint8 array of the same shape.
        """
        frame[...] = self.frame
        self.canvas = Canvas(frame)

    def font(self, family: str, size: float) -> str:
        """Returns a font whose size is in pixels of a picture of 300, before letters are scaled."""
        pixels = size * self.style.font_scale * self.style.size / 300
        return f"{family}-{max(1, int(pixels + 0.5))}"

    def label(self, text: str, x: float, y: float, family: str, size: float) -> Label:
        """Writes text; lengths are those of a picture of 300 pixels."""
        ink = Ink(self.font(family, size), self.ink, self.ground)
        label = Label(text, self.style.pixels(x), self.style.pixels(y), ink)
        put_word(self.canvas, *label)
        return label

    def paragraph(
        self,
        x: float,
        bottom: float,
        ways: Sequence[tuple[str, float, float, float, int]],
        label: Label | None = None,
    ) -> Paragraph:
        """Returns a paragraph; lengths are those of a picture of 300 pixels.

        Args:
            x: Left edge.
            bottom: The end of the rows that belong to the paragraph alone.
            ways: Ways to write it, the best first: family, font size, top, distance of lines, and
                number of lines.
            label: A label above it.
        """
        pixels = self.style.pixels
        left = pixels(x)
        return Paragraph(
            left,
            self.style.size - pixels(_MARGIN) - left,
            self.style.size,
            min(self.style.size, pixels(bottom)),
            [
                Way(self.font(family, size), pixels(top), pixels(pitch), room)
                for family, size, top, pitch, room in ways
            ],
            self.ink,
            self.ground,
            label,
        )

    def put_card(self, card: Card | None, width: int, x: int, y: int) -> None:
        """Draws a card, or the back for `None`, where the ground or a card of its size is shown.

        Raises:
            ValueError: If the card would not be inside the picture.
        """
        cards = self._cards.get(width)
        if cards is None:
            cards = self._cards[width] = _faces(self.ground, width, self.style.four_colours)
        self.canvas.put(cards[card], x, y)

    def take_card(self, width: int, x: int, y: int) -> None:
        """Shows the ground where a card was.

        Raises:
            ValueError: If a card there would not be inside the picture.
        """
        self.canvas.put(_bare(self.ground, width), x, y)

    def paste_card(self, card: Card | None, width: int, place: Place) -> None:
        """Draws a card, or the back for `None`, over whatever is shown."""
        sprite = sprites.card(card, width, four_colours=self.style.four_colours, angle=place.angle)
        sprites.paste(self.frame, sprite, place.x, place.y)

    def lay_cards(
        self,
        cards: Sequence[Card | None],
        width: int,
        corners: Sequence[tuple[int, int]],
        box: tuple[int, int, int, int] | None = None,
        jitter: int | None = None,
    ) -> None:
        """Draws cards in their places, moved and turned as far as the style says.

        With jitter, what was there before has to be cleared first.

        Args:
            cards: The cards; `None` is a back.
            width: Of the cards, in pixels.
            corners: Their top left corners, before they are moved.
            box: Left, top, right and bottom of the part of the picture that they stay in; by
                default all of it.
            jitter: The seed of the displacement; `None` leaves the cards in their places.
        """
        if self.style.jitters:
            box = box or (0, 0, self.style.size, self.style.size)
            places = scattered(self.style, jitter, corners, width, box)
            for card, place in zip(cards, places, strict=True):
                self.paste_card(card, width, place)
        else:
            for card, (x, y) in zip(cards, corners, strict=True):
                self.put_card(card, width, x, y)

    def clear(self, bottom: int | None = None) -> None:
        """Shows the ground alone, from the top to a row or to the end."""
        self.canvas.put(_plain(self.ground, self.style.size)[:bottom], 0, 0)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "canvas": self.frame, "_cards": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Buffers that are unpickled out of band may be read-only.
        self.canvas = Canvas(np.require(state["canvas"], requirements=["C", "W"]))


@functools.lru_cache(maxsize=4)
def _plain(ground: Colour, size: int) -> Frame:
    return np.full((size, size, 3), ground, np.uint8)


class _Faces(dict[Card | None, Frame]):
    """Cards of one size with the ground behind their corners, drawn when first needed.

    `None` stands for the back.
    """

    def __init__(self, ground: Colour, width: int, four_colours: bool) -> None:
        self._ground, self._width, self._four_colours = ground, width, four_colours

    def __missing__(self, card: Card | None) -> Frame:
        sprite = sprites.card(card, self._width, four_colours=self._four_colours)
        picture = np.full(sprite.ink.shape, self._ground, np.uint8)
        sprites.paste(picture, sprite, 0, 0)
        # Stored only when it is complete, because all pictures share it.
        self[card] = picture
        return picture


@functools.lru_cache(maxsize=16)
def _bare(ground: Colour, width: int) -> Frame:
    """The ground below a card."""
    return np.full((sprites.card_height(width), width, 3), ground, np.uint8)


@functools.lru_cache(maxsize=16)
def _faces(ground: Colour, width: int, four_colours: bool) -> Mapping[Card | None, Frame]:
    return _Faces(ground, width, four_colours)
