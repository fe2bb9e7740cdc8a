"""Cards that others lie on: faces whose rank and suit are side by side along the upper edge."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

from gym_cards.cards import Card
from gym_cards.render import sprites
from gym_cards.render.sprites import CARD_WIDTHS, Sprite, card_height

# Turned cards wider than this, in pixels, are not cached.
_LARGEST_KEPT = 70


def index_height(width: int) -> int:
    """Returns how many rows of a covered card have to be seen, in pixels."""
    sheet = _sheet(width)
    _, top, _, rank_height, _, _ = _places(sheet)
    return -(-(top + rank_height + 1) * width // sheet)


def covered_card(
    face: Card, width: int, *, four_colours: bool = False, angle: float = 0.0
) -> Sprite:
    """Returns a white card with its rank and suit in the upper left corner, side by side.

    Args:
        face: The card.
        width: Its width in pixels, before it is turned.
        four_colours: Whether clubs are green and diamonds blue.
        angle: Degrees that it is turned around its middle, counterclockwise.
    """
    draw = _draw.__wrapped__ if angle and width > _LARGEST_KEPT else _draw
    return draw(face, width, four_colours, angle)


@functools.lru_cache(maxsize=1200)
def _draw(face: Card, width: int, four_colours: bool, angle: float) -> Sprite:
    sheet = _sheet(width)
    margin, top, index_width, rank_height, suit_top, suit_width = _places(sheet)
    blank = _pixels(Card(face.suit, 1), sheet, four_colours)
    blank[margin:-margin, margin:-margin, :3] = 255
    face_pixels = _pixels(face, sheet, four_colours)
    # Letters are narrower than a ten; figures reach close to them.
    spare = 0 if face.rank == 10 else (index_width - round(0.74 * rank_height) - 1) // 2
    columns = slice(margin + spare, margin + index_width - spare)
    blank[top : top + rank_height, columns] = face_pixels[top : top + rank_height, columns]
    # From a card on which nothing else is near.
    two = _pixels(Card(face.suit, 2), sheet, four_colours)
    left = (2 * margin + index_width - suit_width) // 2
    suit = two[suit_top : suit_top + suit_width + 1, left : left + suit_width]
    x, y = margin + index_width + 2, top + (rank_height - suit_width) // 2
    blank[y : y + suit_width + 1, x : x + suit_width] = suit
    picture = Image.fromarray(blank).convert("RGBa")
    if sheet != width:
        picture = picture.resize((width, card_height(width)), Image.Resampling.BICUBIC)
    if angle:
        picture = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    pixels = np.asarray(picture.convert("RGBA"))
    return Sprite.of(pixels[..., :3], pixels[..., 3])


def _sheet(width: int) -> int:
    return next((sheet for sheet in CARD_WIDTHS if sheet >= width), CARD_WIDTHS[-1])


def _places(sheet: int) -> tuple[int, int, int, int, int, int]:
    """Returns where a sheet's cards have their index, as `assets/card_art/layout.py` draws it.

    Returns:
        Left edge, top, width and height of the rank, and top and width of the suit, which is one
        pixel higher than wide.
    """
    rank_height = round(8.5 + 0.125 * sheet)
    width = round(rank_height * 0.94)
    margin = max(3, round(0.045 * sheet))
    suit_width = round(rank_height * 0.72)
    suit_width += (suit_width - width) % 2
    suit_top = margin + 1 + rank_height + max(2, round(0.025 * sheet))
    return margin, margin + 1, width, rank_height, suit_top, suit_width


def _pixels(face: Card, width: int, four_colours: bool) -> sprites.Frame:
    """Returns a card of a sheet, shape (height, width, 4)."""
    sprite = sprites.card(face, width, four_colours=four_colours)
    opacity = 255 - sprite.clear
    colours = sprite.ink // np.maximum(opacity, 1)
    return np.concatenate([colours, opacity], axis=2).astype(np.uint8)
