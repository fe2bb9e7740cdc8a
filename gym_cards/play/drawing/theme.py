"""Colours and sizes of the window, in units of a 1280 × 800 window's pixels."""

from __future__ import annotations

from typing import Literal, NamedTuple

Colour = tuple[int, int, int] | tuple[int, int, int, int]

# The felt of a card table, cards of ivory, brass, and three shades of writing.
FELT: Colour = (36, 74, 58)
FELT_DARK: Colour = (19, 43, 33)
PANEL: Colour = (12, 28, 21, 150)
PANEL_EDGE: Colour = (255, 255, 255, 22)
FIELD: Colour = (6, 18, 13, 190)
IVORY: Colour = (250, 246, 234)
IVORY_HOVER: Colour = (255, 255, 250)
IVORY_PRESSED: Colour = (226, 219, 198)
INK: Colour = (28, 34, 30)
BAIZE: Colour = (52, 96, 76)
BAIZE_HOVER: Colour = (66, 117, 94)
BAIZE_PRESSED: Colour = (40, 76, 60)
BRASS: Colour = (232, 184, 84)
BRASS_HOVER: Colour = (244, 202, 112)
BRASS_PRESSED: Colour = (204, 156, 60)
BRASS_INK: Colour = (54, 38, 8)
OFF: Colour = (255, 255, 255, 14)
OFF_INK: Colour = (112, 138, 125)
TEXT: Colour = (244, 240, 228)
MUTED: Colour = (164, 188, 175)
GOOD: Colour = (134, 214, 150)
BAD: Colour = (244, 140, 118)
FOCUS: Colour = (255, 255, 255)
SHADOW: Colour = (0, 0, 0, 110)

RADIUS = 14.0
BUTTON_RADIUS = 9.0
GAP = 12.0

Kind = Literal["ivory", "baize", "brass"]


class Look(NamedTuple):
    """Colours of a button: at rest, under the mouse, pressed, and of its text."""

    rest: Colour
    hover: Colour
    pressed: Colour
    ink: Colour


LOOKS: dict[Kind, Look] = {
    "ivory": Look(IVORY, IVORY_HOVER, IVORY_PRESSED, INK),
    "baize": Look(BAIZE, BAIZE_HOVER, BAIZE_PRESSED, TEXT),
    "brass": Look(BRASS, BRASS_HOVER, BRASS_PRESSED, BRASS_INK),
}
