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

    Where none does, long values are broken, and shortened at the end of the place.
    """
    shown = {name.capitalize(): " ".join(value.split()) or "–" for name, value in fields.items()}
    for size in (24.0, 20.0, 17.0, 15.0, 13.0, 12.0, 11.0):
        label = min(15.0, size)
        indent = min(
            max(painter.width_of(name, label) for name in shown) + 0.9 * size, 0.62 * area.width
        )
        values = {
            name: painter.wrapped(value, area.width - indent, size, bold=True)
            for name, value in shown.items()
        }
        count = sum(map(len, values.values()))
        pitch = 1.35 * size
        is_broken = count > len(values)
        if count * pitch <= area.height and (size <= 13 or not is_broken):
            break
    else:
        values = _cut(values, max(1, int(area.height / pitch)))
        count = sum(map(len, values.values()))
    # Spread over the place, but not far apart.
    pitch = min(area.height / max(1, count), 2.2 * size)
    y = area.y + (area.height - count * pitch) / 2
    for name, lines in values.items():
        name_shown = painter.shortened(name, indent - 4, label)
        painter.text(name_shown, area.x, y + pitch / 2, label, theme.MUTED)
        for line in lines:
            line_shown = painter.shortened(line, area.width - indent, size, bold=True)
            painter.text(line_shown, area.x + indent, y + pitch / 2, size, bold=True)
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
