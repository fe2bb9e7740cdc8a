"""What the pictures of all games have in common."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

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

    def move_to(self, frame: Frame) -> None:
        """Goes on in another array of the same shape, with what the picture shows now."""
        frame[...] = self.frame
        self.frame = frame

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
        """Puts a card, or the back for `None`, where the ground or a card like it is shown."""
        picture = _card_on(self.ground, card, width, self.look.four_colours)
        height, width, _ = picture.shape
        self.frame[y : y + height, x : x + width] = picture

    def paste_card(self, card: Card | None, width: int, place: Place) -> None:
        """Puts a card, or the back for `None`, on whatever is shown."""
        sprite = sprites.card(card, width, four_colours=self.look.four_colours, angle=place.angle)
        sprites.paste(self.frame, sprite, place.x, place.y)


@functools.lru_cache(maxsize=4)
def plain(ground: Colour, size: int) -> Frame:
    """A picture that shows the ground alone, for all to copy from."""
    return np.full((size, size, 3), ground, np.uint8)


@functools.lru_cache(maxsize=1024)
def _card_on(ground: Colour, card: Card | None, width: int, four_colours: bool) -> Frame:
    """A card with the ground behind its rounded corners."""
    sprite = sprites.card(card, width, four_colours=four_colours)
    picture = np.full(sprite.ink.shape, ground, np.uint8)
    sprites.paste(picture, sprite, 0, 0)
    return picture
