"""Badge: a short text on a rounded ground of its own, legible on a table of any colour."""

from __future__ import annotations

import functools

import numpy as np

from gym_cards.render.lettering import draw_text, text_width
from gym_cards.render.sprites import Sprite, font_glyphs
from gym_cards.render.style import Colour, ink_on


@functools.lru_cache(maxsize=64)
def badge(text: str, font: str, height: int, fill: Colour) -> Sprite:
    """Returns a badge, at most as wide as its text and twice its height.

    Args:
        text: Printable ASCII characters.
        font: As in `gym_cards.render.lettering.draw_text`.
        height: In pixels.
        fill: The colour of the ground; letters are white or black, whichever has more contrast.

    Raises:
        ValueError: If a character is not printable ASCII, or there is no such font.
    """
    width = badge_width(text, font, height)
    picture = np.full((height, width, 3), fill, np.uint8)
    # Capitals are in the middle of the height.
    rows = np.flatnonzero(font_glyphs(font)["I"].coverage.any(axis=1))
    top = (height - int(rows[0]) - int(rows[-1])) // 2
    draw_text(picture, text, height // 2, top, font, ink_on(fill))
    # How far each pixel's middle is from the line between the middles of the round ends.
    radius = height / 2
    down, across = np.ogrid[0.5:height, 0.5:width]
    beyond = np.maximum(np.abs(across - width / 2) - (width / 2 - radius), 0)
    away = np.sqrt(beyond * beyond + (down - radius) ** 2)
    covered = np.clip(radius - away + 0.5, 0, 1)
    return Sprite.of(picture, (255 * covered + 0.5).astype(np.uint8))


def badge_width(text: str, font: str, height: int) -> int:
    """Returns how wide a badge is, in pixels."""
    return text_width(text, font) + 2 * (height // 2)
