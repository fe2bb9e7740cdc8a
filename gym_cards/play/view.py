"""Drawing of the window: title and score, picture, state, moves or result, log, and keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from gym_cards.play import theme
from gym_cards.play.command_line import CommandLine
from gym_cards.play.geometry import Rect
from gym_cards.play.layout import LINE, Layout, command_area, list_height, picture_place
from gym_cards.play.painter import Painter
from gym_cards.play.session import Move, Session
from gym_cards.play.theme import Colour
from gym_cards.play.widgets import Button, Touch, draw_button, draw_key, key_width

_KEYS = (
    ("N", "new deal"),
    ("H", "hint"),
    ("R", "rules"),
    ("Tab", "next button"),
    ("Enter", "press it"),
)
_TEXT_KEYS = (
    ("Enter", "play"),
    ("Tab", "complete"),
    ("↓", "choose"),
    ("Ctrl N", "new game"),
    ("Ctrl H", "hint"),
    ("Ctrl R", "rules"),
)


class Scene(NamedTuple):
    """Everything that the window shows.

    Attributes:
        session: The session that is played.
        layout: The places of the parts.
        buttons: All buttons.
        touch: The buttons that the player touches.
        line: The typed command, in a game of words.
        scroll: The scroll position of its list.
        rules: Whether the rules are shown; in a game of words they take the commands' place.
        notice: A message in the line of keys; empty for none.
    """

    session: Session
    layout: Layout
    buttons: Sequence[Button]
    touch: Touch
    line: CommandLine | None
    scroll: float
    rules: bool
    notice: str


def points(value: float) -> str:
    """Returns a reward as text, with its sign: "+10", "−1", "0"."""
    number = f"{abs(value):.2f}".rstrip("0").rstrip(".")
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return sign + number


def _percent(chance: float) -> str:
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


def draw(painter: Painter, scene: Scene) -> None:
    """Draws everything."""
    painter.background()
    _draw_header(painter, scene)
    _draw_picture(painter, scene)
    session, layout = scene.session, scene.layout
    if session.is_textual:
        _draw_speech(painter, session, layout.facts)
    else:
        _draw_state(painter, session.state, layout.facts)
    if session.finished:
        _draw_result(painter, session, layout.moves)
    else:
        _panel(painter, layout.moves)
        if scene.line is not None and scene.rules:
            _draw_rules(painter, session, layout.moves)
        elif scene.line is not None:
            _draw_command_line(painter, scene, scene.line)
    _draw_log(painter, scene)
    _draw_help(painter, scene)
    _draw_buttons(painter, scene)


def draw_waiting(painter: Painter, words: str) -> None:
    """Draws the window before there is a game."""
    painter.background()
    width, height = painter.size
    painter.text(words, width / 2, height / 2, 24, theme.MUTED, bold=True, align="centre")


def _panel(painter: Painter, rect: Rect) -> None:
    painter.box(rect, theme.PANEL, edge=theme.PANEL_EDGE)


def _draw_header(painter: Painter, scene: Scene) -> None:
    session, area = scene.session, scene.layout.header
    left = area.x + 4
    painter.text(session.game.title, left, area.y + 22, 30, bold=True)
    details = [f"seed {session.seed}"]
    details += [f"{name} = {value}" for name, value in session.game.kwargs.items()]
    if session.recording is not None:
        details.append(f"recording to {session.recording}")
    score = session.score
    rate, mean = score.rate, score.mean_return
    figures = (
        ("episodes", str(score.episodes)),
        ("won", str(score.wins)),
        ("win rate", "–" if rate is None else f"{rate:.0%}"),
        ("mean return", "–" if mean is None else points(round(mean, 2))),
    )
    x = area.right - 4
    for label, value in reversed(figures):
        painter.text(value, x, area.y + 20, 24, bold=True, align="right")
        painter.text(label, x, area.y + 49, 13, theme.MUTED, align="right")
        x -= max(painter.width_of(label, 13), painter.width_of(value, 24, bold=True)) + 36
    words = painter.shortened("   ·   ".join(details), x - left, 14)
    painter.text(words, left, area.y + 50, 14, theme.MUTED)


def _draw_picture(painter: Painter, scene: Scene) -> None:
    session, area = scene.session, scene.layout.picture
    edge = theme.PANEL_EDGE
    if session.finished:
        edge = theme.BRASS if session.won else theme.BAD
    painter.box(area, theme.PANEL, edge=edge, pen=3 if session.finished else 1, shadow=10)
    picture = session.picture
    height, width = picture.shape[:2]
    painter.picture(picture, picture_place(area, width, height), 8)


def _draw_state(painter: Painter, state: dict[str, str], area: Rect) -> None:
    _panel(painter, area)
    inside = area.inset(20, 12)
    indent = max(painter.width_of(name.capitalize(), 15) for name in state) + 24
    for (name, value), row in zip(state.items(), inside.rows(len(state), 0), strict=True):
        y = row.centre[1]
        painter.text(name.capitalize(), row.x, y, 15, theme.MUTED)
        shown = " ".join(value.split()) or "–"
        size = painter.fitting(shown, row.width - indent, (24, 20, 17, 14, 12), bold=True)
        painter.text(shown, row.x + indent, y, size, bold=True)


def _draw_speech(painter: Painter, session: Session, area: Rect) -> None:
    """Draws the goal and the answer of a game of words."""
    _panel(painter, area)
    inside = area.inset(20, 16)
    y = inside.y + 9
    if session.goal is not None:
        painter.text("Goal", inside.x, y, 13, theme.BRASS, bold=True)
        y = _write_lines(painter, session.goal, inside._replace(y=y + 12), (18, 16), bold=True) + 18
    rest = Rect(inside.x, y - 8, inside.width, inside.bottom - y + 8)
    _write_lines(painter, condensed(session.text or ""), rest, (16, 15, 14, 13, 12, 11))


def _write_lines(
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
        room = max(1, int(area.height / pitch))
        lines = [*lines[: room - 1], painter.shortened(lines[room - 1] + " …", area.width, size)]
    for row, line in enumerate(lines):
        painter.text(line, area.x, area.y + (row + 0.5) * pitch, size, colour, bold=bold)
    return area.y + len(lines) * pitch


def _draw_result(painter: Painter, session: Session, area: Rect) -> None:
    fill: Colour = (30, 84, 54, 230) if session.won else (92, 44, 36, 230)
    painter.box(area, fill, edge=theme.GOOD if session.won else theme.BAD, pen=2)
    inside = area.inset(28, 20)
    middle = inside.y + 34
    painter.text(_verdict(session), inside.x, middle, 38, bold=True)
    total = points(round(session.total, 2))
    painter.text(
        total, inside.right, middle, 46, reward_colour(session.total), bold=True, align="right"
    )
    last = session.moves[-1]
    words = f"{len(session.moves)} moves, the last one “{last.name}” for {points(last.reward)}."
    if len(session.moves) == 1:
        words = f"One move, “{last.name}”, for {points(last.reward)}."
    if session.dealer is not None:
        words += f" The dealer had {' '.join(session.dealer)}."
    if session.opening is not None and not session.won:
        words += f" The expert’s advice at the start: “{session.opening.name}” "
        words += f"({session.opening.reason})."
    _write_lines(painter, words, inside.below(68)._replace(height=66), (17, 15, 13), theme.TEXT)


def _verdict(session: Session) -> str:
    if session.won:
        return "You won"
    if session.dealer is not None and session.total == 0:
        return "A draw"
    return "Out of moves" if session.truncated else "You lost"


def _draw_command_line(painter: Painter, scene: Scene, line: CommandLine) -> None:
    inside = scene.layout.moves.inset(14)
    field = inside.top_part(LINE)
    typing = scene.touch.focus is None
    edge = theme.BRASS if typing else theme.PANEL_EDGE
    painter.box(field, theme.FIELD, radius=theme.BUTTON_RADIUS, edge=edge, pen=2 if typing else 1)
    x, y = field.x + 14, field.centre[1]
    commands = [choice.name for choice in scene.session.choices]
    with painter.clipped(field.inset(10, 4)):
        if line.text:
            end = x + painter.text(line.text, x, y, 17, bold=True)
            # A space at the end has no ink, but the cursor is behind it.
            end = x + max(end - x, painter.width_of(line.text, 17, bold=True))
            painter.text(line.completion(commands), end, y, 17, theme.OFF_INK, bold=True)
        else:
            end = x
            painter.text("Type a command, or click one", x + 6, y, 15, theme.OFF_INK)
        if typing:
            painter.box(Rect(end + 1, y - 12, 2, 24), theme.BRASS, radius=1)
    found = line.matches(commands)
    area = command_area(inside)
    if not found:
        painter.text("No command fits.", area.x + 14, area.y + 18, 15, theme.BAD)
    _draw_scrollbar(painter, area, list_height(len(found)), scene.scroll)


def _draw_scrollbar(painter: Painter, area: Rect, height: float, scroll: float) -> None:
    if height <= area.height:
        return
    track = Rect(area.right - 6, area.y, 6, area.height)
    painter.box(track, theme.OFF, radius=3)
    share = area.height / height
    thumb = track._replace(y=track.y + scroll * share, height=track.height * share)
    painter.box(thumb, theme.MUTED, radius=3)


def _draw_buttons(painter: Painter, scene: Scene) -> None:
    # Commands scroll out of sight; all other buttons stay.
    listed = command_area(scene.layout.moves.inset(14))
    for button in scene.buttons:
        if button.listed:
            with painter.clipped(listed.inset(-6, 0)):
                draw_button(painter, button, scene.touch)
        else:
            draw_button(painter, button, scene.touch)


def _draw_log(painter: Painter, scene: Scene) -> None:
    session, area = scene.session, scene.layout.log
    _panel(painter, area)
    inside = area.inset(20, 14)
    if session.is_textual and not (session.moves or session.hint):
        painter.text("Ctrl R shows the rules.", inside.x, inside.y + 12, 15, theme.MUTED)
    elif not session.is_textual and (scene.rules or not (session.moves or session.hint)):
        _draw_rules(painter, session, area)
        return
    if session.hint is not None:
        inside = _draw_hint(painter, session, inside)
    if session.is_textual:
        _draw_answers(painter, session.moves, inside)
    else:
        _draw_chips(painter, session.moves, inside)


def _draw_rules(painter: Painter, session: Session, area: Rect) -> None:
    _write_lines(painter, session.rules, area.inset(20, 14), (17, 16, 15, 14, 13, 12, 11, 10))


def _draw_hint(painter: Painter, session: Session, area: Rect) -> Rect:
    """Draws the hint, and returns the room that is left under it."""
    hint = session.hint
    if hint is None:
        return area
    x = area.x + painter.text("Hint", area.x, area.y + 12, 15, theme.BRASS, bold=True) + 14
    name = painter.shortened(hint.name, area.right - x, 17, bold=True)
    painter.text(name, x, area.y + 12, 17, bold=True)
    reason = area.below(28)
    sizes = (15.0, 14.0, 13.0, 12.0)
    words = hint.reason
    if hint.chance is not None:
        words += f"\nChance of success under the best play: {_percent(hint.chance)}"
    end = _write_lines(painter, words, reason, sizes, theme.TEXT)
    return Rect(area.x, end + 12, area.width, max(0.0, area.bottom - end - 12))


def _draw_chips(painter: Painter, moves: Sequence[Move], area: Rect) -> None:
    """Draws the moves in their order, each with its reward; the last ones if there are too many."""
    chips: list[tuple[Move, float]] = []
    for move in moves:
        name = painter.width_of(move.name, 17, bold=True)
        reward = painter.width_of(points(move.reward), 14, bold=True)
        chips.append((move, name + reward + 34))
    rows: list[list[tuple[Move, float]]] = [[]]
    x = 0.0
    for move, width in chips:
        if rows[-1] and x + width > area.width:
            rows.append([])
            x = 0.0
        rows[-1].append((move, width))
        x += width + 8
    room = max(0, int((area.height + 8) / 40))
    for row, line in enumerate(rows[-room:] if room else []):
        x, y = area.x, area.y + row * 40
        for move, width in line:
            painter.box(Rect(x, y, width, 32), theme.OFF, radius=8, edge=theme.PANEL_EDGE)
            painter.text(move.name, x + 12, y + 16, 17, bold=True)
            colour = reward_colour(move.reward)
            painter.text(
                points(move.reward), x + width - 12, y + 16, 14, colour, bold=True, align="right"
            )
            x += width + 8


def _draw_answers(painter: Painter, moves: Sequence[Move], area: Rect) -> None:
    """Draws the last moves of a game of words, the newest first."""
    for row, move in enumerate(list(reversed(moves))[: max(0, int(area.height / 24))]):
        y = area.y + 12 + row * 24
        colour = reward_colour(move.reward)
        painter.text(points(move.reward), area.right, y, 15, colour, bold=True, align="right")
        words = painter.shortened(move.name, area.width - 80, 15)
        painter.text(words, area.x, y, 15, theme.TEXT if row == 0 else theme.MUTED)


def _draw_help(painter: Painter, scene: Scene) -> None:
    area = scene.layout.help
    x, y = area.x + 4, area.centre[1]
    for key, meaning in _TEXT_KEYS if scene.session.is_textual else _KEYS:
        width = key_width(painter, key)
        draw_key(painter, key, x + width / 2, y, framed=True)
        x += width + 8
        x += painter.text(meaning, x, y, 14, theme.MUTED) + 22
    if scene.notice:
        words = painter.shortened(scene.notice, area.right - x, 15, bold=True)
        painter.text(words, area.right - 4, y, 15, theme.BRASS, bold=True, align="right")
