"""Numbered deals, and which of them are known to have a solution."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from gym_cards.freecell.rules import Board, Size, deal
from gym_cards.freecell.solver import position_of, solve

DEALS = 5_000
"""The number of deals among which one is drawn, numbered from 1."""

# Enough to find what is not too rare to be dealt.
_SAMPLE = 8

# fmt: off
UNSOLVED: Mapping[Size, frozenset[int]] = {
    Size(2, 4, 3, 1): frozenset((
        94, 417, 899, 967, 983, 2225, 2311, 2529, 2948, 3504, 3523, 3661, 3798, 4746, 4801, 4861,
    )),
    Size(4, 6, 6, 2): frozenset(),
    Size(4, 13, 8, 4): frozenset((
        21, 117, 178, 213, 253, 281, 285, 501, 607, 617, 622, 657, 661, 718, 736, 818, 829, 833,
        850, 865, 897, 934, 949, 972, 977, 978, 1103, 1136, 1165, 1256, 1263, 1280, 1309, 1331,
        1341, 1356, 1367, 1415, 1442, 1450, 1464, 1471, 1488, 1495, 1506, 1522, 1535, 1599, 1617,
        1635, 1647, 1679, 1698, 1749, 1767, 1805, 1829, 1856, 1868, 1885, 1956, 1996, 2019, 2033,
        2036, 2048, 2054, 2081, 2082, 2126, 2164, 2240, 2299, 2339, 2437, 2552, 2646, 2739, 2766,
        2788, 2793, 2801, 2837, 2861, 2880, 2931, 3015, 3039, 3072, 3118, 3121, 3127, 3152, 3199,
        3249, 3259, 3283, 3289, 3294, 3380, 3385, 3388, 3469, 3470, 3495, 3557, 3589, 3631, 3637,
        3674, 3675, 3681, 3685, 3740, 3753, 3756, 3765, 3835, 3893, 4003, 4007, 4023, 4034, 4037,
        4074, 4076, 4146, 4163, 4164, 4178, 4188, 4368, 4374, 4444, 4467, 4511, 4530, 4631, 4673,
        4700, 4714, 4794, 4813, 4827, 4863, 4868, 4888, 4912, 4941, 4946, 4950, 4951, 4978,
    )),
}
# fmt: on
"""The deals that the solver does not solve, for sizes of which `assets/solve_freecell_deals.py` has
tried all. Those of the smallest size have no solution; those of the largest one may have."""


@functools.lru_cache(maxsize=4096)
def is_solvable(number: int, size: Size) -> bool:
    """Returns whether the solver solves a deal, looked up or, for other sizes, tried now."""
    if size in UNSOLVED:
        return number not in UNSOLVED[size]
    board = Board(deal(number, size), [0] * size.cells, size)
    steps = solve(position_of(board), size).steps
    return steps is not None and len(steps) <= size.max_moves


def draw(np_random: np.random.Generator, size: Size) -> int:
    """Draws the number of a deal that the solver solves, each with the same probability."""
    while True:
        number = int(np_random.integers(1, DEALS + 1))
        if is_solvable(number, size):
            return number


@functools.cache
def check_solvable(size: Size) -> None:
    """Checks that deals of a size are solved often enough to be drawn.

    Raises:
        ValueError: If none of the first few is.
    """
    if not any(is_solvable(number, size) for number in range(1, _SAMPLE + 1)):
        raise ValueError(
            f"num_suits={size.suits}, num_ranks={size.ranks}, num_columns={size.columns}, "
            f"num_cells={size.cells}: expected a size whose deals can be solved, and of the first "
            f"{_SAMPLE} none was; add columns or cells, or take fewer cards"
        )
