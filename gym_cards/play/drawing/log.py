"""Panel of the hint, the moves made so far, or the rules."""

from __future__ import annotations

from collections.abc import Sequence

from gym_cards.play.drawing import theme
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.painter import Painter
from gym_cards.play.drawing.scene import Scene
from gym_cards.play.drawing.words import percent, points, reward_colour, write_lines
from gym_cards.play.session import Hint, Move


def draw_log(painter: Painter, scene: Scene) -> None:
    """Draws the hint and the moves; the rules if they are asked for, or before the first move."""
    session, area, compact = scene.session, scene.layout.log, scene.layout.is_compact
    painter.box(area, theme.PANEL, edge=theme.PANEL_EDGE)
    inside = area.inset(8, 6) if compact else area.inset(20, 14)
    untouched = not (session.moves or session.hint)
    if untouched and (session.is_textual or compact):
        key = "Ctrl R" if session.is_typed else "R"
        size = 12 if compact else 15
        painter.text(f"{key} shows the rules.", inside.x, inside.y + 10, size, theme.MUTED)
        return
    # Where moves are typed, rules that are asked for take the list's place.
    if untouched or (scene.rules and not scene.covers_moves and not compact):
        sizes = (17.0, 16.0, 15.0, 14.0, 13.0, 12.0, 11.0, 10.0)
        write_lines(painter, session.rules, inside, sizes)
        return
    if session.hint is not None:
        inside = _draw_hint(painter, session.hint, inside, compact=compact)
    if session.is_textual:
        _draw_answers(painter, session.moves, inside)
    else:
        _draw_chips(painter, session.moves, inside, compact=compact)


def _draw_hint(painter: Painter, hint: Hint, area: Rect, *, compact: bool) -> Rect:
    """Draws the hint, and returns the room that is left under it."""
    size, line = (13, 18) if compact else (17, 28)
    y = area.y + line / 2 - (0 if compact else 2)
    x = area.x + painter.text("Hint", area.x, y, size - 2, theme.BRASS, bold=True) + 0.8 * size
    name = painter.shortened(hint.name, area.right - x, size, bold=True)
    painter.text(name, x, y, size, bold=True)
    words = hint.reason
    if hint.chance is not None:
        words += f"\nChance of success under the best play: {percent(hint.chance)}"
    sizes = (12.0, 11.0, 10.0) if compact else (15.0, 14.0, 13.0, 12.0)
    end = write_lines(painter, words, area.below(line), sizes, theme.TEXT) + 12
    return Rect(area.x, end, area.width, max(0.0, area.bottom - end))


def _draw_chips(painter: Painter, moves: Sequence[Move], area: Rect, *, compact: bool) -> None:
    """Draws the moves in their order, each with its reward; the last ones if there are too many."""
    size, height, gap, margin = (12, 22, 6, 7) if compact else (17, 32, 8, 12)
    small = size - 3
    chips: list[tuple[str, Move, float]] = []
    for move in moves:
        reward = painter.width_of(points(move.reward), small, bold=True) + 2 * margin + 10
        name = painter.shortened(move.name, area.width - reward, size, bold=True)
        chips.append((name, move, painter.width_of(name, size, bold=True) + reward))
    rows: list[list[tuple[str, Move, float]]] = [[]]
    x = 0.0
    for name, move, width in chips:
        if rows[-1] and x + width > area.width:
            rows.append([])
            x = 0.0
        rows[-1].append((name, move, width))
        x += width + gap
    pitch = height + gap
    room = max(0, int((area.height + gap) / pitch))
    for row, line in enumerate(rows[-room:] if room else []):
        x, y = area.x, area.y + row * pitch
        for name, move, width in line:
            painter.box(Rect(x, y, width, height), theme.OFF, radius=8, edge=theme.PANEL_EDGE)
            middle = y + height / 2
            painter.text(name, x + margin, middle, size, bold=True)
            colour, end = reward_colour(move.reward), x + width - margin
            shown = points(move.reward)
            painter.text(shown, end, middle, small, colour, bold=True, align="right")
            x += width + gap


def _draw_answers(painter: Painter, moves: Sequence[Move], area: Rect) -> None:
    """Draws the last moves of a game of words, the newest first."""
    pitch = 24 if area.width > 300 else 17
    size = 15 if area.width > 300 else 12
    for row, move in enumerate(list(reversed(moves))[: max(0, int(area.height / pitch))]):
        y = area.y + (row + 0.5) * pitch
        colour = reward_colour(move.reward)
        width = painter.text(
            points(move.reward), area.right, y, size, colour, bold=True, align="right"
        )
        words = painter.shortened(move.name, area.width - width - 12, size)
        painter.text(words, area.x, y, size, theme.TEXT if row == 0 else theme.MUTED)
