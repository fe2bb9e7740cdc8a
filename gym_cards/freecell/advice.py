"""What the expert knows: a plan that is kept as long as it is followed, and reasons for moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gym_cards.freecell.rules import CARDS, NAMES, SUITS, Board, Move, Size
from gym_cards.freecell.solver import (
    CELL,
    HOME,
    Step,
    position_of,
    solve,
    solve_shortest,
)

SHORTEST_CARDS = 24
"""The most cards with which plans are shortest solutions, where these are found soon."""
MAX_PLANNING = 2_000
"""The most positions that the search for a shortest plan expands."""

_SUIT_NAMES = {"S": "spades", "H": "hearts", "C": "clubs", "D": "diamonds"}


class Plan(NamedTuple):
    """What a planner saves: its steps, how many are made, and what it has given up."""

    steps: tuple[Move, ...] | None
    made: int
    lost: bool
    given_up: int

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Plan:
        """Returns a plan that was saved as values for `json.dumps`.

        Raises:
            ValueError: If it is not one.
        """
        try:
            steps = saved["steps"]
            moves = None if steps is None else tuple((int(card), int(onto)) for card, onto in steps)
            return cls(moves, int(saved["made"]), bool(saved["lost"]), int(saved["given_up"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"the plan of the snapshot is damaged: {error!r}") from error


class Planner:
    """Planner of one episode, which searches only where it has to.

    Attributes:
        lost: Whether it is proven that no solution is left.

    Args:
        size: The size of the game.
    """

    def __init__(self, size: Size) -> None:
        self._size = size
        self.lost = False
        self._steps: Sequence[Step] | None = None
        self._made = 0
        # The number of cards that were home when a search found nothing.
        self._given_up = -1

    def follow(self, move: Move, board: Board) -> None:
        """Takes note of a move, before it is made on the board."""
        if self._steps is None:
            return
        source, target = move
        if target < len(board.columns):
            column = board.columns[target]
            onto = column[-1] if column else 0
        else:
            onto = CELL if target == len(board.columns) else HOME
        if self._steps[self._made : self._made + 1] == ((board.card_at(source), onto),):
            self._made += 1
        else:
            self._steps = None

    def plan(self, board: Board) -> Sequence[Step] | None:
        """Returns the steps to the solution; `None` if none is left or found.

        Where nothing is found it searches again only when a further card has gone home.
        """
        home = sum(board.home)
        if self._steps is None and not self.lost and home > self._given_up:
            self._made = 0
            self._search(board)
            if self._steps is None:
                self._given_up = home
        return None if self._steps is None else self._steps[self._made :]

    def saved(self) -> dict[str, Any]:
        """Returns what decides the plans to come, as values for `json.dumps`."""
        steps = None if self._steps is None else [list(step) for step in self._steps]
        return {"steps": steps, "made": self._made, "lost": self.lost, "given_up": self._given_up}

    def load(self, plan: Plan) -> None:
        """Takes over what another planner saved at the same position."""
        self._steps, self._made, self.lost, self._given_up = plan

    def _search(self, board: Board) -> None:
        position = position_of(board)
        if self._size.cards <= SHORTEST_CARDS:
            found = solve_shortest(position, self._size, MAX_PLANNING)
            if found.complete:
                self._steps, self.lost = found.steps, found.steps is None
                return
        found = solve(position, self._size)
        self._steps, self.lost = found.steps, found.complete and found.steps is None


def fallback(board: Board, moves: Sequence[Move]) -> int:
    """Returns the index of a move for a board without a plan: to the foundations, if possible."""
    number = len(board.columns)
    allowed = [index for index, move in enumerate(moves) if board.allows(move)]
    # Then onto a card, to a cell, and last to an empty column.
    rank = {number + 1: 0, number: 2} | {
        index: 1 if column else 3 for index, column in enumerate(board.columns)
    }
    return min(allowed, key=lambda index: rank[moves[index][1]], default=0)


def outlook(board: Board, steps: Sequence[Step] | None, *, lost: bool, left: int) -> str:
    """Returns what there is to say of the way to the solution, before the reason for a move."""
    if lost:
        return "no way is left to bring all cards home; "
    if steps is None:
        return "I see no way to bring all cards home; "
    if len(steps) > left:
        return f"my way home takes {len(steps)} moves, and {left} are left; "
    following = next((card for card, onto in steps if onto == HOME), 0)
    if not following or steps[0][1] == HOME:
        return ""
    if following in board.cells:
        where = f"waits in cell {board.cells.index(following) + 1}"
    else:
        index, column = next(
            (index, column) for index, column in enumerate(board.columns) if following in column
        )
        above = len(column) - 1 - column.index(following)
        cards = "1 card" if above == 1 else f"{above} cards"
        where = f"lies {f'under {cards}' if above else 'open'} in column {index + 1}"
    return f"next home is {NAMES[following]}, which {where}; "


def reason(board: Board, move: Move, name: str) -> str:
    """Returns what speaks for a move, or what the player overlooks in choosing it."""
    source, target = move
    card = board.card_at(source)
    text = NAMES[card]
    number = len(board.columns)
    from_column = source < number
    if not card:
        place = f"column {source + 1}" if from_column else f"cell {source - number + 1}"
        return f"{place} is empty, yet I choose {name}"
    if target == number + 1:
        suit = _SUIT_NAMES[CARDS[card].suit]
        if board.goes_home(card):
            return f"{text} is next on the foundation of {suit}, so I choose {name}"
        wanted = NAMES[(board.home[card & 3] + 1) * 4 + (card & 3)]
        return f"the foundation of {suit} needs {wanted} before {text}, yet I choose {name}"
    if target == number:
        if board.allows(move):
            return f"{text} can wait in a free cell, so I choose {name}"
        return f"no cell is free for {text}, yet I choose {name}"
    column = board.columns[target]
    if not column:
        return f"column {target + 1} is empty and takes {text}, so I choose {name}"
    if board.allows(move):
        return f"{text} goes on {NAMES[column[-1]]}, so I choose {name}"
    return f"{text} does not go on {NAMES[column[-1]]}, yet I choose {name}"


def suits_text(count: int) -> str:
    """Returns the suits of a game in words."""
    names = [_SUIT_NAMES[suit] for suit in SUITS[:count]]
    return ", ".join(names[:-1]) + f" and {names[-1]}"
