"""A search for a formula of Points24, written out: pairs are combined, and some are given up.

Two numbers are replaced by what they make, until one is left. Which pair of a hand leads to the
target is hard to see; whether three numbers still do is easier to know, and two easier still. So
pairs are named with what they leave, those after which the target cannot be reached are given up,
and the search continues with one after which it can: "3+7=10 2 8 10 no, 8-2=6 3 6 7, 7-3=4 4 6,
4*6=24". Nothing in it is particular to the hand, so that a learner may find formulas of hands that
were never shown. Gandhi et al. 2024 ("Stream of Search", arXiv 2404.03683) train language models on
such texts.

Only whole numbers from 0 to `MAX_VALUE` are made on the way, which is enough for 556 of the 566
hands of Points24 that can be solved.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from typing import NamedTuple

MAX_VALUE = 200
"""The largest number that is made on the way."""

MAX_FAILURES = 6
"""The most pairs that are given up before one that leads to the target."""

MOST_CARDS_SEARCHED = 5
"""The most cards that are searched for; more take too long."""

# Chance that no further pair is given up. Naming all that fail would take long, and from searches
# that name none it cannot be learned how to continue after a wrong start.
_STOP = 0.35

Numbers = tuple[int, ...]


class Move(NamedTuple):
    """Two numbers and what they make."""

    left: int
    sign: str
    right: int
    value: int


class Search(NamedTuple):
    """A search that was written out, and the formula that it found.

    Attributes:
        words: The pairs that were tried, separated by commas.
        plan: The tokens of the formula, without "=".
    """

    words: str
    plan: tuple[str, ...]


class _Term(NamedTuple):
    """A part of the formula.

    Attributes:
        value: What it equals.
        tokens: How it is written.
        binding: How tightly its last operation binds: 1 for sums, 2 for products, 3 for a card.
    """

    value: int
    tokens: tuple[str, ...]
    binding: int


def search(numbers: Sequence[int], target: int, seed: int) -> Search | None:
    """Returns a search for a formula that uses every number once and equals the target.

    Args:
        numbers: The numbers of the cards, 2 to 5 of them.
        target: The value to reach.
        seed: Decides which pairs are tried, and which of several formulas is found: those that
            more ways lead on from are likelier.

    Returns:
        The search, or `None` if no formula reaches the target by whole numbers up to `MAX_VALUE`.
    """
    left: Numbers = tuple(sorted(numbers))
    if not ways(left, target):
        return None
    draw = random.Random(seed)
    words = [
        f"{_equation(move)} {_list(after)} no" for move, after in _failures(left, target, draw)
    ]
    terms = [_Term(number, (str(number),), 3) for number in left]
    while len(left) > 1:
        hopeful = {move: after for move, after in moves(left).items() if ways(after, target)}
        weights = [ways(after, target) for after in hopeful.values()]
        [move] = draw.choices(list(hopeful), weights)
        left = hopeful[move]
        terms.append(_joined(_taken(terms, move.left), move, _taken(terms, move.right)))
        words.append(_equation(move) if len(left) == 1 else f"{_equation(move)} {_list(left)}")
    return Search(", ".join(words), terms[0].tokens)


@functools.cache
def moves(numbers: Numbers) -> dict[Move, Numbers]:
    """Returns what two of the numbers, which are in ascending order, can make, and what is left."""
    found: dict[Move, Numbers] = {}
    for first in range(len(numbers)):
        for second in range(first + 1, len(numbers)):
            rest = [each for place, each in enumerate(numbers) if place not in (first, second)]
            for move in _made_of(numbers[first], numbers[second]):
                if move.value <= MAX_VALUE:
                    found[move] = tuple(sorted([*rest, move.value]))
    return found


@functools.cache
def ways(numbers: Numbers, target: int) -> int:
    """Returns in how many ways the numbers, in ascending order, are made into the target."""
    if len(numbers) == 1:
        return int(numbers[0] == target)
    return sum(ways(after, target) for after in moves(numbers).values())


def _made_of(small: int, large: int) -> list[Move]:
    made = [
        Move(small, "+", large, small + large),
        Move(large, "-", small, large - small),
        Move(small, "*", large, small * large),
    ]
    if small and large % small == 0:
        made.append(Move(large, "/", small, large // small))
    return made


def _failures(numbers: Numbers, target: int, draw: random.Random) -> list[tuple[Move, Numbers]]:
    """Returns pairs that are given up."""
    hopeless = [(move, after) for move, after in moves(numbers).items() if not ways(after, target)]
    draw.shuffle(hopeless)
    count = 0
    while count < min(len(hopeless), MAX_FAILURES) and draw.random() >= _STOP:
        count += 1
    return hopeless[:count]


def _taken(terms: list[_Term], value: int) -> _Term:
    """Removes a term of that value, and returns it."""
    return terms.pop(next(place for place, term in enumerate(terms) if term.value == value))


def _joined(left: _Term, move: Move, right: _Term) -> _Term:
    """Returns the term that a move makes of two, with the brackets that it needs."""
    binding = 1 if move.sign in "+-" else 2
    needed = binding + (move.sign in "-/")
    tokens = (*_bracketed(left, binding), move.sign, *_bracketed(right, needed))
    return _Term(move.value, tokens, binding)


def _bracketed(term: _Term, least: int) -> tuple[str, ...]:
    """Returns the tokens of a term, in brackets if it binds less tightly than it has to."""
    return term.tokens if term.binding >= least else ("(", *term.tokens, ")")


def _equation(move: Move) -> str:
    return f"{move.left}{move.sign}{move.right}={move.value}"


def _list(numbers: Numbers) -> str:
    return " ".join(map(str, numbers))
