"""The picture of NumberLine."""

from __future__ import annotations

import functools
from typing import Literal

from gym_cards.pictures import drawn_line
from gym_cards.pictures.base import STANDARD, Picture
from gym_cards.pictures.look import WHITE, Colour, Look
from gym_cards.pictures.sprites import Frame

Display = Literal["text", "line"]
Mark = Literal["target", "current"]


class NumberLinePicture(Picture):
    """The picture of NumberLine: both numbers as text, or as marks on a drawn line.

    Args:
        look: What it looks like.
        display: "text" or "line".
        max_position: The line's last number; of use to "line" alone.
    """

    def __init__(
        self, look: Look = STANDARD, display: Display = "text", max_position: int = 5
    ) -> None:
        super().__init__(look, WHITE)
        self._kind = (look, self.ground, display, max_position)
        self._shown: dict[Mark, int | None] = {"target": None, "current": None}
        # What has to be drawn to get from one number to another, as it is found out.
        self._changes: dict[tuple[Mark, int | None, int], tuple[int, int, Frame]] = {}
        if display == "line":
            self.frame[...] = drawn_line.bare_line(look, self.ground, max_position)

    def show(self, target: int, current: int) -> None:
        """Draws both numbers.

        Raises:
            ValueError: If a number is too long for the picture.
        """
        self._show("target", target)
        self._show("current", current)

    def _show(self, mark: Mark, number: int) -> None:
        before = self._shown[mark]
        if number == before:
            return
        change = self._changes.get((mark, before, number))
        if change is None:
            if len(self._changes) >= _MOST_CHANGES:
                self._changes.clear()
            change = _change(*self._kind, mark, before, number)
            self._changes[mark, before, number] = change
        y, x, patch = change
        height, width, _ = patch.shape
        self.frame[y : y + height, x : x + width] = patch
        self._shown[mark] = number


_MOST_CHANGES = 512


@functools.lru_cache(maxsize=_MOST_CHANGES)
def _change(
    look: Look,
    ground: Colour,
    display: Display,
    max_position: int,
    mark: Mark,
    before: int | None,
    after: int,
) -> tuple[int, int, Frame]:
    """The smallest part of the picture that holds all that differs, and its top left corner."""
    top, rows = _rows(look, ground, display, max_position, mark, after)
    if before is None:
        return top, 0, rows
    _, old = _rows(look, ground, display, max_position, mark, before)
    ys, xs = (rows != old).any(axis=2).nonzero()
    y, x = int(ys.min()), int(xs.min())
    return top + y, x, rows[y : ys.max() + 1, x : xs.max() + 1].copy()


@functools.lru_cache(maxsize=64)
def _rows(
    look: Look, ground: Colour, display: Display, max_position: int, mark: Mark, number: int
) -> tuple[int, Frame]:
    """The rows of the picture that show a number, and where they begin."""
    if display == "line":
        draw = drawn_line.flag if mark == "target" else drawn_line.arrow
        return draw(look, ground, max_position, number)
    if mark == "target":
        return _written(look, ground, "Target:", number, 60, 168)
    return _written(look, ground, "Current:", number, 180, 288)


def _written(
    look: Look, ground: Colour, label: str, number: int, top: float, bottom: float
) -> tuple[int, Frame]:
    """A labelled number: the rows of the picture that hold it, and where they begin."""
    picture = Picture(look, ground)
    scale = look.font_scale
    ways = []
    size = 36.0
    while size >= 8:
        # Up to two lines, the number below its label, and fewer where letters are large.
        pitch = (size + 8 if size == 36 else size + 4) * scale
        room = min(2, max(1, int((bottom - top) / pitch)))
        ways.append(("bold", size, top, pitch, room))
        size = 16.0 if size == 36 and scale == 1 else size * 0.75
    paragraph = picture.paragraph(30, bottom, ways)
    for text in (label, str(number)):
        paragraph.add(picture.frame, text)
    rows = slice(look.pixels(top), look.pixels(bottom))
    return rows.start, picture.frame[rows].copy()
