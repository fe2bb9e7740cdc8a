"""Text in pictures: words on a plain ground, drawn once and cached, and their layout in lines."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gym_cards.render.canvas import Canvas
from gym_cards.render.sprites import Frame, Glyph, Sprite, font_glyphs, paste
from gym_cards.render.style import Colour


class Word(NamedTuple):
    """Word on its ground.

    Attributes:
        picture: The part that has ink.
        left: Its left edge, from the pen.
        top: Its top edge, from the top of the line.
        right: Its right edge, from the pen.
        advance: Distance that the word moves the pen.
    """

    picture: Frame
    left: int
    top: int
    right: int
    advance: int

    @classmethod
    def of(cls, picture: Frame, left: int, top: int, advance: int) -> Word:
        """Returns a word whose picture begins at a place."""
        return cls(picture, left, top, left + picture.shape[1], advance)


class Ink(NamedTuple):
    """Font, colour of the letters, and colour of the plain ground below them."""

    font: str
    colour: Colour
    ground: Colour


class Label(NamedTuple):
    """Word at a place of a frame."""

    text: str
    x: int
    y: int
    ink: Ink


def draw_text(frame: Frame, text: str, x: int, y: int, font: str, colour: Colour) -> None:
    """Writes one line of text into a frame, in place; what is outside is cut off.

    Args:
        frame: Shape (height, width, 3), dtype uint8.
        text: Printable ASCII characters.
        x: The place of the pen.
        y: The top of the line, at the font's ascender.
        font: "bold" or "sans" and a size in pixels, such as "bold-36": DejaVu Sans.
        colour: The colour of the letters.

    Raises:
        ValueError: If a character is not printable ASCII, or there is no such font.
    """
    for glyph in _glyphs(text, font):
        colours = np.full((*glyph.coverage.shape, 3), colour, np.uint8)
        paste(frame, Sprite.of(colours, glyph.coverage), x + glyph.bearing, y)
        x += glyph.advance


@functools.lru_cache(maxsize=4096)
def text_width(text: str, font: str) -> int:
    """Returns how far `draw_text` moves the pen, in whole pixels; there is no kerning.

    Raises:
        ValueError: If a character is not printable ASCII, or there is no such font.
    """
    return sum(glyph.advance for glyph in _glyphs(text, font))


@functools.lru_cache(maxsize=1024)
def word(text: str, ink: Ink) -> Word:
    """Returns a word on plain ground.

    Raises:
        ValueError: If a character is not printable ASCII, or there is no such font.
    """
    picture, reach = _line(text, ink)
    advance = text_width(text, ink.font)
    rows, columns = (picture != ink.ground).any(axis=2).nonzero()
    if not rows.size:
        return Word.of(picture[:0, :0], 0, 0, advance)
    left, top = int(columns.min()), int(rows.min())
    seen = picture[top : rows.max() + 1, left : columns.max() + 1]
    return Word.of(seen.copy(), left - reach, top, advance)


class _Words(dict[str, Word]):
    """Words of one ink; looking one up takes a fraction of the time of `word`."""

    def __init__(self, ink: Ink) -> None:
        self._ink = ink

    def __missing__(self, text: str) -> Word:
        drawn = word(text, self._ink)
        if len(self) < 256:
            self[text] = drawn
        return drawn

    def __reduce__(self) -> tuple[Any, ...]:
        return _words, (self._ink,)


@functools.lru_cache(maxsize=64)
def _words(ink: Ink) -> Mapping[str, Word]:
    return _Words(ink)


@functools.lru_cache(maxsize=1024)
def number(digits: str, ink: Ink) -> Word:
    """Returns a number on plain ground, of the same size as all numbers of as many digits.

    Drawn over one of these it covers it.

    Raises:
        ValueError: If a character is not printable ASCII, or there is no such font.
    """
    picture, reach = _line(digits, ink)
    advance = text_width(digits, ink.font)
    top, bottom, over = _room_of_digits(ink.font)
    seen = picture[top:bottom, reach - over : reach + advance + over]
    return Word.of(seen.copy(), -over, top, advance)


def _line(text: str, ink: Ink) -> tuple[Frame, int]:
    """Returns a line of text on plain ground, and the distance from its left edge to the pen."""
    # A glyph reaches beyond the pen's path by far less than the height of a line.
    reach = font_glyphs(ink.font)[" "].coverage.shape[0]
    width = text_width(text, ink.font) + 2 * reach
    picture = np.full((reach, width, 3), ink.ground, np.uint8)
    draw_text(picture, text, reach, 0, ink.font, ink.colour)
    return picture, reach


@functools.lru_cache(maxsize=64)
def _room_of_digits(font: str) -> tuple[int, int, int]:
    """Returns the rows that digits cover in a line, and their reach beyond the pen's path."""
    tops, bottoms, over = [], [], 0
    for digit in "0123456789":
        coverage, bearing, advance = font_glyphs(font)[digit]
        rows, columns = coverage.nonzero()
        tops.append(int(rows.min()))
        bottoms.append(int(rows.max()) + 1)
        left, right = bearing + int(columns.min()), bearing + int(columns.max()) + 1
        over = max(over, -left, right - advance)
    return min(tops), max(bottoms), over


def put_word(canvas: Canvas, text: str, x: int, y: int, ink: Ink) -> None:
    """Writes a word as `draw_text` does, where the frame shows the ground alone."""
    _put(canvas, word(text, ink), x, y)


def _put(canvas: Canvas, drawn: Word, x: int, y: int) -> int:
    """Draws a word and returns the place where it ends."""
    picture, left, top, right, _ = drawn
    canvas.put(picture, x + left, y + top)
    return x + right


class Way(NamedTuple):
    """Way to write a text.

    Attributes:
        font: The font, as in `draw_text`.
        top: The top of the first line.
        pitch: The distance of the lines.
        room: The most lines.
    """

    font: str
    top: int
    pitch: int
    room: int


def _inside(way: Way, bottom: int) -> Way:
    """Returns a way that begins high enough for its last line to end inside the paragraph."""
    ends = way.top + (way.room - 1) * way.pitch + _ink_height(way.font)
    return way._replace(top=way.top - max(0, ends - bottom))


@functools.lru_cache(maxsize=64)
def _ink_height(font: str) -> int:
    """Returns how far below the top of a line its letters reach."""
    covered = [np.flatnonzero(glyph.coverage.any(axis=1)) for glyph in font_glyphs(font).values()]
    return 1 + max(int(rows[-1]) for rows in covered if rows.size)


def wrapped(words: Sequence[str], width: int, font: str) -> tuple[list[list[tuple[str, int]]], int]:
    """Breaks words, joined with spaces, into as few lines of this width as possible.

    Returns:
        The words of each line with the places where they start, and the width of the widest line.
    """
    space = text_width(" ", font)
    lines: list[list[tuple[str, int]]] = []
    end = widest = 0
    for text in words:
        start = end + space
        end = start + text_width(text, font)
        if lines and end <= width:
            lines[-1].append((text, start))
        else:
            end -= start
            lines.append([(text, 0)])
        widest = max(widest, end)
    return lines, widest


class Paragraph:
    """Words in a part of a frame that otherwise shows the ground alone; more can be added.

    They are written in the first of the ways that has room for all of them, so that the result does
    not depend on when each word was added.

    Args:
        x: Left edge of the lines.
        width: Width of the lines.
        rows: Width of the frame, whose rows belong to the paragraph alone from the top of its
            highest way.
        bottom: The end of these rows.
        ways: Ways to write the words, the best first.
        colour: The colour of the letters.
        ground: The colour below them.
        label: A word that reaches into these rows in small pictures.
    """

    def __init__(
        self,
        x: int,
        width: int,
        rows: int,
        bottom: int,
        ways: Sequence[Way],
        colour: Colour,
        ground: Colour,
        label: Label | None = None,
    ) -> None:
        self.x = x
        self.width = width
        self.ways = tuple(_inside(way, bottom) for way in ways)
        self.top = min(way.top for way in self.ways)
        self._colour = colour
        self._ground = ground
        self._label = label
        self._bare = _ground(ground, bottom - self.top, rows)
        self._start: tuple[str, ...] = ()
        self._start_end = 0
        self._words: list[str] = []
        self._row = self._end = self._inked = 0
        self._take(0)

    def begin(self, canvas: Canvas, text: str) -> None:
        """Writes a word that `clear` leaves."""
        self.add(canvas, text)
        self._start, self._start_end = (text,), self._end

    def clear(self, canvas: Canvas) -> None:
        """Removes what was added."""
        if self._way == 0 and self._row == 0:
            added = self._words[len(self._start) :]
            if added:
                left = self.x + self._added_from() + self._drawn[added[0]].left
                canvas.put(self._bare[: self._height, : self._inked - left], left, self._first)
            self._end = self._start_end
            self._words = list(self._start)
            return
        self._empty_rows(canvas)
        self._words = []
        self._row = self._end = 0
        self._take(0)
        for text in self._start:
            self.add(canvas, text)

    def add(self, canvas: Canvas, text: str) -> None:
        """Adds one word.

        Raises:
            ValueError: If no way has room for it.
        """
        drawn = self._drawn[text]
        row, start = self._row, 0
        if self._words:
            start = self._end + self._space
            if start + drawn.advance > self.width:
                row, start = row + 1, 0
        end = start + drawn.advance
        if row >= self._room or end > self.width:
            self._rewrite(canvas, [*self._words, text])
            return
        self._words.append(text)
        self._row, self._end = row, end
        self._inked = _put(canvas, drawn, self.x + start, self._first + row * self._pitch)

    def replace(self, canvas: Canvas, digits: str) -> None:
        """Writes a number in place of the one that was added before, if any.

        Raises:
            ValueError: If no way has room for it.
        """
        drawn = number(digits, self._ink)
        start = self._added_from()
        end = start + drawn.advance
        if self._way or self._row or end > self.width:
            self.clear(canvas)
            self.add(canvas, digits)
            return
        if end != self._end:
            self.clear(canvas)
        self._words = [*self._start, digits]
        self._end = end
        # This covers a number of as many digits.
        self._inked = _put(canvas, drawn, self.x + start, self._first)

    def _added_from(self) -> int:
        """Returns the place of the pen for the first word that is added."""
        return self._start_end + self._space if self._start else 0

    def _empty_rows(self, canvas: Canvas) -> None:
        """Clears the rows of all ways."""
        canvas.put(self._bare, 0, self.top)
        if self._label:
            put_word(canvas, *self._label)

    def _rewrite(self, canvas: Canvas, words: list[str]) -> None:
        """Writes all words again, in a later way that has room for them."""
        for index in range(self._way + 1, len(self.ways)):
            way = self.ways[index]
            lines, widest = wrapped(words, self.width, way.font)
            if len(lines) <= way.room and widest <= self.width:
                break
        else:
            way = self.ways[-1]
            lines, widest = wrapped(words, self.width, way.font)
            raise ValueError(
                f"{' '.join(words)!r} is too long for the picture: expected text that fits "
                f"{way.room} lines of {self.width} px, got {len(lines)}, of which the longest has "
                f"{widest} px"
            )
        self._empty_rows(canvas)
        self._words = words
        self._take(index)
        for line_number, line in enumerate(lines):
            for text, start in line:
                y = self._first + line_number * self._pitch
                put_word(canvas, text, self.x + start, y, self._ink)
        self._row = len(lines) - 1
        self._end = lines[-1][-1][1] + text_width(words[-1], way.font)

    def _take(self, index: int) -> None:
        way = self.ways[index]
        self._way = index
        self._ink = Ink(way.font, self._colour, self._ground)
        self._drawn = _words(self._ink)
        self._space = text_width(" ", way.font)
        self._first, self._pitch, self._room = way.top, way.pitch, way.room
        self._height = _ink_height(way.font)


@functools.lru_cache(maxsize=64)
def _ground(colour: Colour, height: int, width: int) -> Frame:
    return np.full((height, width, 3), colour, np.uint8)


def _glyphs(text: str, font: str) -> list[Glyph]:
    glyphs = font_glyphs(font)
    try:
        return [glyphs[character] for character in text]
    except KeyError as error:
        raise ValueError(
            f"{text!r} cannot be drawn: there is no glyph for {error.args[0]!r}, expected "
            "printable ASCII characters"
        ) from None
