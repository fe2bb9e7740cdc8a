"""Rules of SET: cards and their names, what a set is, and the deal."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NUMBERS = ("one", "two", "three")
COLOURS = ("red", "blue", "orange")
SHADINGS = ("solid", "striped", "open")
SHAPES = ("oval", "diamond", "bow")

FEATURES = ("number", "colour", "shading", "shape")

Places = tuple[int, int, int]
"""The places of the three cards of a set, in ascending order."""

# If none of so many deals is of the wanted kind, it takes too long to wait for one.
_TRIALS = 4_000


class SetCard(NamedTuple):
    """Card with up to three equal shapes; every feature is 0, 1 or 2.

    Attributes:
        number: The number of shapes, less one.
        colour: Index into `COLOURS`.
        shading: Index into `SHADINGS`.
        shape: Index into `SHAPES`.
    """

    number: int
    colour: int
    shading: int
    shape: int

    @property
    def name(self) -> str:
        """The card in words, such as "two red striped ovals"."""
        plural = "s" if self.number else ""
        words = (NUMBERS[self.number], COLOURS[self.colour], SHADINGS[self.shading])
        return f"{' '.join(words)} {SHAPES[self.shape]}{plural}"


DECK = tuple(SetCard(*features) for features in product(range(3), repeat=4))
INDEX_OF = {card: index for index, card in enumerate(DECK)}
NAMES = tuple(card.name for card in DECK)
_NAMED = dict(zip(NAMES, DECK, strict=True))


def deck_of(num_features: int) -> tuple[SetCard, ...]:
    """Returns all cards; with three features those whose shapes are solid."""
    return DECK if num_features == 4 else tuple(card for card in DECK if card.shading == 0)


def card_named(name: object) -> SetCard:
    """Returns the card of a name.

    Raises:
        ValueError: If there is no such card.
    """
    if not isinstance(name, str) or name not in _NAMED:
        raise ValueError(
            f"{name!r} is not a card: expected a number, a colour, a shading and a shape, such as "
            f"{DECK[0].name!r} or {DECK[-1].name!r}"
        )
    return _NAMED[name]


def third(one: SetCard, other: SetCard) -> SetCard:
    """Returns the only card that makes a set with two others."""
    # All alike or all different: in both cases the three values add up to a multiple of 3.
    return SetCard(*(-(a + b) % 3 for a, b in zip(one, other, strict=True)))


@functools.cache
def _thirds() -> list[list[int]]:
    """Returns the index in the deck of the third card, by those of two others."""
    return [[INDEX_OF[third(one, other)] for other in DECK] for one in DECK]


def sets_among(cards: Sequence[SetCard]) -> list[Places]:
    """Returns the places of all sets among different cards, each in ascending order."""
    return _sets_of([INDEX_OF[card] for card in cards])


def _sets_of(indices: Sequence[int]) -> list[Places]:
    thirds = _thirds()
    # 0 stands for no place, because the third card comes last.
    place_of = [0] * len(DECK)
    for place, index in enumerate(indices):
        place_of[index] = place
    found = []
    for first, one in enumerate(indices):
        row = thirds[one]
        for second, other in enumerate(indices[first + 1 :], first + 1):
            last = place_of[row[other]]
            if last > second:
                found.append((first, second, last))
    return found


def deal(
    np_random: np.random.Generator, num_cards: int, num_features: int, num_sets: int | None
) -> tuple[tuple[SetCard, ...], list[Places]]:
    """Draws different cards, again and again until as many sets as wanted are among them.

    Args:
        np_random: The random numbers.
        num_cards: The number of cards.
        num_features: The number of features in which cards differ.
        num_sets: The number of sets; `None` for at least one.

    Returns:
        The cards, and the places of all sets.
    """
    while True:
        indices = _draw(np_random, num_cards, num_features)
        sets = _sets_of(indices)
        if len(sets) == num_sets or (sets and num_sets is None):
            return tuple([DECK[index] for index in indices]), sets


def _draw(np_random: np.random.Generator, num_cards: int, num_features: int) -> list[int]:
    """Draws different cards, as indices in the whole deck."""
    deck = _indices(num_features)
    drawn: list[int] = np_random.permutation(deck)[:num_cards].tolist()
    return drawn


@functools.cache
def _indices(num_features: int) -> NDArray[np.int64]:
    return np.array([INDEX_OF[card] for card in deck_of(num_features)])


@functools.cache
def can_be_dealt(num_cards: int, num_features: int, num_sets: int | None) -> bool:
    """Returns whether deals of a kind are frequent enough to be drawn in a moment."""
    if num_sets is None:
        return True
    np_random = np.random.default_rng(0)
    return any(
        len(_sets_of(_draw(np_random, num_cards, num_features))) == num_sets for _ in range(_TRIALS)
    )
