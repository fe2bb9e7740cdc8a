"""Rectangles in the window."""

from __future__ import annotations

from typing import NamedTuple


class Rect(NamedTuple):
    """Rectangle: its top left corner, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The bottom edge."""
        return self.y + self.height

    @property
    def centre(self) -> tuple[float, float]:
        """The point in the middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def contains(self, x: float, y: float) -> bool:
        """Returns whether a point is inside."""
        return self.x <= x < self.right and self.y <= y < self.bottom

    def inset(self, x: float, y: float | None = None) -> Rect:
        """Returns the rectangle without a margin, `x` wide at the sides and `y` high, or `x`."""
        y = x if y is None else y
        return Rect(self.x + x, self.y + y, self.width - 2 * x, self.height - 2 * y)

    def top_part(self, height: float) -> Rect:
        """Returns the uppermost part."""
        return self._replace(height=height)

    def below(self, height: float, gap: float = 0.0) -> Rect:
        """Returns what is left under the uppermost part and a gap."""
        return Rect(self.x, self.y + height + gap, self.width, self.height - height - gap)

    def columns(self, count: int, gap: float) -> list[Rect]:
        """Divides the rectangle into equal columns."""
        width = (self.width - gap * (count - 1)) / count
        return [Rect(self.x + i * (width + gap), self.y, width, self.height) for i in range(count)]

    def rows(self, count: int, gap: float) -> list[Rect]:
        """Divides the rectangle into equal rows."""
        height = (self.height - gap * (count - 1)) / count
        return [Rect(self.x, self.y + i * (height + gap), self.width, height) for i in range(count)]
