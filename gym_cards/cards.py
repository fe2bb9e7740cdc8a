"""Playing cards: names, values and dealing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np

SUITS = ("C", "D", "H", "S")
RANKS = tuple(range(1, 14))
_LABELS = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K")
_CODES = ("A", "2", "3", "4", "5", "6", "7", "8", "9", "T", "J", "Q", "K")


class Card(NamedTuple):
    """Card of a suit, "C", "D", "H" or "S", and a rank, 1 (ace) to 13 (king)."""

    suit: str
    rank: int

    @classmethod
    def parse(cls, code: str) -> Card:
        """Returns the card of a two-letter code, such as "HA", "S9", "CT" or "DJ".

        Raises:
            ValueError: If the code is not a suit letter followed by a rank character.
        """
        if (
            not isinstance(code, str)
            or len(code) != 2
            or code[0] not in SUITS
            or code[1] not in _CODES
        ):
            raise ValueError(
                f"{code!r} is not a card: expected a suit letter out of {''.join(SUITS)} followed "
                f"by a rank out of {''.join(_CODES)}, such as 'HA' or 'CT'"
            )
        return cls(code[0], _CODES.index(code[1]) + 1)

    @property
    def code(self) -> str:
        """The two-letter code, the inverse of `parse`."""
        return self.suit + _CODES[self.rank - 1]

    @property
    def label(self) -> str:
        """The rank as printed on the card: "A", "2" to "10", "J", "Q" or "K"."""
        return _LABELS[self.rank - 1]


DECK = tuple(Card(suit, rank) for suit in SUITS for rank in RANKS)

Suits = Literal["any", "red", "black"]

# The suit that replaces each suit, so that the same seed deals the same ranks in any suits.
_DYED: dict[str, dict[str, str]] = {
    "red": {"C": "D", "D": "D", "H": "H", "S": "H"},
    "black": {"C": "C", "D": "C", "H": "S", "S": "S"},
}


def dyed(cards: Iterable[Card], suits: Suits) -> tuple[Card, ...]:
    """Returns cards with their suits replaced: with "red", clubs are diamonds, spades hearts.

    Raises:
        ValueError: If `suits` is not "any", "red" or "black".
    """
    if suits == "any":
        return tuple(cards)
    try:
        suit_of = _DYED[suits]
    except (KeyError, TypeError):
        raise ValueError(
            f"suits={suits!r}: expected 'any', 'red' or 'black'; pass one of them"
        ) from None
    return tuple(Card(suit_of[card.suit], card.rank) for card in cards)


def deal(
    np_random: np.random.Generator, count: int, deck: Sequence[Card] = DECK
) -> tuple[Card, ...]:
    """Draws cards from an infinite deck, each equally likely to be any of those in `deck`."""
    # One draw for as many cards as fit into a number, of 64 bits and a sign: each call of the
    # generator costs as much as the rest of the deal.
    at_once = int(63 / math.log2(len(deck))) if len(deck) > 1 else count
    cards: list[Card] = []
    while len(cards) < count:
        drawn = min(at_once, count - len(cards))
        number = int(np_random.integers(len(deck) ** drawn))
        for _ in range(drawn):
            number, place = divmod(number, len(deck))
            cards.append(deck[place])
    return tuple(cards)
