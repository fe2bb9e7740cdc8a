"""The split of the hands, against its description."""

import hashlib
from collections import Counter
from itertools import combinations_with_replacement
from math import factorial, prod

import numpy as np
import pytest
from card_games import hands_of, make, ranks

from gym_cards.cards import RANKS, Card, deal, dyed
from gym_cards.points import solver
from gym_cards.points.splits import split_of

points_games = pytest.mark.parametrize("game", ["EZPoints", "Points24"])


def documented_split(values):
    text = " ".join(str(value) for value in sorted(values))
    return "test" if hashlib.sha256(text.encode("ascii")).digest()[0] < 51 else "train"


def deals_showing(values):
    """How many of the 13**n deals have these values."""
    counts = Counter(values)
    orders = factorial(len(values)) // prod(factorial(n) for n in counts.values())
    return orders * 4 ** counts[10]


@pytest.mark.parametrize("count", range(2, 7))
def test_the_split_is_the_documented_hash(count):
    parts = Counter()
    for hand in combinations_with_replacement(RANKS, count):
        values = [min(rank, 10) for rank in hand]
        part = split_of([Card("S", rank) for rank in hand])
        assert part == documented_split(values)
        parts[part] += 1
    assert set(parts) == {"train", "test"}


def test_order_suits_and_faces_have_no_say_in_the_split():
    rng = np.random.default_rng(0)
    for _ in range(200):
        cards = deal(rng, 4)
        part = split_of(cards)
        assert split_of(cards[::-1]) == part
        assert split_of(dyed(cards, "red")) == part
        assert split_of([Card(c.suit, 10 if c.rank > 10 else c.rank) for c in cards]) == part


def test_the_sizes_of_the_split_of_points24():
    hands, solvable, deals = Counter(), Counter(), Counter()
    for values in combinations_with_replacement(range(1, 11), 4):
        part = documented_split(values)
        hands[part] += 1
        if solver.is_solvable(values, 24):
            solvable[part] += 1
            deals[part] += deals_showing(values)
    assert hands == {"train": 574, "test": 141}
    assert solvable == {"train": 450, "test": 116}
    assert deals == {"train": 16_020, "test": 4_856}


def test_the_split_of_ezpoints():
    dealt = {
        split: {tuple(sorted(min(r, 10) for r in ranks(hand))) for hand in hands_of(env, 300)}
        for split, env in ((s, make("EZPoints", split=s)) for s in ("train", "test", None))
    }
    assert dealt["test"] == {(2, 6), (3, 9)}
    assert dealt["train"] == {(2, 10), (3, 4), (4, 8), (5, 7), (6, 6)}
    assert dealt[None] == dealt["train"] | dealt["test"]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("game", "kwargs"),
    [
        ("EZPoints", {"target_points": 10}),
        ("EZPoints", {"num_cards": 3, "hands": "any"}),
        ("Points24", {}),
        ("Points24", {"treat_face_cards_as_10": False}),
        ("Points24", {"num_cards": 6, "suits": "red", "order": "ascending"}),
        ("Points24", {"hands": "unsolvable"}),
    ],
    ids=str,
)
def test_only_hands_of_the_part_are_dealt(game, kwargs, split):
    for hand in hands_of(make(game, split=split, **kwargs), 40):
        assert documented_split([min(rank, 10) for rank in ranks(hand)]) == split


def test_any_hand_can_be_set():
    """The options take what is never dealt."""
    env = make("Points24Test")
    assert env.reset(options={"cards": ["HA", "SA", "DA", "CA"]})[1]["Numbers"] == [1, 1, 1, 1]
