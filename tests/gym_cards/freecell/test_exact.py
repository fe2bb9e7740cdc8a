"""Exact values of FreeCell against trying every continuation."""

from functools import cache

import pytest

import gym_cards.freecell.exact as exact_module
from gym_cards.core import IntractableError
from gym_cards.freecell.exact import exact, fewest_moves
from gym_cards.freecell.rules import Board, Size, deal, moves_of
from gym_cards.freecell.solver import move_of, position_of, solve_shortest

SIZE = Size(2, 3, 3, 1)
TIGHT = Size(2, 5, 3, 1)


def values_by_trying(board, size, left, gamma):
    """The value of every action, and the highest return, by the rules alone."""

    @cache
    def values(columns, cells, left):
        here = Board(columns, cells, size)
        worth, returns = [], []
        for move, allowed in zip(moves_of(size), here.mask(), strict=True):
            after = Board(columns, cells, size)
            reward = -0.02
            if allowed:
                after.play(move)
                reward = 10.0 if after.solved else 0.0
            over = after.solved or left == 1 or not any(after.mask())
            later, most = (0.0, 0.0) if over else best(after, left - 1)
            worth.append(reward + gamma * later)
            returns.append(reward + most)
        return worth, max(returns)

    def best(board, left):
        # The order of columns and cells does not matter for the best value.
        columns = tuple(sorted(map(tuple, board.columns)))
        worth, most = values(columns, tuple(sorted(board.cells)), left)
        return max(worth), most

    return values(tuple(map(tuple, board.columns)), tuple(board.cells), left)


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
@pytest.mark.parametrize("number", [1, 2])
def test_values_by_trying_everything(number, gamma):
    board = Board(deal(number, SIZE), [0] * SIZE.cells, SIZE)
    for step in solve_shortest(position_of(board), SIZE).steps[:3]:
        board.play(move_of(step, board))
    fewest = fewest_moves(position_of(board), SIZE, SIZE.max_moves)
    for left in (1, fewest - 1, fewest, fewest + 1):
        known = exact(board, SIZE, moves_left=left, gamma=gamma)
        worth, most = values_by_trying(board, SIZE, left, gamma)
        assert known.action_values == pytest.approx(worth, abs=1e-12)
        assert known.success_probability == float(most > 0) == float(left >= fewest)


@pytest.mark.parametrize("number", [12, 13])
def test_a_lost_position_is_worth_nothing(number):
    board = Board(deal(number, TIGHT), [0] * TIGHT.cells, TIGHT)
    known = exact(board, TIGHT, moves_left=50, gamma=0.9)
    assert known.success_probability == 0
    assert known.action_values == tuple(0.0 if bit else -0.02 for bit in board.mask())


def test_what_cannot_be_searched_is_an_error(monkeypatch):
    monkeypatch.setattr(exact_module, "MAX_SHORTEST", 200)
    size = Size(4, 13, 8, 4)
    board = Board(deal(1, size), [0] * size.cells, size)
    with pytest.raises(
        IntractableError, match="no shortest solution was found among 200 positions"
    ):
        exact(board, size, moves_left=260)


@pytest.mark.parametrize("left", [0, -3])
def test_an_episode_that_is_over(left):
    board = Board(deal(1, SIZE), [0] * SIZE.cells, SIZE)
    with pytest.raises(ValueError, match="the episode is over"):
        exact(board, SIZE, moves_left=left)
