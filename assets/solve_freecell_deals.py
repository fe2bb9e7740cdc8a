"""Lists the numbered FreeCell deals that the solver does not solve.

Run `python assets/solve_freecell_deals.py 4 13 8 4` for four suits of thirteen ranks, eight columns
and four cells, and copy the numbers into gym_cards/freecell/deals.py. The standard game takes about
some minutes.
"""

from __future__ import annotations

import argparse
import statistics

from gym_cards.freecell.deals import DEALS
from gym_cards.freecell.rules import Board, Size, deal
from gym_cards.freecell.solver import position_of, solve


def main() -> None:
    """Tries the deals one by one."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("size", type=int, nargs=4, help="suits, ranks, columns, cells")
    parser.add_argument("--first", type=int, default=1, help="first number (default 1)")
    parser.add_argument("--last", type=int, default=DEALS, help=f"last number (default {DEALS})")
    arguments = parser.parse_args()
    size = Size(*arguments.size)
    unsolved, lost, lengths, positions = [], [], [], []
    for number in range(arguments.first, arguments.last + 1):
        board = Board(deal(number, size), [0] * size.cells, size)
        solution = solve(position_of(board), size)
        positions.append(solution.positions)
        if solution.steps is not None and len(solution.steps) <= size.max_moves:
            lengths.append(len(solution.steps))
        else:
            unsolved.append(number)
            if solution.steps is None and solution.complete:
                lost.append(number)
        if number % 500 == 0:
            print(f"{number}: {len(unsolved)} unsolved", flush=True)
    print(f"unsolved: {unsolved}\nof these without any solution: {lost}")
    for name, numbers in (("moves", lengths), ("positions", positions)):
        print(f"{name}: median {statistics.median(numbers):g}, most {max(numbers)}")


if __name__ == "__main__":
    main()
