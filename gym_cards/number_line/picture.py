"""Picture of NumberLine."""

from __future__ import annotations

from typing import Literal

from gym_cards.number_line import drawn_line
from gym_cards.render.lettering import Paragraph
from gym_cards.render.picture import STANDARD, Picture
from gym_cards.render.style import WHITE, RenderStyle

Display = Literal["text", "line"]


class NumberLinePicture(Picture):
    """Picture of NumberLine: both numbers as text, or as marks on a drawn line.

    Args:
        style: The style of the picture.
        display: "text" or "line".
        max_position: The line's last number; used by "line" only.
    """

    def __init__(
        self, style: RenderStyle = STANDARD, display: Display = "text", max_position: int = 5
    ) -> None:
        super().__init__(style, WHITE)
        self._display = display
        self._max_position = max_position
        self._target: int | None = None
        self._current: int | None = None
        if display == "line":
            self.frame[...] = drawn_line.bare_line(style, self.ground, max_position)
        else:
            self._target_text = self._labelled("Target:", 60, 168)
            self._current_text = self._labelled("Current:", 180, 288)

    def show(self, target: int, current: int) -> None:
        """Draws both numbers.

        Raises:
            ValueError: If a number is too long for the picture.
        """
        if target != self._target:
            self._target = target
            if self._display == "line":
                top, rows = drawn_line.flag(self.style, self.ground, self._max_position, target)
                self.canvas.put(rows, 0, top)
            else:
                self._target_text.replace(self.canvas, str(target))
        if current != self._current:
            self._current = current
            if self._display == "line":
                top, rows = drawn_line.arrow(self.style, self.ground, self._max_position, current)
                self.canvas.put(rows, 0, top)
            else:
                self._current_text.replace(self.canvas, str(current))

    def _labelled(self, label: str, top: float, bottom: float) -> Paragraph:
        """Returns a line for a number after its label, or below it, or in smaller letters."""
        scale = self.style.font_scale
        ways = []
        size = 36.0
        while size >= 8:
            # Up to two lines, and fewer if letters are large.
            pitch = (size + 8 if size == 36 else size + 4) * scale
            room = min(2, max(1, int((bottom - top) / pitch)))
            ways.append(("bold", size, top, pitch, room))
            size = 16.0 if size == 36 and scale == 1 else size * 0.75
        paragraph = self.paragraph(30, bottom, ways)
        paragraph.begin(self.canvas, label)
        return paragraph
