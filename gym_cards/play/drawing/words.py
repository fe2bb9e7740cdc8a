"""Texts of the window: numbers with a sign, and paragraphs that stay in their place."""

from __future__ import annotations

import re

from gym_cards.play.drawing import theme
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.painter import Painter
from gym_cards.play.drawing.theme import Colour


def points(value: float) -> str:
    """Returns a reward as text, with its sign: "+10", "−1", "0"."""
    number = f"{abs(value):.2f}".rstrip("0").rstrip(".")
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return sign + number


def percent(chance: float) -> str:
    """Returns a probability as text, as 0% or 100% only if it is certain."""
    shown = f"{chance:.1%}"
    if shown in ("0.0%", "100.0%") and chance not in (0, 1):
        return "nearly 100%" if chance > 0.5 else "nearly 0%"
    return shown.replace(".0%", "%")


def condensed(text: str) -> str:
    """Shortens enumerations in a text: "cabinet 1 to 28"."""

    def shorter(match: re.Match[str]) -> str:
        numbers = sorted(map(int, re.findall(r"\d+", match[0])))
        low, high = numbers[0], numbers[-1]
        whole = numbers == list(range(low, high + 1)) and len(numbers) > 2
        return f"{match[1]} {low} to {high}" if whole else match[0]

    return re.sub(r"\ban? (\w+) \d+(?:, (?:and )?an? \1 \d+)+", shorter, text)


def reward_colour(value: float) -> Colour:
    """Returns green above 0, red below, else grey."""
    return theme.GOOD if value > 0 else theme.BAD if value < 0 else theme.MUTED


def write_lines(
    painter: Painter,
    words: str,
    area: Rect,
    sizes: tuple[float, ...],
    colour: Colour = theme.TEXT,
    *,
    bold: bool = False,
) -> float:
    """Writes a text in the first size at which it fits, or as far as it fits; returns its end."""
    for size in sizes:
        lines = painter.wrapped(words, area.width, size, bold=bold)
        pitch = size * 1.4
        if len(lines) * pitch <= area.height:
            break
    else:
        room = int(area.height / pitch)
        if not room:
            return area.y
        lines = [*lines[: room - 1], lines[room - 1] + " …"]
    for row, line in enumerate(lines):
        shown = painter.shortened(line, area.width, size, bold=bold)
        painter.text(shown, area.x, area.y + (row + 0.5) * pitch, size, colour, bold=bold)
    return area.y + len(lines) * pitch


def write_fields(painter: Painter, fields: dict[str, str], area: Rect) -> None:
    """Writes names and values, in the first size at which all values fit without a break.

    Where none does, they are written in columns; else long values are broken, and shortened at the
    end of the place.
    """
    shown = {name.capitalize(): " ".join(value.split()) or "–" for name, value in fields.items()}
    items = list(shown.items())
    for count in (1, 2, 3):
        length = -(-len(items) // count)
        parts = [dict(items[start : start + length]) for start in range(0, len(items), length)]
        places = area.columns(len(parts), 14)
        for size in _FIELD_SIZES:
            broken = [
                _broken(painter, part, place, size)
                for part, place in zip(parts, places, strict=True)
            ]
            fits = length * _FIELD_PITCH * size <= area.height
            if fits and all(len(value) == 1 for _, part in broken for value in part.values()):
                for (indent, part), place in zip(broken, places, strict=True):
                    _write_column(painter, part, place, size, indent, length)
                return
    for size in (13.0, 12.0, 11.0):
        indent, lines = _broken(painter, shown, area, size)
        room = max(1, int(area.height / (_FIELD_PITCH * size)))
        if sum(map(len, lines.values())) <= room:
            break
    lines = _cut(lines, room)
    _write_column(painter, lines, area, size, indent, sum(map(len, lines.values())))


_FIELD_SIZES = (24.0, 20.0, 17.0, 15.0, 13.0, 12.0, 11.0)
_FIELD_PITCH = 1.35


def _broken(
    painter: Painter, fields: dict[str, str], area: Rect, size: float
) -> tuple[float, dict[str, list[str]]]:
    """Returns the width that names take, and the lines of the values."""
    names = max(painter.width_of(name, min(15.0, size)) for name in fields)
    indent = min(names + 0.9 * size, 0.62 * area.width)
    return indent, {
        name: painter.wrapped(value, area.width - indent, size, bold=True)
        for name, value in fields.items()
    }


def _write_column(
    painter: Painter,
    lines: dict[str, list[str]],
    area: Rect,
    size: float,
    indent: float,
    rows: int,
) -> None:
    """Writes names and the lines of their values, spread over the place, but not far apart."""
    pitch = min(area.height / max(1, rows), 2.2 * size)
    y = area.y + (area.height - rows * pitch) / 2
    label = min(15.0, size)
    for name, values in lines.items():
        name = painter.shortened(name, indent - 4, label)
        painter.text(name, area.x, y + pitch / 2, label, theme.MUTED)
        for value in values:
            value = painter.shortened(value, area.width - indent, size, bold=True)
            painter.text(value, area.x + indent, y + pitch / 2, size, bold=True)
            y += pitch


def _cut(values: dict[str, list[str]], room: int) -> dict[str, list[str]]:
    """Shortens the longest values until all have together as many lines as there is room for."""
    kept = {name: list(lines) for name, lines in list(values.items())[:room]}
    while sum(map(len, kept.values())) > room:
        longest = max(kept.values(), key=len)
        del longest[-1]
        longest[-1] = longest[-1].removesuffix(" …") + " …"
    if len(kept) < len(values):
        last = list(kept.values())[-1]
        last[-1] = last[-1].removesuffix(" …") + " …"
    return kept
