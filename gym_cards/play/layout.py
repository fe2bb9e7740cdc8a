"""Layout of the window, and the buttons of a game."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gym_cards.core.keys import captions
from gym_cards.play.command_line import CommandLine
from gym_cards.play.geometry import Rect
from gym_cards.play.session import Choice, Session
from gym_cards.play.theme import GAP, Kind
from gym_cards.play.widgets import Button

LINE = 44.0
COLUMNS = 2
_ROW = 34.0
_ROW_GAP = 8.0
_PITCH = _ROW + _ROW_GAP


class Layout(NamedTuple):
    """Parts of the window.

    Attributes:
        header: Title and score.
        picture: The panel around the game's picture.
        facts: The state in words; in a textual game, the goal and what the game says.
        moves: The moves, or the result once the episode is over.
        tools: New deal and hint.
        log: The moves made so far, a hint, or the rules.
        help: The keys.
    """

    header: Rect
    picture: Rect
    facts: Rect
    moves: Rect
    tools: Rect
    log: Rect
    help: Rect


def arrange(width: float, height: float, *, textual: bool) -> Layout:
    """Returns the parts of a window; the picture's panel is the largest square that fits."""
    margin = 24.0
    header = Rect(margin, 14, width - 2 * margin, 66)
    help_line = Rect(margin, height - 52, width - 2 * margin, 40)
    top, bottom = header.bottom + GAP, help_line.y - GAP + 4
    side = max(100.0, min(bottom - top, (width - 2 * margin) * 0.54))
    picture = Rect(margin, top, side, side)
    left = picture.right + 20
    column = Rect(left, top, width - margin - left, bottom - top)
    spare = column.height - 4 * GAP
    facts_share, moves_share = (0.29, 0.47) if textual else (0.18, 0.38)
    facts = column.top_part(spare * facts_share)
    moves = Rect(column.x, facts.bottom + GAP, column.width, spare * moves_share)
    tools = Rect(column.x, moves.bottom + GAP, column.width, 46)
    log = Rect(column.x, tools.bottom + GAP, column.width, 0)
    log = log._replace(height=column.bottom - log.y)
    return Layout(header, picture, facts, moves, tools, log, help_line)


def picture_place(area: Rect, width: int, height: int) -> Rect:
    """Returns the largest place in the panel for a picture of these proportions."""
    room = area.inset(20)
    share = min(room.width / width, room.height / height)
    x, y = room.centre
    return Rect(x - width * share / 2, y - height * share / 2, width * share, height * share)


def new_button(session: Session, rect: Rect, kind: Kind = "baize") -> Button:
    """Returns the button that starts the next episode."""
    label = "New game" if session.is_textual else "New deal"
    return Button("new", rect, label, kind, _key(session, "N"))


def tool_buttons(session: Session, area: Rect, *, rules_shown: bool) -> list[Button]:
    """Returns the buttons of new deal and hint, while the episode lasts, and rules."""
    rules = Button("rules", area, "Moves" if rules_shown else "Rules", caption=_key(session, "R"))
    if session.finished:
        return [rules]
    new, hint, last = area.columns(3, GAP)
    return [
        new_button(session, new),
        Button("hint", hint, "Hint", caption=_key(session, "H"), enabled=session.has_hints),
        replace(rules, rect=last),
    ]


def _key(session: Session, letter: str) -> str:
    """Returns the key of a tool, with Ctrl if letters are typed into a command."""
    return f"Ctrl {letter}" if session.is_textual else letter


def move_buttons(session: Session, area: Rect) -> list[Button]:
    """Returns a button for every move: numbers as cards, in rows, and the rest below them."""
    choices = session.choices
    names = [choice.name for choice in choices]
    keys = captions(names)
    numbers = [index for index, name in enumerate(names) if name.isdigit()]
    others = [index for index in range(len(names)) if index not in numbers]
    rows = [*_in_rows(numbers, 7), *_in_rows(others, 7)]
    if len(rows) == 1:
        # A few moves need not fill the height.
        height = min(area.height, 104.0)
        area = Rect(area.x, area.y + (area.height - height) / 2, area.width, height)
    buttons = []
    for row, place in zip(rows, area.rows(len(rows), GAP), strict=True):
        for index, rect in zip(row, place.columns(len(row), GAP), strict=True):
            choice = choices[index]
            buttons.append(
                Button(
                    f"move {index}",
                    rect,
                    choice.name,
                    _kind(choice, choices),
                    keys[index],
                    enabled=choice.legal and not session.finished,
                    marked=session.hint is not None and session.hint.name == choice.name,
                )
            )
    return buttons


def command_area(area: Rect) -> Rect:
    """Returns the area of the list of commands, below the line; focus rings need a margin."""
    return area.below(LINE, GAP - 4).inset(0, -4)._replace(y=area.y + LINE + GAP - 4)


def command_buttons(session: Session, line: CommandLine, area: Rect, scroll: float) -> list[Button]:
    """Returns buttons of the visible commands that fit the typed text, in two columns."""
    names = [choice.name for choice in session.choices]
    wanted = line.command(names) if line.text or line.chosen else None
    buttons = []
    for index, name in enumerate(line.matches(names)):
        row, column = divmod(index, COLUMNS)
        place = Rect(area.x, area.y + row * _PITCH - scroll, area.width - 14, _ROW)
        if place.bottom > area.y and place.y < area.bottom:
            button = Button(
                f"move {names.index(name)}",
                place.columns(COLUMNS, _ROW_GAP)[column],
                name,
                "ivory" if name == wanted else "baize",
                marked=session.hint is not None and session.hint.name == name,
                listed=True,
            )
            buttons.append(button)
    return buttons


def list_height(count: int) -> float:
    """Returns the height of a list of commands."""
    return -(-count // COLUMNS) * _PITCH + 2 * _ROW_GAP


def scroll_to(index: int, area: Rect, scroll: float) -> float:
    """Returns the closest scroll position at which a command is fully visible."""
    top = index // COLUMNS * _PITCH
    return max(min(scroll, top), top + _PITCH - area.height)


def _in_rows(items: list[int], most: int) -> list[list[int]]:
    """Divides items into as few rows as possible, whose lengths differ by at most one."""
    count = -(-len(items) // most)
    length = -(-len(items) // count) if count else 1
    return [items[start : start + length] for start in range(0, len(items), length)]


def _kind(choice: Choice, choices: list[Choice]) -> Kind:
    if choice.name.isdigit():
        return "ivory"
    # What ends a formula stands out.
    return "brass" if choice.name == "=" and len(choices) > 2 else "baize"
