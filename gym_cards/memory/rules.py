"""Rules of Memory: which cards are a pair, the deal, and how a player remembers cards."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Literal

import numpy as np

from gym_cards.cards import DECK, RANKS, SUITS, Card

Match = Literal["rank", "card"]
Face = int | Card

_SUIT_NAMES = {"C": "clubs", "D": "diamonds", "H": "hearts", "S": "spades"}
_TWO_SUITS = tuple(permutations(SUITS, 2))


def most_pairs(match: Match) -> int:
    """Returns how many pairs the cards of one deal can make."""
    return len(RANKS) if match == "rank" else len(DECK)


def face_of(card: Card, match: Match) -> Face:
    """Returns what both cards of a pair have in common, and no others."""
    return card.rank if match == "rank" else card


def name_of(card: Card, match: Match) -> str:
    """Returns the part of a card's name that pairs depend on: "Q" or "Q of hearts"."""
    return card.label if match == "rank" else f"{card.label} of {_SUIT_NAMES[card.suit]}"


def deal(np_random: np.random.Generator, pairs: int, match: Match) -> tuple[Card, ...]:
    """Draws the pairs, each equally likely, and their places.

    With "rank" every pair has another rank, and its cards have different suits; with "card" it is
    the same card twice.
    """
    order = np_random.permutation(2 * pairs).tolist()
    drawn: list[Card] = []
    if match == "rank":
        # One draw for all suits: each call of the generator costs as much as the rest of the deal.
        suits = int(np_random.integers(len(_TWO_SUITS) ** pairs))
        for index in np_random.permutation(len(RANKS))[:pairs].tolist():
            suits, two = divmod(suits, len(_TWO_SUITS))
            drawn += [Card(suit, RANKS[index]) for suit in _TWO_SUITS[two]]
    else:
        for index in np_random.permutation(len(DECK))[:pairs].tolist():
            drawn += [DECK[index]] * 2
    return tuple(drawn[index] for index in order)


def known_pairs(seen: Mapping[int, Face]) -> list[tuple[int, int]]:
    """Returns the pairs among remembered cards, as the places of both, in ascending order.

    Args:
        seen: The faces of the cards that were seen and are not found yet, by their places.
    """
    places: dict[Face, int] = {}
    pairs = []
    for place in sorted(seen):
        other = places.setdefault(seen[place], place)
        if other != place:
            pairs.append((other, place))
    return sorted(pairs)


def partner(seen: Mapping[int, Face], place: int) -> int | None:
    """Returns the place of the other card of a pair, if both were seen."""
    face = seen[place]
    return next((other for other in seen if other != place and seen[other] == face), None)
