"""Solver: a quick search for some solution, and a search for the shortest one.

Both work on positions in which neither the order of the columns nor that of the cells matters, and
return plans in terms of cards. Cards go to the foundations at once where that cannot do harm: where
all cards that could be put on them are there already.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gym_cards.freecell.rules import FITS, Board, Move, Size

HOME, CELL, EMPTY = -1, -2, 0
Step = tuple[int, int]
"""A card, and where it goes: `HOME`, `CELL`, `EMPTY` for an empty column, or onto another card."""

Position = tuple[tuple[bytes, ...], bytes, tuple[int, ...]]
"""The columns and the cells, both sorted, and the ranks on the foundations."""
_Key = tuple[tuple[bytes, ...], bytes]

# The weights of a position's features, of which the lowest sum is looked at first: cards that are
# not home, cards on top of those that go home next, cards above lower ones, neighbours that do not
# fit, and free places. Where one search finds nothing soon, another one often does.
_WEIGHTS = (
    (5, 1, 1, 3, 4),
    (4, 2, 0, 4, 4),
    (6, 1, 4, 2, 8),
    (10, 3, 2, 6, 2),
    (5, 1, 2, 3, 5),
    (4, 2, 2, 2, 4),
)
_MAX_EACH = 500
MAX_POSITIONS = _MAX_EACH * len(_WEIGHTS)
"""The most positions that the quick search expands."""
MAX_SHORTEST = 10_000
"""The most positions that the search for a shortest solution expands."""


class Solution(NamedTuple):
    """Result of a search.

    Attributes:
        steps: The steps of a solution; `None` if none was found.
        complete: Whether the search came to an end: without steps there is no solution then.
        positions: The number of positions that were expanded.
    """

    steps: tuple[Step, ...] | None
    complete: bool
    positions: int


def position_of(board: Board) -> Position:
    """Returns the position of a board."""
    columns = tuple(sorted(bytes(column) for column in board.columns))
    return columns, bytes(sorted(filter(None, board.cells))), tuple(board.home)


def move_of(step: Step, board: Board) -> Move:
    """Returns the move that makes a step on a board."""
    card, onto = step
    tops = [column[-1] if column else 0 for column in board.columns]
    number = len(tops)
    source = tops.index(card) if card in tops else number + board.cells.index(card)
    if onto == HOME:
        return source, number + 1
    return source, number if onto == CELL else tops.index(onto)


def solve(position: Position, size: Size) -> Solution:
    """Searches for a solution of up to `size.max_moves` moves, not necessarily a short one.

    If longer ones alone are found, it returns one of these.

    Args:
        position: Where to begin.
        size: The size of the game.
    """
    expanded = 0
    longer: tuple[Step, ...] | None = None
    for weights in _WEIGHTS:
        steps, complete, positions = _best_first(position, size, weights)
        expanded += positions
        if steps is not None and len(steps) > size.max_moves:
            longer = steps
        elif steps is not None or complete:
            return Solution(steps, complete, expanded)
    return Solution(longer, longer is not None, expanded)


def solve_shortest(position: Position, size: Size, limit: int = MAX_SHORTEST) -> Solution:
    """Searches for a solution of the fewest moves, by A*.

    The bound counts every card that is not home, and once more if it lies above a lower card of its
    suit, because it has to go elsewhere before.

    Args:
        position: Where to begin.
        size: The size of the game.
        limit: The most positions that are expanded.
    """
    came_from: dict[_Key, tuple[_Key | None, Sequence[Step]]] = {position[:2]: (None, ())}
    costs = {position[:2]: 0}
    heap = [(_bound(position, size), 0, position)]
    closed: set[_Key] = set()
    expanded = 0
    while heap:
        _, _, here = heapq.heappop(heap)
        key = here[:2]
        if key in closed:
            continue
        closed.add(key)
        if not here[1] and not any(here[0]):
            return Solution(_steps_to(key, came_from), True, expanded)
        if expanded == limit:
            return Solution(None, False, expanded)
        expanded += 1
        cost = costs[key] + 1
        for after, step in _single_steps(here, size):
            new = after[:2]
            if costs.get(new, cost + 1) > cost:
                costs[new] = cost
                came_from[new] = key, (step,)
                # Of equal estimates the deepest first.
                heapq.heappush(heap, (cost + _bound(after, size), -cost, after))
    return Solution(None, True, expanded)


def _bound(position: Position, size: Size) -> int:
    return size.cards - sum(position[2]) + sum(_covering(column) for column in position[0])


@functools.lru_cache(maxsize=1 << 16)
def _covering(column: bytes) -> int:
    """Returns how many cards lie above a lower one of their suit."""
    lowest = [99] * 4
    count = 0
    for card in column:
        if card > lowest[card & 3]:
            count += 1
        else:
            lowest[card & 3] = card
    return count


@functools.lru_cache(maxsize=1 << 16)
def _order(column: bytes) -> tuple[int, int, int]:
    """Returns the length of the run at the end, and how much of a column is out of order."""
    above = breaks = 0
    run, lowest = min(1, len(column)), 99
    for place, card in enumerate(column):
        if card >> 2 > lowest:
            above += 1
        else:
            lowest = card >> 2
        if place:
            fits = column[place - 1] in FITS[card]
            run = run + 1 if fits else 1
            breaks += not fits
    return run, above, breaks


def _safe_card(position: Position, size: Size) -> int:
    """Returns a card that can go home without harm, or 0."""
    columns, cells, home = position
    for suit, rank in enumerate(home):
        if rank < size.ranks and all(other >= rank for other in home[1 - suit % 2 :: 2]):
            card = 4 * rank + 4 + suit
            if card in cells:
                return card
            one = bytes((card,))
            for column in columns:
                if column.endswith(one):
                    return card
    return 0


def _without(position: Position, card: int) -> tuple[list[bytes], bytes]:
    """Returns the columns and cells after a card was taken away."""
    columns, cells, _ = position
    one = bytes((card,))
    if card in cells:
        return list(columns), cells.replace(one, b"")
    return [column[:-1] if column.endswith(one) else column for column in columns], cells


def _sent_home(position: Position, card: int) -> Position:
    columns, cells = _without(position, card)
    home = list(position[2])
    home[card & 3] += 1
    return tuple(sorted(columns)), cells, tuple(home)


def _single_steps(position: Position, size: Size) -> Iterator[tuple[Position, Step]]:
    """Yields the positions after one move, or after a harmless one alone."""
    safe = _safe_card(position, size)
    if safe:
        yield _sent_home(position, safe), (safe, HOME)
        return
    columns, cells, home = position
    tops = {column[-1]: index for index, column in enumerate(columns) if column}
    empty = not columns[0]
    lone = {column[0] for column in columns if len(column) == 1}
    for card in (*tops, *cells):
        one = bytes((card,))
        rest, left = _without(position, card)
        if home[card & 3] == (card >> 2) - 1:
            yield _sent_home(position, card), (card, HOME)
        for onto in FITS[card]:
            index = tops.get(onto)
            if index is not None:
                after = rest.copy()
                after[index] += one
                yield (tuple(sorted(after)), left, home), (card, onto)
        if empty and card not in lone:
            # Sorted, empty columns come first.
            after = rest.copy()
            after[0] = one
            yield (tuple(sorted(after)), left, home), (card, EMPTY)
        if card in tops and len(cells) < size.cells:
            yield (tuple(sorted(rest)), bytes(sorted(cells + one)), home), (card, CELL)


def _best_first(position: Position, size: Size, weights: tuple[int, ...]) -> Solution:
    """Expands the most promising position first; runs of cards are moved as one."""
    away, blocking, disorder, misfits, places = weights

    def score(position: Position) -> int:
        columns, cells, home = position
        blocked = above = breaks = 0
        for suit, rank in enumerate(home):
            following = 4 * rank + 4 + suit
            if rank < size.ranks and following not in cells:
                for column in columns:
                    place = column.find(following)
                    if place >= 0:
                        blocked += len(column) - 1 - place
                        break
        for column in columns:
            _, more_above, more_breaks = _order(column)
            above += more_above
            breaks += more_breaks
        free = size.cells - len(cells) + columns.count(b"")
        return (
            away * (size.cards - sum(home))
            + blocking * blocked * (1 if free else 2)
            + disorder * above
            + misfits * breaks
            - places * free
        )

    def settled(position: Position, steps: list[Step]) -> Position:
        while safe := _safe_card(position, size):
            position = _sent_home(position, safe)
            steps.append((safe, HOME))
        return position

    first: list[Step] = []
    position = settled(position, first)
    came_from: dict[_Key, tuple[_Key | None, Sequence[Step]]] = {position[:2]: (None, first)}
    heap = [(score(position), 0, position)]
    expanded = 0
    while heap:
        _, _, here = heapq.heappop(heap)
        if not here[1] and not any(here[0]):
            return Solution(_steps_to(here[:2], came_from), True, expanded)
        if expanded == _MAX_EACH:
            return Solution(None, False, expanded)
        expanded += 1
        for after, made in _successors(here, size):
            steps = list(made)
            after = settled(after, steps)
            if after[:2] not in came_from:
                came_from[after[:2]] = here[:2], steps
                # Of equal scores the one that was found last.
                heapq.heappush(heap, (score(after), -len(came_from), after))
    return Solution(None, True, expanded)


def _successors(position: Position, size: Size) -> Iterator[tuple[Position, Sequence[Step]]]:
    """Yields the positions after one card, or a run of cards, was moved."""
    for after, step in _single_steps(position, size):
        yield after, (step,)
    columns, cells, _ = position
    free, empties = size.cells - len(cells), columns.count(b"")
    tops = {column[-1]: index for index, column in enumerate(columns) if column}
    for index, column in enumerate(columns):
        run = _order(column)[0]
        for length in range(2, min(run, (free + 1) << empties) + 1):
            for onto in FITS[column[-length]]:
                target = tops.get(onto)
                if target is not None:
                    yield (
                        _moved(position, index, target, length),
                        _spread(column[-length:], onto, free, empties),
                    )
        longest = min(run, (free + 1) << empties - 1) if empties else 0
        if 1 < longest < len(column):
            yield (
                _moved(position, index, 0, longest),
                _spread(column[-longest:], EMPTY, free, empties - 1),
            )


def _moved(position: Position, source: int, target: int, length: int) -> Position:
    columns = list(position[0])
    columns[target] += columns[source][-length:]
    columns[source] = columns[source][:-length]
    return tuple(sorted(columns)), *position[1:]


def _spread(run: bytes, onto: int, free: int, empties: int) -> list[Step]:
    """Returns the steps that move a run with the help of free cells and empty columns."""
    if len(run) <= free + 1:
        return [
            *((card, CELL) for card in run[:0:-1]),
            (run[0], onto),
            *zip(run[1:], run[:-1], strict=True),
        ]
    while (free + 1) << empties - 1 >= len(run):
        empties -= 1
    half = (free + 1) << empties - 1
    lower, upper = run[:-half], run[-half:]
    return [
        *_spread(upper, EMPTY, free, empties - 1),
        *_spread(lower, onto, free, empties - 1),
        *_spread(upper, lower[-1], free, empties - 1),
    ]


def _steps_to(
    key: _Key | None, came_from: dict[_Key, tuple[_Key | None, Sequence[Step]]]
) -> tuple[Step, ...]:
    """Returns all steps from the start to a position."""
    parts = []
    while key is not None:
        key, steps = came_from[key]
        parts.append(steps)
    return tuple(step for steps in reversed(parts) for step in steps)
