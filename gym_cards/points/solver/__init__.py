"""Exact solvers of the points games, by the exact and by the published rules."""

from gym_cards.points.solver.exact import canonical_plan, complete, is_solvable, solvable_share
from gym_cards.points.solver.hands import unused_numbers
from gym_cards.points.solver.published import fewest_tokens, winnable_share

__all__ = [
    "canonical_plan",
    "complete",
    "fewest_tokens",
    "is_solvable",
    "solvable_share",
    "unused_numbers",
    "winnable_share",
]
