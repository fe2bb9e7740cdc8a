"""Exact action values of SET, by trying all picks."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from gym_cards.core.action_values import ActionValues, check_gamma

FOUND, WRONG, REFUSED = 10.0, -1.0, -1.0


def exact(
    sets: Sequence[tuple[int, int, int]],
    picked: Sequence[int],
    *,
    places: int,
    steps_left: int,
    gamma: float = 1.0,
) -> ActionValues:
    """Returns what picking each card is worth.

    Args:
        sets: The places of all sets.
        picked: The places of the cards picked so far, at most two.
        places: The number of cards.
        steps_left: The number of steps before the episode is truncated, at least 1.
        gamma: The discount, 0 to 1.

    Returns:
        A value for each place. The success probability is 1 if a set can still be picked, else 0:
        the reward for a set is larger than the cost of all picks that can be refused.
    """
    gamma = check_gamma(gamma)
    wanted = [frozenset(each) for each in sets]

    def step(before: frozenset[int], place: int, left: int) -> float:
        if place in before:
            return REFUSED + gamma * value(before, left - 1)
        after = before | {place}
        if len(after) == 3:
            return FOUND if after in wanted else WRONG
        return gamma * value(after, left - 1)

    @functools.cache
    def value(before: frozenset[int], left: int) -> float:
        if left == 0:
            return 0.0
        # All cards that lead to no set are worth the same.
        useful = set().union(*(each for each in wanted if before < each), before)
        others = [place for place in range(places) if place not in useful][:1]
        return max(step(before, place, left) for place in [*useful, *others])

    start = frozenset(picked)
    can_win = any(start < each for each in wanted) and 3 - len(start) <= steps_left
    return ActionValues(
        tuple(step(start, place, steps_left) for place in range(places)), float(can_win)
    )
