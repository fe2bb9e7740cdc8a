"""Layout of the window, and the buttons of a game."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from gym_cards.core.keys import captions
from gym_cards.play.command_line import CommandLine
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.theme import GAP, Kind
from gym_cards.play.drawing.widgets import Button
from gym_cards.play.session import Choice, Session

SIZE = (1280, 800)
"""The size of the window in pixels at which a unit is a pixel."""
# A window of this size in pixels has the least writing that can be read. In a smaller one it
# shrinks further.
_SMALL, _LEAST = (320, 240), 0.62
# A window with fewer units has less around the picture and the moves.
_ROOMY = (900, 560)

LINE = 44.0


class Layout(NamedTuple):
    """Parts of the window.

    Attributes:
        header: Title and score.
        picture: The panel around the game's picture.
        facts: The state in words; in a textual game, the goal and what the game says. It has no
            height if there is nothing to tell.
        moves: The moves, or the result once the episode is over.
        tools: New deal and hint.
        log: The moves made so far, a hint, or the rules.
        help: The keys.
        is_compact: Whether the window is small.
    """

    header: Rect
    picture: Rect
    facts: Rect
    moves: Rect
    tools: Rect
    log: Rect
    help: Rect
    is_compact: bool

    @property
    def rules(self) -> Rect:
        """The place of the rules in a small window, where the moves and the log are."""
        top = self.moves.y
        bottom = max(self.moves.bottom, self.log.bottom)
        return self.moves._replace(y=top, height=bottom - top)


def scale_for(width: int, height: int) -> float:
    """Returns the number of pixels in a unit for a window of this size in pixels."""
    readable = min(_LEAST, *(_LEAST * s / o for s, o in zip((width, height), _SMALL, strict=True)))
    return max(readable, min(width / SIZE[0], height / SIZE[1]))


def arrange(
    width: float, height: float, *, textual: bool, typed: bool = False, facts: int = 1
) -> Layout:
    """Returns the parts of a window; the picture's panel is the largest square that fits.

    Args:
        width: The window's width, in units.
        height: The window's height, in units.
        textual: Whether the facts are a goal and what the game says.
        typed: Whether moves are chosen from a list.
        facts: The number of facts.
    """
    if width < _ROOMY[0] or height < _ROOMY[1]:
        return _compact(width, height, facts=facts > 0)
    margin = 24.0
    header = Rect(margin, 14, width - 2 * margin, 66)
    help_line = Rect(margin, height - 52, width - 2 * margin, 40)
    top, bottom = header.bottom + GAP, help_line.y - GAP + 4
    side = max(100.0, min(bottom - top, (width - 2 * margin) * 0.54))
    picture = Rect(margin, top, side, side)
    left = picture.right + 20
    column = Rect(left, top, width - margin - left, bottom - top)
    facts_share, moves_share = (0.29, 0.47) if textual else (0.24, 0.47) if typed else (0.18, 0.38)
    if not textual and facts > 4:
        facts_share = 0.26
    spare = column.height - 4 * GAP
    told = column.top_part(spare * facts_share if facts else -GAP)
    moves = Rect(column.x, told.bottom + GAP, column.width, spare * moves_share)
    tools = Rect(column.x, moves.bottom + GAP, column.width, 46)
    log = Rect(column.x, tools.bottom + GAP, column.width, 0)
    log = log._replace(height=column.bottom - log.y)
    told = told._replace(height=max(0.0, told.height))
    return Layout(header, picture, told, moves, tools, log, help_line, False)


def _compact(width: float, height: float, *, facts: bool) -> Layout:
    """Returns the parts of a small window: the facts below the picture, the tools at the bottom."""
    margin, gap = 10.0, 8.0
    header = Rect(margin, 6, width - 2 * margin, 30)
    help_line = Rect(margin, height - 26, width - 2 * margin, 22)
    top, bottom = header.bottom + 4, help_line.y - 4
    room = bottom - top
    least = 0.27 * room if facts else 0.0
    side = max(60.0, min(room - least - gap * facts, (width - 2 * margin) * 0.45))
    picture = Rect(margin, top, side, side)
    told = Rect(margin, picture.bottom + gap, side, bottom - picture.bottom - gap)
    left = picture.right + gap
    column = Rect(left, top, width - margin - left, room)
    tools = Rect(column.x, bottom - 30, column.width, 30)
    log = Rect(column.x, 0, column.width, 0.28 * room)
    log = log._replace(y=tools.y - gap - log.height)
    moves = Rect(column.x, top, column.width, log.y - gap - top)
    if not facts:
        told = told._replace(height=0.0)
    return Layout(header, picture, told, moves, tools, log, help_line, True)


def picture_place(area: Rect, width: int, height: int) -> Rect:
    """Returns the largest place in the panel for a picture of these proportions."""
    room = area.inset(20 if area.width > 300 else 8)
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
    new, hint, last = area.columns(3, GAP if area.width > 400 else 6)
    return [
        new_button(session, new),
        Button("hint", hint, "Hint", caption=_key(session, "H"), enabled=session.has_hints),
        replace(rules, rect=last),
    ]


def result_button(session: Session, layout: Layout) -> Button:
    """Returns the button below the result, which starts the next episode."""
    area = layout.moves
    x, y, height = (12, 10, 32) if layout.is_compact else (28, 20, 52)
    rect = area.inset(x, y)._replace(y=area.bottom - y - height, height=height)
    return new_button(session, rect, "brass")


def _key(session: Session, letter: str) -> str:
    """Returns the key of a tool, with Ctrl if letters are typed into a command."""
    return f"Ctrl {letter}" if session.is_typed else letter


def inside_moves(layout: Layout) -> Rect:
    """Returns the area of the moves without its margin."""
    return layout.moves.inset(8 if layout.is_compact else 14)


def move_buttons(session: Session, layout: Layout) -> list[Button]:
    """Returns a button for every move: numbers as cards, in rows, and the rest below them."""
    area, gap = inside_moves(layout), 6.0 if layout.is_compact else GAP
    choices = session.choices
    names = [choice.name for choice in choices]
    keys = captions(names)
    numbers = [index for index, name in enumerate(names) if name.isdigit()]
    others = [index for index in range(len(names)) if index not in numbers]
    # Words need wider buttons than signs.
    wide = any(len(names[index]) > 2 for index in others)
    rows = [
        *_in_rows(numbers, 7),
        *_in_rows(others, (2 if layout.is_compact else 4) if wide else 7),
    ]
    if len(rows) == 1:
        # A few moves need not fill the height.
        height = min(area.height, 104.0)
        area = Rect(area.x, area.y + (area.height - height) / 2, area.width, height)
    elif len(rows) > 4:
        gap = 6.0
    buttons = []
    for row, place in zip(rows, area.rows(len(rows), gap), strict=True):
        for index, rect in zip(row, place.columns(len(row), gap), strict=True):
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


def command_area(layout: Layout) -> Rect:
    """Returns the area of the list of commands, below the line; focus rings need a margin."""
    inside = inside_moves(layout)
    line = line_place(layout)
    top = line.bottom + (2 if layout.is_compact else GAP - 4)
    return Rect(inside.x, top, inside.width, inside.bottom - top + 4)


def line_place(layout: Layout) -> Rect:
    """Returns the place of the line in which commands are typed."""
    return inside_moves(layout).top_part(30 if layout.is_compact else LINE)


def columns_in(area: Rect) -> int:
    """Returns the number of columns of the list of commands."""
    return 2 if area.width >= 480 else 1


def _rows_in(area: Rect) -> tuple[float, float]:
    """Returns the height of a row of the list of commands, and the gap below it."""
    return (34.0, 8.0) if area.width >= 300 else (25.0, 5.0)


def command_buttons(session: Session, line: CommandLine, area: Rect, scroll: float) -> list[Button]:
    """Returns buttons of the visible commands that fit the typed text."""
    indices = {choice.name: index for index, choice in enumerate(session.choices)}
    commands = session.commands
    wanted = line.command(commands) if line.text or line.chosen else None
    columns, (height, gap) = columns_in(area), _rows_in(area)
    buttons = []
    for place, name in enumerate(line.matches(commands)):
        row, column = divmod(place, columns)
        rect = Rect(area.x, area.y + row * (height + gap) - scroll, area.width - 14, height)
        if rect.bottom > area.y and rect.y < area.bottom:
            button = Button(
                f"move {indices[name]}",
                rect.columns(columns, gap)[column],
                name,
                "ivory" if name == wanted else "baize",
                marked=session.hint is not None and session.hint.name == name,
                listed=True,
            )
            buttons.append(button)
    return buttons


def list_height(count: int, area: Rect) -> float:
    """Returns the height of a list of commands."""
    height, gap = _rows_in(area)
    return -(-count // columns_in(area)) * (height + gap) + 2 * gap


def scroll_to(index: int, area: Rect, scroll: float) -> float:
    """Returns the closest scroll position at which a command is fully visible."""
    pitch = sum(_rows_in(area))
    top = index // columns_in(area) * pitch
    return max(min(scroll, top), top + pitch - area.height)


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
