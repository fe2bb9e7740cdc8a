"""Searches against breadth-first search by the rules, and deals that are known to be solvable."""

import itertools
from collections import deque

import numpy as np
import pytest

from gym_cards.freecell import solver
from gym_cards.freecell.deals import DEALS, UNSOLVED, check_solvable, draw, is_solvable
from gym_cards.freecell.rules import Board, Size, deal, moves_of
from gym_cards.freecell.solver import (
    MAX_POSITIONS,
    MAX_SHORTEST,
    move_of,
    position_of,
    solve,
    solve_shortest,
)

TINY, SMALL, STANDARD = Size(2, 4, 3, 1), Size(4, 6, 6, 2), Size(4, 13, 8, 4)
# A tight one: one in five of its deals has no solution, 12 and 13 among them.
TIGHT = Size(2, 5, 3, 1)


def start(number, size):
    return Board(deal(number, size), [0] * size.cells, size)


def fewest_by_breadth(board, size):
    """The fewest moves to the solution, by the rules alone; `None` if there is none."""
    seen = {key(board)}
    queue = deque([(board, 0)])
    while queue:
        here, made = queue.popleft()
        if here.solved:
            return made
        for move, allowed in zip(moves_of(size), here.mask(), strict=True):
            if allowed:
                after = Board(here.columns, here.cells, size)
                after.play(move)
                if key(after) not in seen:
                    seen.add(key(after))
                    queue.append((after, made + 1))
    return None


def key(board):
    return tuple(sorted(map(tuple, board.columns))), tuple(sorted(board.cells))


def assert_solves(steps, board):
    for step in steps:
        move = move_of(step, board)
        assert board.allows(move)
        board.play(move)
    assert board.solved


@pytest.mark.parametrize(
    ("size", "numbers"),
    [(TINY, (1, 2, 3, 94)), (TIGHT, (1, 4, 6, 12, 13, 18, 23)), (Size(3, 3, 3, 1), (1, 2))],
    ids=str,
)
def test_searches_agree_with_breadth_first_search(size, numbers):
    lost = 0
    for number in numbers:
        board = start(number, size)
        fewest = fewest_by_breadth(board, size)
        quick, shortest = (search(position_of(board), size) for search in (solve, solve_shortest))
        assert quick.complete
        assert shortest.complete
        if fewest is None:
            assert quick.steps is shortest.steps is None
            lost += 1
        else:
            assert len(shortest.steps) == fewest <= len(quick.steps)
            assert_solves(shortest.steps, start(number, size))
            assert_solves(quick.steps, start(number, size))
    assert lost == sum(number in (12, 13, 94) for number in numbers)


def test_positions_in_the_middle_of_a_game_too():
    rng = np.random.default_rng(0)
    size = TIGHT
    tried = 0
    for number in range(1, 30):
        board = start(number, size)
        for _ in range(8):
            allowed = np.flatnonzero(list(board.mask()))
            if board.solved or not allowed.size:
                break
            board.play(moves_of(size)[rng.choice(allowed)])
        if not board.solved and number % 3 == 0:
            solution = solve_shortest(position_of(board), size)
            fewest = fewest_by_breadth(board, size)
            assert (None if solution.steps is None else len(solution.steps)) == fewest
            tried += 1
    assert tried > 5


def test_a_run_moves_through_cells_and_empty_columns():
    """A run of eight, one cell and two empty columns: (1 + 1) * 2 ** 2 cards."""
    run = bytes(4 * rank + rank % 2 for rank in range(12, 4, -1))
    steps = solver._spread(run, 53, free=1, empties=2)
    columns = [list(run), [53], [], []]
    cells = []
    for card, onto in steps:
        source = next(place for place in (cells, *columns) if card in place[-2:])
        assert source is cells or source[-1] == card
        source.remove(card)
        if onto == solver.CELL:
            cells.append(card)
        else:
            target = next(c for c in columns if (c[-1] if c else 0) == onto)
            target.append(card)
        assert len(cells) <= 1
    assert columns == [[], [53, *run], [], []]


@pytest.mark.parametrize(("size", "count"), [(TINY, 30), (SMALL, 12), (STANDARD, 4)], ids=str)
def test_deals_are_solved_within_the_limits(size, count):
    numbers = (n for n in itertools.count(1) if n not in UNSOLVED[size])
    for number in itertools.islice(numbers, count):
        solution = solve(position_of(start(number, size)), size)
        assert solution.positions <= MAX_POSITIONS
        assert len(solution.steps) <= size.max_moves
        assert_solves(solution.steps, start(number, size))


def test_searches_give_up(monkeypatch):
    """A deal that none of the quick searches solves."""
    number = min(UNSOLVED[STANDARD])
    position = position_of(start(number, STANDARD))
    few = solve_shortest(position, STANDARD, limit=50)
    assert (few.steps, few.complete, few.positions) == (None, False, 50)
    monkeypatch.setattr(solver, "_MAX_EACH", 20)
    solution = solve(position, STANDARD)
    assert (solution.steps, solution.complete, solution.positions) == (None, False, 120)


@pytest.mark.slow
@pytest.mark.parametrize("size", UNSOLVED, ids=str)
def test_the_list_of_unsolved_deals(size):
    for number in range(2_000, 2_200):
        solution = solve(position_of(start(number, size)), size)
        solved = solution.steps is not None and len(solution.steps) <= size.max_moves
        assert solved == (number not in UNSOLVED[size])


def test_deals_without_a_known_solution_are_not_drawn():
    rng = np.random.default_rng(0)
    drawn = {draw(rng, TINY) for _ in range(3_000)}
    assert not drawn & UNSOLVED[TINY]
    assert all(1 <= number <= DEALS for number in UNSOLVED[STANDARD] | drawn)
    assert len(drawn) > 2_000
    # Other sizes are tried.
    found = {number for number in range(1, 40) if is_solvable(number, TIGHT)}
    expected = {
        number
        for number in range(1, 40)
        if solve_shortest(position_of(start(number, TIGHT)), TIGHT).steps
    }
    assert found == expected
    assert 0 < len(found) < 39
    assert all(is_solvable(draw(rng, TIGHT), TIGHT) for _ in range(20))


def test_sizes_that_cannot_be_solved_are_an_error():
    check_solvable(STANDARD)
    with pytest.raises(ValueError, match="num_columns=3, num_cells=1: expected a size whose deals"):
        check_solvable(Size(4, 6, 3, 1))


def test_the_bounds_of_searches_are_what_is_documented():
    assert MAX_POSITIONS == 3_000
    assert MAX_SHORTEST == 10_000
