"""Exact action values of FreeCell, by shortest solutions."""

from __future__ import annotations

import functools

from gym_cards.core.action_values import ActionValues, IntractableError, check_gamma
from gym_cards.freecell.rules import Board, Size, moves_of
from gym_cards.freecell.solver import MAX_SHORTEST, Position, position_of, solve_shortest

SOLVED, REFUSED = 10.0, -0.02
"""The rewards for the last card on its foundation, and for a move that the rules refuse."""


def exact(
    board: Board, size: Size, *, moves_left: int, refused: int = 0, gamma: float = 1.0
) -> ActionValues:
    """Returns the action values of a position.

    Optimal play is a shortest solution. Where there is none within the moves that are left, it is
    any moves that the rules allow, which are worth 0.

    Args:
        board: The position, not solved, in which the rules allow some move.
        size: The size of the game.
        moves_left: The number of moves before the episode is truncated, at least 1.
        refused: The number of moves of the episode that were refused.
        gamma: The discount, 0 to 1.

    Raises:
        IntractableError: If a search for a shortest solution expands more than
            `gym_cards.freecell.solver.MAX_SHORTEST` positions.
        ValueError: If an argument is out of range.
    """
    gamma = check_gamma(gamma)
    if moves_left < 1 or board.solved:
        raise ValueError(f"moves_left={moves_left}: the episode is over; expected one that runs")
    here = position_of(board)
    moves = moves_of(size)

    def later(position: Position, left: int) -> float:
        """Returns the value of a position, from the move after this one on."""
        needed = fewest_moves(position, size, left)
        return 0.0 if needed is None else gamma * SOLVED * gamma ** (needed - 1)

    def value(allowed: int, index: int) -> float:
        if not allowed:
            return REFUSED + later(here, moves_left - 1)
        after = Board(board.columns, board.cells, size)
        after.play(moves[index])
        return SOLVED if after.solved else later(position_of(after), moves_left - 1)

    values = tuple(value(allowed, index) for index, allowed in enumerate(board.mask()))
    possible = fewest_moves(here, size, moves_left) is not None
    return ActionValues(values, float(possible and SOLVED + refused * REFUSED > 0))


def fewest_moves(position: Position, size: Size, most: int) -> int | None:
    """Returns the fewest moves of a solution, or `None` if there is none of at most `most`.

    Raises:
        IntractableError: If the search for it is too long.
    """
    if not position[1] and not any(position[0]):
        return 0 if most >= 0 else None
    fewest = _searched(position, size)
    return fewest if fewest is not None and fewest <= most else None


@functools.lru_cache(maxsize=1 << 14)
def _searched(position: Position, size: Size) -> int | None:
    solution = solve_shortest(position, size, MAX_SHORTEST)
    if not solution.complete:
        raise IntractableError(
            f"no shortest solution was found among {MAX_SHORTEST:,} positions: expected a smaller "
            "game, or a position closer to the end; `expert` plans without it"
        )
    return None if solution.steps is None else len(solution.steps)
