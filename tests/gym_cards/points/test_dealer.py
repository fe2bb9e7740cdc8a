"""Deals of the points games, against their exact distributions."""

from collections import Counter
from fractions import Fraction
from itertools import product

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.cards import RANKS, SUITS, Card
from gym_cards.points import solver
from gym_cards.points.dealer import deals_of_twelve


def make(game="Points24", **kwargs):
    return gym.make(f"gym_cards/{game}-v0", disable_env_checker=True, **kwargs)


def test_the_deal_of_twelve_has_the_exact_distribution():
    expected = Counter()
    for rank in range(2, 14):
        number = min(rank, 10)
        partners = [12 - number] * 2
        if number in (2, 3, 4, 6):
            partners[0] = 12 // number
        for partner, pair in product(partners, ((0, 1), (1, 0))):
            ranks = (rank, partner)
            expected[ranks[pair[0]], ranks[pair[1]]] += 1
    total = sum(expected.values())
    deals = deals_of_twelve()
    counts = Counter((a.rank, b.rank) for a, b in deals)
    assert {pair: Fraction(n, len(deals)) for pair, n in counts.items()} == {
        pair: Fraction(n, total) for pair, n in expected.items()
    }
    # Suits are uniform and independent of the ranks.
    for (one, two), n in counts.items():
        suits = Counter((a.suit, b.suit) for a, b in deals if (a.rank, b.rank) == (one, two))
        assert suits == dict.fromkeys(product(SUITS, SUITS), n // 16)


def test_ezpoints_deals_each_of_them_as_often():
    env = make("EZPoints")
    env.reset(seed=0)
    expected = Counter(tuple(card.code for card in cards) for cards in deals_of_twelve())
    game = env.unwrapped
    counts = Counter(
        tuple(card.code for card in game._dealer.deal(game.np_random))
        for _ in range(20 * expected.total())
    )
    assert counts.keys() == expected.keys()
    statistic = sum((counts[c] - 20 * n) ** 2 / (20 * n) for c, n in expected.items())
    # Four standard deviations above the chi-square's mean.
    assert statistic < len(expected) + 4 * (2 * len(expected)) ** 0.5


def test_a_partner_worth_ten_is_shown_as_ten():
    figures = [(a, b) for a, b in deals_of_twelve() if max(a.rank, b.rank) > 10]
    assert figures
    # The figure was the first card, so that its partner is a 2.
    assert all(min(a.rank, b.rank) == 2 for a, b in figures)


@pytest.mark.parametrize("target", [2, 7, 20, 21, 100])
def test_other_targets_of_ezpoints(target):
    numbers = {rank: min(rank, 10) for rank in RANKS}
    pairs = [
        (one, two)
        for one, two in product(RANKS, RANKS)
        if target in (numbers[one] + numbers[two], numbers[one] * numbers[two])
    ]
    env = make("EZPoints", target_points=target)
    env.reset(seed=0)
    counts = Counter()
    for _ in range(40 * len(pairs)):
        _, info = env.reset()
        first, second = info["Numbers"]
        assert target in (first + second, first * second)
        counts[tuple(Card.parse(code).rank for code in info["Cards"])] += 1
    assert set(counts) <= set(pairs)
    # With 40 expected in each cell, the statistic's mean is below the number of cells.
    statistic = sum((counts[pair] - 40) ** 2 / 40 for pair in pairs)
    assert statistic < len(pairs) + 4 * (2 * len(pairs)) ** 0.5


@pytest.mark.parametrize("target", [-1, 0, 1000, 19 * 5])
def test_targets_that_no_pair_reaches(target):
    with pytest.raises(ValueError, match=f"target_points={target}, .*: expected"):
        make("EZPoints", target_points=target)


def test_points24_deals_are_uniform():
    env = make()
    env.reset(seed=0)
    counts = Counter()
    for _ in range(2600):
        for place, code in enumerate(env.reset()[1]["Cards"]):
            counts[place, code] += 1
    # 4 places by 51 degrees of freedom: the 99.9% quantile of chi-square is 271.
    assert len(counts) == 4 * 52
    assert sum((n - 50) ** 2 / 50 for n in counts.values()) < 271


@pytest.mark.parametrize("rules", ["published", "exact"])
def test_solvable_hands_are_dealt(rules):
    env = make(rules=rules, hands="solvable")
    env.reset(seed=0)
    for _ in range(100):
        assert solver.is_solvable(env.reset()[1]["Numbers"], 24)


def test_a_target_that_no_hand_reaches():
    with pytest.raises(ValueError, match="target_points=1000000, .*: expected"):
        make(hands="solvable", target_points=1_000_000)


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("EZPoints", {"target_points": 42}),
        ("EZPoints", {"target_points": 1000}),
        ("Points24", {"target_points": 5000, "hands": "solvable", "split": "test"}),
    ],
)
def test_six_cards_are_dealt_where_there_are_hands(name, kwargs):
    env = gym.make(f"gym_cards/{name}-v0", num_cards=6, size=64, **kwargs)
    assert len(env.reset(seed=0)[1]["Numbers"]) == 6


def test_six_cards_are_refused_where_hardly_any_hand_fits():
    with pytest.raises(ValueError, match="there are none, or too few"):
        gym.make("gym_cards/Points24-v0", num_cards=6, hands="unsolvable")
