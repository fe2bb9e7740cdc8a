"""Drawing of the window: title and score, picture, state, moves or result, log, and keys."""

from __future__ import annotations

from gym_cards.play.command_line import CommandLine
from gym_cards.play.drawing import theme
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.layout import command_area, line_place, list_height, picture_place
from gym_cards.play.drawing.log import draw_log
from gym_cards.play.drawing.painter import Painter
from gym_cards.play.drawing.scene import Scene
from gym_cards.play.drawing.theme import Colour
from gym_cards.play.drawing.widgets import draw_button, draw_key, key_width
from gym_cards.play.drawing.words import (
    condensed,
    points,
    reward_colour,
    write_fields,
    write_lines,
)
from gym_cards.play.session import Session

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


def draw(painter: Painter, scene: Scene) -> None:
    """Draws everything."""
    painter.background()
    _draw_header(painter, scene)
    _draw_picture(painter, scene)
    session, layout = scene.session, scene.layout
    if layout.facts.height:
        _draw_facts(painter, scene)
    if scene.covers_moves:
        place = layout.rules if layout.is_compact else layout.moves
        _panel(painter, place)
        margin = 8 if layout.is_compact else 20
        write_lines(painter, session.rules, place.inset(margin), _RULE_SIZES)
    elif session.finished:
        _draw_result(painter, scene)
    else:
        _panel(painter, layout.moves)
        if scene.line is not None:
            _draw_command_line(painter, scene, scene.line)
    if not (scene.covers_moves and layout.is_compact):
        draw_log(painter, scene)
    _draw_help(painter, scene)
    _draw_buttons(painter, scene)


_RULE_SIZES = (17.0, 16.0, 15.0, 14.0, 13.0, 12.0, 11.0, 10.0)


def draw_waiting(painter: Painter, words: str) -> None:
    """Draws the window before there is a game."""
    painter.background()
    width, height = painter.size
    size = painter.fitting(words, width - 20, (24, 18, 14, 11), bold=True)
    painter.text(words, width / 2, height / 2, size, theme.MUTED, bold=True, align="centre")


def _panel(painter: Painter, rect: Rect) -> None:
    painter.box(rect, theme.PANEL, edge=theme.PANEL_EDGE)


def _draw_header(painter: Painter, scene: Scene) -> None:
    session, area = scene.session, scene.layout.header
    left, right = area.x + 4, area.right - 4
    score = session.score
    rate, mean = score.rate, score.mean_return
    if scene.layout.is_compact:
        y = area.centre[1]
        words = f"won {score.wins} of {score.episodes}"
        width = painter.text(words, right, y, 13, theme.MUTED, align="right")
        title = painter.shortened(session.game.title, right - width - 12 - left, 18, bold=True)
        painter.text(title, left, y, 18, bold=True)
        return
    details = [f"seed {session.seed}"]
    details += [f"{name} = {value}" for name, value in session.game.kwargs.items()]
    if session.hides_state:
        details.append("state hidden")
    if session.recording is not None:
        details.append(f"recording to {session.recording}")
    figures = (
        ("episodes", str(score.episodes)),
        ("won", str(score.wins)),
        ("win rate", "–" if rate is None else f"{rate:.0%}"),
        ("mean return", "–" if mean is None else points(round(mean, 2))),
    )
    x = right
    for label, value in reversed(figures):
        painter.text(value, x, area.y + 20, 24, bold=True, align="right")
        painter.text(label, x, area.y + 49, 13, theme.MUTED, align="right")
        x -= max(painter.width_of(label, 13), painter.width_of(value, 24, bold=True)) + 36
    title = painter.shortened(session.game.title, x - left, 30, bold=True)
    painter.text(title, left, area.y + 22, 30, bold=True)
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


def _draw_facts(painter: Painter, scene: Scene) -> None:
    """Draws the state; in a game of words, the goal and what the game answers."""
    session, area = scene.session, scene.layout.facts
    _panel(painter, area)
    if not session.is_textual:
        inside = area.inset(10, 6) if scene.layout.is_compact else area.inset(20, 12)
        write_fields(painter, session.state, inside)
    elif scene.layout.is_compact:
        inside = area.inset(10, 6)
        goal = session.goal or ""
        end = write_lines(painter, goal, inside, (14, 13, 12, 11), bold=True) if goal else inside.y
        rest = inside._replace(y=end + 4, height=max(0.0, inside.bottom - end - 4))
        write_lines(painter, condensed(session.text or ""), rest, (12, 11, 10))
    else:
        _draw_speech(painter, session, area.inset(20, 16))


def _draw_speech(painter: Painter, session: Session, inside: Rect) -> None:
    y = inside.y + 9
    if session.goal is not None:
        painter.text("Goal", inside.x, y, 13, theme.BRASS, bold=True)
        goal = Rect(inside.x, y + 12, inside.width, inside.bottom - y - 12)
        y = write_lines(painter, session.goal, goal, (18, 16, 14, 12), bold=True) + 18
    rest = Rect(inside.x, y - 8, inside.width, max(0.0, inside.bottom - y + 8))
    write_lines(painter, condensed(session.text or ""), rest, (16, 15, 14, 13, 12, 11))


def _draw_result(painter: Painter, scene: Scene) -> None:
    session, layout = scene.session, scene.layout
    area = layout.moves
    fill: Colour = (30, 84, 54, 230) if session.won else (92, 44, 36, 230)
    painter.box(area, fill, edge=theme.GOOD if session.won else theme.BAD, pen=2)
    compact = layout.is_compact
    inside = area.inset(12, 10) if compact else area.inset(28, 20)
    large, larger, height = (20, 24, 32) if compact else (38, 46, 68)
    middle = inside.y + height / 2
    total = points(round(session.total, 2))
    colour = reward_colour(session.total)
    width = painter.text(total, inside.right, middle, larger, colour, bold=True, align="right")
    verdict = painter.shortened(_verdict(session), inside.width - width - 10, large, bold=True)
    painter.text(verdict, inside.x, middle, large, bold=True)
    last = session.moves[-1]
    words = f"{len(session.moves)} moves, the last one “{last.name}” for {points(last.reward)}."
    if len(session.moves) == 1:
        words = f"One move, “{last.name}”, for {points(last.reward)}."
    if session.dealer is not None:
        words += f" The dealer had {' '.join(session.dealer)}."
    if session.opening is not None and not session.won:
        words += f" The expert would have begun with “{session.opening.name}”:"
        words += f" {session.opening.reason[0].lower()}{session.opening.reason[1:]}"
    button = scene.buttons[0].rect if scene.buttons else area
    place = inside.below(height)
    place = place._replace(height=max(0.0, button.y - 6 - place.y))
    write_lines(painter, words, place, (17, 15, 13, 12, 11, 10), theme.TEXT)


def _verdict(session: Session) -> str:
    if session.won:
        return "You won"
    if session.has_draws and session.total == 0:
        return "A draw"
    return "Out of moves" if session.truncated else "You lost"


def _draw_command_line(painter: Painter, scene: Scene, line: CommandLine) -> None:
    layout = scene.layout
    field = line_place(layout)
    typing = scene.touch.focus is None
    edge = theme.BRASS if typing else theme.PANEL_EDGE
    painter.box(field, theme.FIELD, radius=theme.BUTTON_RADIUS, edge=edge, pen=2 if typing else 1)
    size = 14 if layout.is_compact else 17
    x, y = field.x + (8 if layout.is_compact else 14), field.centre[1]
    commands = scene.session.commands
    with painter.clipped(field.inset(6, 4)):
        if line.text:
            end = x + painter.text(line.text, x, y, size, bold=True)
            # A space at the end has no ink, but the cursor is behind it.
            end = x + max(end - x, painter.width_of(line.text, size, bold=True))
            painter.text(line.completion(commands), end, y, size, theme.OFF_INK, bold=True)
        else:
            end = x
            asked = "Type a command, or click one" if scene.session.is_textual else "Type a move"
            painter.text(asked, x + 6, y, size - 2, theme.OFF_INK)
        if typing:
            painter.box(Rect(end + 1, y - 12, 2, 24), theme.BRASS, radius=1)
    found = line.matches(commands)
    area = command_area(layout)
    if not found:
        painter.text("No command fits.", area.x + 14, area.y + 18, 15, theme.BAD)
    _draw_scrollbar(painter, area, list_height(len(found), area), scene.scroll)


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
    listed = command_area(scene.layout)
    for button in scene.buttons:
        if button.listed:
            with painter.clipped(listed.inset(-6, 0)):
                draw_button(painter, button, scene.touch)
        else:
            draw_button(painter, button, scene.touch)


def _draw_help(painter: Painter, scene: Scene) -> None:
    """Draws a message, and the keys as far as there is room for them."""
    area = scene.layout.help
    x, y, end = area.x + 4, area.centre[1], area.right - 4
    if scene.notice:
        size = 12 if scene.layout.is_compact else 15
        room = end - x if scene.layout.is_compact else 0.5 * (end - x)
        words = painter.shortened(scene.notice, room, size, bold=True)
        end -= painter.text(words, end, y, size, theme.BRASS, bold=True, align="right") + 16
    for key, meaning in _TEXT_KEYS if scene.session.is_typed else _KEYS:
        if meaning == "hint" and not scene.session.has_hints:
            continue
        size = 12 if scene.layout.is_compact else 14
        width = key_width(painter, key)
        if x + width + 8 + painter.width_of(meaning, size) > end:
            break
        draw_key(painter, key, x + width / 2, y, framed=True)
        x += width + 8
        x += painter.text(meaning, x, y, size, theme.MUTED) + 22
