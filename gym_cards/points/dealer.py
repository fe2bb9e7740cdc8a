"""Deals of the points games: which hands there are, by solvability and split."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, islice, product
from typing import Literal

import numpy as np

from gym_cards.cards import RANKS, SUITS, Card, deal
from gym_cards.points.rules import EZPOINTS, GameRules, value
from gym_cards.points.solver import is_solvable
from gym_cards.points.splits import Split, split_of

Hands = Literal["any", "solvable", "unsolvable"]


@dataclass(frozen=True)
class Dealer:
    """Dealer of the hands of one kind.

    Attributes:
        game: EZPoints or Points24.
        num_cards: The number of cards in a hand, 2 to 6.
        target: The value that solvable hands can reach by the exact rules.
        faces_as_10: Whether J, Q and K stand for 10, else for 11, 12 and 13.
        hands: Whether hands are solvable, unsolvable, or any.
        split: The part of the hands, as `gym_cards.points.splits` divides them; `None` for all.

    Raises:
        ValueError: If there are no such hands, or hardly any.
    """

    game: GameRules
    num_cards: int
    target: int
    faces_as_10: bool
    hands: Hands
    split: Split | None

    def __post_init__(self) -> None:
        """Checks that there is something to deal."""
        if self.hands == "any" and self.split is None:
            return
        candidates: Iterator[tuple[Card, ...]]
        if self.num_cards <= 4:
            ranks = combinations_with_replacement(RANKS, self.num_cards)
            candidates = (tuple(Card("C", rank) for rank in hand) for hand in ranks)
        else:
            # Too many to try each, so hands are sampled, with a generator of their own: enough to
            # find what is not too rare to be dealt. With brackets six cards take longest.
            tries = 20 if self.num_cards == 6 and self.game.parentheses else 200
            candidates = islice(self._of_split(np.random.default_rng(0)), tries)
        if not any(map(self.deals, candidates)):
            raise ValueError(
                f"target_points={self.target}, hands={self.hands!r}, split={self.split!r}: "
                f"expected arguments for which there are hands of {self.num_cards} cards to deal, "
                "and there are none, or too few; choose another target, such as 24, or other hands"
            )

    def _of_split(self, np_random: np.random.Generator) -> Iterator[tuple[Card, ...]]:
        while True:
            cards = deal(np_random, self.num_cards)
            if self.split is None or split_of(cards) == self.split:
                yield cards

    def deal(self, np_random: np.random.Generator) -> tuple[Card, ...]:
        """Draws hands until one is of this kind."""
        if self._deals_twelve:
            deals = deals_of_twelve()
            while True:
                pair = deals[np_random.integers(len(deals))]
                if self.split is None or split_of(pair) == self.split:
                    return pair
        return next(filter(self.deals, self._of_split(np_random)))

    @functools.cached_property
    def _deals_twelve(self) -> bool:
        kind = (self.game, self.target, self.num_cards, self.hands, self.faces_as_10)
        return kind == (EZPOINTS, 12, 2, "solvable", True)

    def deals(self, cards: Sequence[Card]) -> bool:
        """Returns whether a hand is of this kind."""
        if self.split is not None and split_of(cards) != self.split:
            return False
        return self.hands == "any" or self.is_solvable(cards) == (self.hands == "solvable")

    def is_solvable(self, cards: Sequence[Card]) -> bool:
        """Returns whether a hand has a solution by the exact rules."""
        numbers = [value(card, faces_as_10=self.faces_as_10) for card in cards]
        return is_solvable(numbers, self.target, self.game.signs, parentheses=self.game.parentheses)


@functools.cache
def deals_of_twelve() -> tuple[tuple[Card, Card], ...]:
    """Returns the equally likely pairs that make 12 by + or *, as the published EZPoints deals.

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
