"""The solver for the published rules against every token sequence, and on wins of all kinds."""

import itertools
from pathlib import Path

import pytest

from gym_cards.formula import evaluate_published
from gym_cards.published_solver import fewest_tokens

RULES = Path(__file__).parents[1] / "conformance" / "rules.json"
NEVER = 10**9


def shortest_rests(cards, symbols, length):
    """For every value, in how few tokens each formula of the tokens can be finished to have it.

    All sequences of at most `length` tokens are tried, refused numbers included.
    """
    rests = {}

    def grow(tokens, left):
        value = evaluate_published(tokens) if not left else None
        if value is not None and value == value and abs(value) < 10**9 and value == int(value):
            known = rests.setdefault(int(value), {})
            for cut in range(len(tokens) + 1):
                rest = len(tokens) - cut
                known[tokens[:cut]] = min(rest, known.get(tokens[:cut], NEVER))
        if len(tokens) < length:
            for card in set(left):
                less = list(left)
                less.remove(card)
                grow((*tokens, card), less)
            for symbol in symbols:
                grow((*tokens, symbol), left)

    grow((), list(cards))
    return rests


def prefixes(cards, symbols, length):
    for size in range(length + 1):
        for tokens in itertools.product([*set(cards), *symbols], repeat=size):
            if all(tokens.count(card) <= cards.count(card) for card in set(cards)):
                yield tokens


@pytest.mark.parametrize(
    ("cards", "symbols", "length", "depth", "targets"),
    [
        ((2, 9), "+-*/() ", 6, 4, (18, 29, 81, 4, -7, 0, 24)),
        ((1, 1), "+-*/() ", 6, 4, (1, 0, -1, 11, 2)),
        ((3, 8), "+*/() ", 7, 3, (24, 38, 2, 6561)),
        ((2, 3, 8), "+-*/() ", 5, 2, (24, 9, 13, -1, 238, 2, 0)),
        ((4, 4, 10), "+*-/", 6, 3, (24, 0, 6, 54, 256)),
        ((6,), "+-*/() ", 5, 5, (6, -6)),
        ((2, 6), "+* ", 7, 5, (12, 8, 64, 26)),
        ((1, 1, 12), "+- ", 6, 4, (24, -12, 1112, 100)),
    ],
)
def test_every_sequence_of_tokens(cards, symbols, length, depth, targets):
    rests = shortest_rests(cards, symbols, length)
    for target in targets:
        for prefix in prefixes(cards, symbols, depth):
            found = fewest_tokens(
                prefix,
                cards,
                target,
                max_tokens=length,
                operators="".join(symbol for symbol in symbols if symbol in "+-*/"),
                parentheses="(" in symbols,
            )
            assert found == rests.get(target, {}).get(prefix), (target, prefix)
