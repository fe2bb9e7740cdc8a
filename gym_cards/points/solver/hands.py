"""Hands of numbers: what is left of them, their parts, and how often they are dealt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from math import factorial

Cards = tuple[int, ...]
"""The numbers of some cards, in ascending order."""


def unused_numbers(formula: Sequence[str | int], numbers: Sequence[int]) -> list[int]:
    """Returns the cards' numbers that the formula has not used, in the cards' order.

    Raises:
        ValueError: If the formula uses a number that no card has left.
    """
    unused = list(numbers)
    for token in formula:
        text = str(token)
        if text.isdecimal():
            if int(text) not in unused:
                raise ValueError(
                    f"the formula {list(formula)} uses {text} more often than the cards "
                    f"{list(numbers)} have it; expected a blank, ' ', for a refused number"
                )
            unused.remove(int(text))
    return unused


@lru_cache(maxsize=4096)
def splits(cards: Cards) -> tuple[tuple[Cards, Cards], ...]:
    """Returns all ways to take one or more of the cards: what is taken, and what is left."""
    splits = set()
    for count in range(1, len(cards) + 1):
        for taken in combinations(range(len(cards)), count):
            left = (card for i, card in enumerate(cards) if i not in taken)
            splits.add((tuple(cards[i] for i in taken), tuple(left)))
    return tuple(sorted(splits))


@lru_cache(maxsize=4096)
def parts(cards: Cards) -> tuple[Cards, ...]:
    """Returns all different choices of two or more of the cards, those of fewer cards first."""
    chosen = {taken for taken, _ in splits(cards) if len(taken) > 1}
    return tuple(sorted(chosen, key=lambda taken: (len(taken), taken)))


def share_of_deals(
    is_favourable: Callable[[Cards], bool], n_cards: int, faces_as_10: bool
) -> Fraction:
    """Returns the exact share of deals that are favourable, ranks uniform in 1 to 13.

    Args:
        is_favourable: Called once for each hand, with its numbers in ascending order.
        n_cards: The number of cards dealt.
        faces_as_10: Whether jack, queen and king count 10 instead of 11, 12 and 13.
    """
    weights = dict.fromkeys(range(1, 11), 1)
    if faces_as_10:
        weights[10] += 3
    else:
        weights |= dict.fromkeys(range(11, 14), 1)
    favourable = 0
    for cards in combinations_with_replacement(weights, n_cards):
        if is_favourable(cards):
            deals = factorial(n_cards)
            for value in set(cards):
                count = cards.count(value)
                deals = deals * weights[value] ** count // factorial(count)
            favourable += deals
    return Fraction(favourable, 13**n_cards)
