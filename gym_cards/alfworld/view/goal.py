"""The goal in words, on a strip above the picture."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image

from gym_cards.alfworld.view import art
from gym_cards.alfworld.view.art import Colour
from gym_cards.core.texts import folded
from gym_cards.render.sprites import Frame, Glyph, Sprite, font_glyphs, paste

_HEADING = "Goal:"
_GOLD: Colour = (255, 214, 92)
_MORE, _UNKNOWN = "…", "□"

# Letters that are read with ease, in units of a picture that is 300 wide, and in pixels.
_LETTERS, _LETTERS_AT_LEAST = 12, 9
# Letters of long goals get smaller down to this size, before the strip gets higher.
_SMALL, _SMALL_AT_LEAST = 9, 7
# Shares of the picture, in hundredths, that the strip has and that the longest goals get.
_USUAL, _MOST = 22, 50


class Line(NamedTuple):
    """Line of a goal, and where it starts, in pixels."""

    text: str
    start: int


@functools.lru_cache(maxsize=64)
def goal_strip(goal: str, size: int, least: int = 1) -> Frame:
    """Returns a goal in as many lines as it needs, read-only, shape (height, size, 3).

    Line breaks stay. Characters without a glyph become look-alikes, or a box where there is none.
    A goal that needs more than half of the picture in small letters is cut off, with an ellipsis.

    Args:
        goal: The goal in words.
        size: Width of the strip and size of the picture, in pixels.
        least: The number of lines that the strip has room for at least.
    """
    margin = max(3, size // 60)
    pad = max(2, size // 100)
    room = size - 2 * margin
    for letters in reversed(_sizes(size)):
        glyphs = _glyphs(letters)
        lines = _lines(goal, letters, room)
        pitch = glyphs[" "].coverage.shape[0]
        if len(lines) * pitch + 2 * pad <= size * _USUAL // 100:
            break
    most = (size * _MOST // 100 - 2 * pad) // pitch
    if len(lines) > most:
        last = lines[most - 1]
        lines = [*lines[: most - 1], last._replace(text=_cut(last, letters, room))]
    height = max(len(lines), least) * pitch + 2 * pad
    strip = np.full((height, size, 3), art.DARK, np.uint8)
    _write(strip, _HEADING, margin, pad, letters, _GOLD)
    for row, line in enumerate(lines):
        _write(strip, line.text, margin + line.start, pad + row * pitch, letters, art.LIGHT)
    strip.flags.writeable = False
    return strip


def goal_above(picture: Frame, goal: str) -> Frame:
    """Returns a square picture of the same size with a goal above it, which makes it lower."""
    size = picture.shape[1]
    strip = goal_strip(goal, size)
    lower = Image.fromarray(picture).resize((size, size - len(strip)), Image.Resampling.BOX)
    return np.concatenate([strip, np.asarray(lower)])


def _sizes(size: int) -> list[int]:
    """Returns the sizes of letters for a picture, from small to large."""
    largest = max(_LETTERS_AT_LEAST, size * _LETTERS // 300)
    smallest = max(_SMALL_AT_LEAST, size * _SMALL // 300)
    known = art.letter_sizes()
    found = [one for one in known if smallest <= one <= largest]
    return found or [max(one for one in known if one <= largest)]


@functools.cache
def _glyphs(letters: int) -> dict[str, Glyph]:
    return {**font_glyphs(f"bold-{letters}"), **art.more_glyphs(letters)}


def _width(text: str, letters: int) -> int:
    glyphs = _glyphs(letters)
    return sum(glyphs[one].advance for one in text)


def _lines(goal: str, letters: int, room: int) -> list[Line]:
    """Returns a goal broken into lines; the first leaves room for the heading."""
    known = _glyphs(letters)
    indent = _width(f"{_HEADING} ", letters)
    lines: list[Line] = []
    for paragraph in goal.splitlines() or [""]:
        line = Line("", 0 if lines else indent)
        for word in folded(paragraph, known, _UNKNOWN).split():
            longer = f"{line.text} {word}" if line.text else word
            if line.start + _width(longer, letters) <= room:
                line = line._replace(text=longer)
                continue
            if line.text:
                lines.append(line)
                line = Line("", 0)
            for character in word:
                # A word that is wider than a line is broken.
                if line.text and line.start + _width(line.text + character, letters) > room:
                    lines.append(line)
                    line = Line("", 0)
                line = line._replace(text=line.text + character)
        lines.append(line)
    return lines


def _cut(line: Line, letters: int, room: int) -> str:
    """Returns the beginning of a line's text, with an ellipsis after it."""
    text = line.text
    while text and line.start + _width(text + _MORE, letters) > room:
        text = text[:-1]
    return text.rstrip() + _MORE


def _write(frame: Frame, text: str, x: int, y: int, letters: int, colour: Colour) -> None:
    for character in text:
        glyph = _glyphs(letters)[character]
        colours = np.full((*glyph.coverage.shape, 3), colour, np.uint8)
        paste(frame, Sprite.of(colours, glyph.coverage), x + glyph.bearing, y)
        x += glyph.advance
