"""Rules of video poker: what hands are called, what they pay, and how they are dealt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from gym_cards.cards import RANKS, SUITS, Card

HAND_SIZE = 5
HANDS = (
    "nothing",
    "jacks or better",
    "two pair",
    "three of a kind",
    "straight",
    "flush",
    "full house",
    "four of a kind",
    "straight flush",
    "royal flush",
)
"""The names of the hands, the lowest first. A hand is a place in this table."""

NOTHING, PAIR, TWO_PAIR, THREE, STRAIGHT, FLUSH, FULL_HOUSE, FOUR = range(8)
STRAIGHT_FLUSH, ROYAL_FLUSH = 8, 9

Pays = tuple[int, ...]
"""What each of `HANDS` pays for a bet of 1."""

PAY_TABLES: dict[str, Pays] = {
    "9/6": (0, 1, 2, 3, 4, 6, 9, 25, 50, 800),
    "8/5": (0, 1, 2, 3, 4, 5, 8, 25, 50, 800),
    "6/5": (0, 1, 2, 3, 4, 5, 6, 25, 50, 800),
    "all american": (0, 1, 1, 3, 8, 8, 8, 40, 200, 800),
}
"""Pay tables by the names that players give them: what a full house and a flush pay."""
MOST_PAID = 100_000

HIGH_RANKS = (11, 12, 13, 1)
# An ace counts as the lowest or the highest card of a straight.
WINDOWS = tuple(
    tuple(RANKS[(start + step) % len(RANKS)] for step in range(HAND_SIZE)) for start in range(10)
)
"""The ranks of each straight, from ace to five up to ten to ace."""
_ACE_HIGH = set(WINDOWS[-1])

HOLDS = tuple(
    tuple(place for place in range(HAND_SIZE) if action >> place & 1)
    for action in range(2**HAND_SIZE)
)
"""The places, 0 to 4, that each action holds: those of the bits of its index."""

_COUNTS = ("", "one", "two", "three", "four", "five")
_PLURALS = (
    *("aces", "twos", "threes", "fours", "fives", "sixes", "sevens", "eights", "nines", "tens"),
    *("jacks", "queens", "kings"),
)


def hold_name(places: Sequence[int]) -> str:
    """Returns the name of an action, which counts places from 1.

    No name is part of another one, so that "hold 1, 3" is no name instead of another action's.
    """
    if not places:
        return "hold none"
    if len(places) == HAND_SIZE:
        return "hold all"
    return f"hold {' '.join(str(place + 1) for place in places)} only"


def code(card: Card) -> str:
    """Returns rank and suit of a card as poker players write them, such as "Kh" or "10s"."""
    return card.label + card.suit.lower()


def pay_table(pays: str | Mapping[str, int]) -> Pays:
    """Returns what each hand pays, for a table's name or for amounts by the hands' names.

    Raises:
        ValueError: If there is no such table, or an amount is missing, unknown or out of range.
    """
    if isinstance(pays, str) and pays in PAY_TABLES:
        return PAY_TABLES[pays]
    if not isinstance(pays, Mapping):
        names = ", ".join(map(repr, PAY_TABLES))
        raise ValueError(f"pays={pays!r}: expected one of {names}, or what each hand pays")
    if set(pays) != set(HANDS[1:]):
        raise ValueError(
            f"pays={dict(pays)!r}: expected exactly the hands {', '.join(map(repr, HANDS[1:]))}"
        )
    amounts = []
    for name in HANDS[1:]:
        amount = pays[name]
        whole = isinstance(amount, (int, np.integer)) and not isinstance(amount, bool)
        if not whole or not 0 <= amount <= MOST_PAID:
            raise ValueError(
                f"pays[{name!r}]={amount!r}: expected a whole number from 0 to {MOST_PAID}, how "
                "often the bet is paid"
            )
        amounts.append(int(amount))
    return (0, *amounts)


def hand_of(cards: Sequence[Card]) -> int:
    """Returns what five cards are, as a place in `HANDS`."""
    ranks = [rank for _, rank in cards]
    different = set(ranks)
    if len(different) == HAND_SIZE:
        flush = len({suit for suit, _ in cards}) == 1
        if max(ranks) - min(ranks) == HAND_SIZE - 1:
            return STRAIGHT_FLUSH if flush else STRAIGHT
        if different == _ACE_HIGH:
            return ROYAL_FLUSH if flush else STRAIGHT
        return FLUSH if flush else NOTHING
    if len(different) == 4:
        # The rank that occurs twice is what the others leave of the sum.
        return PAIR if sum(ranks) - sum(different) in HIGH_RANKS else NOTHING
    most = max(map(ranks.count, different))
    if len(different) == 3:
        return TWO_PAIR if most == 2 else THREE
    return FOUR if most == 4 else FULL_HOUSE


def take(np_random: np.random.Generator, deck: list[Card], count: int) -> list[Card]:
    """Removes random cards from a deck and returns them."""
    # One draw for all cards: each call of the generator costs as much as the rest.
    number = int(np_random.integers(math.perm(len(deck), count)))
    taken = []
    for size in range(len(deck), len(deck) - count, -1):
        number, place = divmod(number, size)
        taken.append(deck.pop(place))
    return taken


def promise(held: Sequence[Card], discarded: Sequence[Card]) -> str:
    """Returns in words what the held cards are, or can become."""
    ranks = [card.rank for card in held]
    suits = {card.suit for card in held}
    if len(held) == HAND_SIZE and hand_of(held) >= STRAIGHT:
        name = HANDS[hand_of(held)]
        return name if name.startswith("four") else f"a {name}"
    groups = sorted({(ranks.count(rank), rank) for rank in ranks}, reverse=True)
    pairs = [rank for count, rank in groups if count == 2]
    most, rank = groups[0]
    if most >= 3:
        return f"{_COUNTS[most]} {_PLURALS[rank - 1]}"
    if len(pairs) == 2:
        return "two pair"
    if pairs:
        return f"a pair of {_PLURALS[pairs[0] - 1]}"
    wanted = _straight_to_come(ranks) if len(held) < HAND_SIZE else ()
    if len(suits) == 1 and len(held) >= 2:
        (suit,) = suits
        open_to = [
            window for window in wanted if not any(Card(suit, rank) in discarded for rank in window)
        ]
        if WINDOWS[-1] in open_to:
            return f"{_COUNTS[len(held)]} to a royal flush"
        if open_to and len(held) >= 3:
            return f"{_COUNTS[len(held)]} to a straight flush"
        if len(held) >= 3:
            return f"{_COUNTS[len(held)]} to a flush"
    if wanted and len(held) == 4:
        return "four to a straight"
    high = sum(rank in HIGH_RANKS for rank in ranks)
    if high and len(held) < HAND_SIZE:
        return f"{_COUNTS[high]} high card{'s' if high > 1 else ''}"
    return "nothing yet" if len(held) < HAND_SIZE else "nothing"


def _straight_to_come(ranks: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Returns the straights that have all of some different ranks."""
    return tuple(window for window in WINDOWS if set(ranks) <= set(window))


def card_number(card: Card) -> int:
    """Returns the card's place in `gym_cards.cards.DECK`."""
    return SUITS.index(card.suit) * len(RANKS) + card.rank - 1
