"""NumberLine as a drawn line: a tick for each number, a flag at the target, an arrow below."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageDraw

from gym_cards.render.canvas import Canvas
from gym_cards.render.lettering import Ink, put_word, text_width
from gym_cards.render.sprites import Frame
from gym_cards.render.style import Colour, RenderStyle, ink_on

FLAG: Colour = (204, 16, 36)
ARROW: Colour = (28, 84, 208)

# Lengths in a picture of 300 pixels.
_LEFT, _RIGHT, _Y = 30.0, 270.0, 150.0
_FLAG_ROWS = (70.0, 140.0)
# The top of the numbers' rows, and their height in letters of the standard size.
_NUMBERS, _NUMBERS_HEIGHT = 163.0, 25.0
_ARROW_HEIGHT = 42.0
# Ticks closer than this cannot be distinguished.
_NARROWEST = 4.0
MAX_POSITION = int((_RIGHT - _LEFT) / _NARROWEST)
"""The largest number for which every position has a mark of its own."""

# Shapes are drawn this many times larger and averaged down.
_SCALE = 4


@functools.lru_cache(maxsize=4)
def bare_line(style: RenderStyle, ground: Colour, max_position: int) -> Frame:
    """Draws the line with its ticks and numbers, without flag and arrow."""
    draw, image = _canvas(style, ground, 0, 300)
    unit = _SCALE * style.size / 300
    ink = ink_on(ground)
    _rectangle(draw, unit, (_LEFT - 8, _Y - 1.5, _RIGHT + 8, _Y + 1.5), ink)
    font = f"bold-{max(1, int(16 * style.font_scale * style.size / 300 + 0.5))}"
    widest = text_width(str(max_position), font) * 300 / style.size
    stride = _stride(max_position, widest + 5)
    for number in range(max_position + 1):
        x = _x(number, max_position)
        reach = 9.0 if number % stride == 0 else 6.5 if number % 5 == 0 else 4.5
        thick = 1.0 if max_position <= 30 else 0.6
        _rectangle(draw, unit, (x - thick, _Y - reach, x + thick, _Y + reach), ink)
    canvas = Canvas(np.array(image.reduce(_SCALE)))
    for number in range(0, max_position + 1, stride):
        left = style.pixels(_x(number, max_position)) - text_width(str(number), font) // 2
        put_word(canvas, str(number), left, style.pixels(_NUMBERS), Ink(font, ink, ground))
    return canvas.frame


@functools.lru_cache(maxsize=128)
def flag(style: RenderStyle, ground: Colour, max_position: int, target: int) -> tuple[int, Frame]:
    """Draws the rows above the line, with the flag at the target; returns their top and them."""
    top, bottom = _FLAG_ROWS
    draw, image = _canvas(style, ground, top, bottom)
    unit = _SCALE * style.size / 300
    x = _x(target, max_position)
    height = bottom - top
    _rectangle(draw, unit, (x - 1.3, 0, x + 1.3, height), FLAG)
    # Near the right edge it points to the left.
    tip = x - 27 if x > 255 else x + 27
    draw.polygon([(x * unit, 0), (tip * unit, 11 * unit), (x * unit, 22 * unit)], fill=FLAG)
    return style.pixels(top), np.asarray(image.reduce(_SCALE))


@functools.lru_cache(maxsize=128)
def arrow(style: RenderStyle, ground: Colour, max_position: int, current: int) -> tuple[int, Frame]:
    """Draws the rows below the numbers, with the arrow; returns their top and them."""
    # Large letters push the arrow down.
    top = _NUMBERS + _NUMBERS_HEIGHT * max(1.0, style.font_scale)
    bottom = top + _ARROW_HEIGHT
    draw, image = _canvas(style, ground, top, bottom)
    unit = _SCALE * style.size / 300
    x = _x(current, max_position)
    height = bottom - top
    _rectangle(draw, unit, (x - 2.2, 14, x + 2.2, height), ARROW)
    draw.polygon(
        [(x * unit, 0), ((x - 9) * unit, 18 * unit), ((x + 9) * unit, 18 * unit)], fill=ARROW
    )
    return style.pixels(top), np.asarray(image.reduce(_SCALE))


def _canvas(
    style: RenderStyle, ground: Colour, top: float, bottom: float
) -> tuple[ImageDraw.ImageDraw, Image.Image]:
    """Returns some rows of a picture, enlarged."""
    rows = style.pixels(bottom) - style.pixels(top)
    image = Image.new("RGB", (style.size * _SCALE, rows * _SCALE), ground)
    return ImageDraw.Draw(image), image


def _rectangle(
    draw: ImageDraw.ImageDraw,
    unit: float,
    edges: tuple[float, float, float, float],
    colour: Colour,
) -> None:
    left, top, right, bottom = (round(edge * unit) for edge in edges)
    # Pillow includes the end of an interval.
    draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=colour)


def _x(number: int, max_position: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * number / max_position


def _stride(max_position: int, room: float) -> int:
    """Returns the step between the numbers that are written: 1, 2, 5, 10, … as room permits."""
    spacing = (_RIGHT - _LEFT) / max_position
    return next(stride for stride in (1, 2, 5, 10, 20, 50, 100) if stride * spacing >= room)
