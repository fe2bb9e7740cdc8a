"""The rules of EZPoints and Points24: what cards count, what is left, what is correct."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import product
from typing import Literal

from gym_cards.cards import SUITS, Card
from gym_cards.points.formula import evaluate_exact, evaluate_published

Rules = Literal["published", "exact"]
Token = int | str

REFUSED = " "
"""What the rules append to a formula in place of a number that they refuse."""


def value(card: Card, *, faces_as_10: bool) -> int:
    """The number that a card stands for."""
    return min(card.rank, 10) if faces_as_10 else card.rank


def numbers_left(numbers: Sequence[int], formula: Sequence[Token]) -> list[int]:
    """The cards' numbers that the formula has not used."""
    left = list(numbers)
    for token in formula:
        if isinstance(token, int):
            left.remove(token)
    return left


def is_correct(formula: Sequence[Token], numbers: Sequence[int], target: int, rules: Rules) -> bool:
    """Whether the formula uses every number and equals the target."""
    if rules == "exact":
        return evaluate_exact(formula, numbers) == target
    return not numbers_left(numbers, formula) and evaluate_published(formula) == target


@functools.cache
def deals_of_twelve() -> tuple[tuple[Card, Card], ...]:
    """Two cards that make 12 by + or *, as the published EZPoints deals them: all equally likely.

    The first card's rank is one of 2 to K. Where its value is 2, 3, 4 or 6, the second one's is 12
    divided by it in one of two cases; otherwise it is 12 minus it. Any suits; either order.
    """
    deals = []
    for rank, by_product, swapped in product(range(2, 14), (False, True), (False, True)):
        number = min(rank, 10)
        # The partner is dealt by its number, so that a partner worth 10 is never a J, Q or K.
        partner = 12 // number if by_product and number in (2, 3, 4, 6) else 12 - number
        for one, two in product(SUITS, SUITS):
            pair = (Card(one, rank), Card(two, partner))
            deals.append(pair[::-1] if swapped else pair)
    return tuple(deals)
