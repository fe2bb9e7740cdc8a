"""Numbered deals, and which of them are known to have a solution."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from gym_cards.freecell.rules import Board, Size, deal
from gym_cards.freecell.solver import position_of, solve

DEALS = 10_000
"""The number of deals among which one is drawn, numbered from 1."""

# Enough to find what is not too rare to be dealt.
_SAMPLE = 8

UNSOLVED: Mapping[Size, frozenset[int]] = {
    Size(2, 4, 3, 1): frozenset(
        (
            94,
            417,
            899,
            967,
            983,
            2225,
            2311,
            2529,
            2948,
            3504,
            3523,
            3661,
            3798,
            4746,
            4801,
            4861,
            5160,
            5199,
            5633,
            6037,
            6733,
            6784,
            7236,
            8073,
            8487,
            9202,
            9300,
            9424,
            9468,
            10172,
            10297,
            10395,
            10579,
            10770,
            11211,
            11423,
            11684,
            11832,
            12205,
            12355,
            12421,
            12687,
            12835,
            12921,
            13858,
            13940,
            14065,
            14347,
            14420,
            14822,
            15361,
            15420,
            15518,
            15880,
            15959,
            16407,
            16522,
            16755,
            16893,
            17110,
            17426,
            17558,
            17605,
            17903,
            18144,
            18347,
            18465,
            18820,
            18972,
            19026,
            19054,
            19359,
            19701,
            20322,
            20498,
            20530,
            20557,
            20574,
            20596,
            20846,
            21767,
            22109,
            22274,
            23083,
            23793,
            23977,
            24325,
            24725,
            24914,
            25961,
            26244,
            26412,
            26760,
            27174,
            28259,
            28874,
            29096,
            30459,
            30726,
            31397,
            31440,
        )
    ),
    Size(4, 6, 6, 2): frozenset(),
    Size(4, 13, 8, 4): frozenset((11982,)),
}
"""The deals that the solver does not solve, for sizes of which `assets/solve_freecell_deals.py` has
tried all. The 101 of the smallest size have no solution; those of the largest one may have."""


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
