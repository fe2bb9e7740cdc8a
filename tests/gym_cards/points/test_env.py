import time
from collections import Counter
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import factorial

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.cards import RANKS, SUITS, Card
from gym_cards.points import solver
from gym_cards.points.dealer import deals_of_twelve
from gym_cards.points.rules import is_correct, numbers_left, value

TOKENS_10 = [*map(str, range(1, 11)), "+", "-", "*", "/", "(", ")", "="]


def make(game="Points24", **kwargs):
    return gym.make(f"gym_cards/{game}-v0", disable_env_checker=True, **kwargs)


def play(env, texts, cards=None):
    """Plays actions by their texts and returns the last step."""
    if cards is not None:
        env.reset(options={"cards": cards})
    names = env.get_wrapper_attr("action_names")
    for text in texts:
        step = env.step(names.index(text))
    return step


def play_expert(env):
    """Lets the expert finish the episode and returns its rewards and the last info."""
    rewards, ended = [], False
    while not ended:
        _, reward, terminated, truncated, info = env.step(env.get_wrapper_attr("expert")()[0])
        rewards.append(reward)
        ended = terminated or truncated
    return rewards, info


def codes_of(numbers):
    """Cards that stand for numbers of 1 to 10."""
    return [Card("H", number).code for number in numbers]


# Rules


def test_values():
    tens = [value(Card("H", rank), faces_as_10=True) for rank in RANKS]
    assert tens == [*range(1, 11), 10, 10, 10]
    assert [value(Card("H", rank), faces_as_10=False) for rank in RANKS] == list(RANKS)


def test_numbers_left():
    assert numbers_left([4, 10, 4, 1], ["(", 4, "+", " ", 1]) == [10, 4]


@pytest.mark.parametrize(
    ("formula", "numbers", "published", "exact"),
    [
        ([4, "*", "(", 10, "-", 4, ")"], [4, 10, 4], True, True),
        # A card is missing.
        ([4, "*", 6], [4, 6, 1], False, False),
        # Numbers that join, powers, floor division and signs win by the published rules alone.
        ([2, 4, "*", 1, "*", 1], [2, 4, 1, 1], True, False),
        (["(", 5, ")", "*", "*", 2, "-", 1], [5, 2, 1], True, False),
        ([9, 6, "/", "/", 4], [9, 6, 4], True, False),
        (["-", 1, "+", 2, 5], [1, 2, 5], True, False),
        # A blank, left by a number that was refused, keeps numbers apart.
        ([2, " ", 4], [2, 4], False, False),
        ([2, " ", "*", " ", 10, "+", 4], [2, 10, 4], True, True),
        # Floating point misses this one.
        ([8, "/", "(", 3, "-", 8, "/", 3, ")"], [8, 3, 8, 3], False, True),
        ([8, "/", "(", 3, "-", 3, ")"], [8, 3, 3], False, False),
        ([2, "(", 10, "+", 2, ")"], [2, 10, 2], False, False),
    ],
)
def test_what_counts_as_correct(formula, numbers, published, exact):
    assert is_correct(formula, numbers, 24, "published") is published
    assert is_correct(formula, numbers, 24, "exact") is exact


# Deals


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


# Environments


def test_action_names():
    assert make().get_wrapper_attr("action_names") == tuple(TOKENS_10)
    assert make(treat_face_cards_as_10=False).get_wrapper_attr("action_names")[9:14] == (
        *("10", "11", "12", "13"),
        "+",
    )
    assert make("EZPoints").get_wrapper_attr("action_names") == (*TOKENS_10[:11], "*", "=")


def test_state_and_published_info():
    env = make()
    *_, info = play(env, ["(", "4", "+", "4"], ["H4", "CT", "SA", "DK"])
    assert info["state"] == {"cards": "4 10 A K", "current formula": "(4+ "}
    assert info["Cards"] == ["H4", "CT", "SA", "DK"]
    assert info["Numbers"] == [4, 10, 1, 10]
    assert info["Formula"] == ["(", 4, "+", " "]
    assert info["given"] == ("current formula",)


def test_the_mask_is_what_is_not_refused():
    env = make()
    *_, info = play(env, ["10", "+"], ["H4", "CT", "SA", "DK"])
    assert "".join(map(str, info["action_mask"])) == "1001000001" + "1" * 7
    *_, info = play(env, ["10"])
    assert "".join(map(str, info["action_mask"])) == "1001000000" + "1" * 7


@pytest.mark.parametrize(("game", "limit"), [("EZPoints", 5), ("Points24", 20)])
def test_a_formula_that_is_too_long(game, limit):
    env = make(game)
    env.reset(seed=0)
    for _ in range(limit + 1):
        assert play(env, ["+"])[1:4] == (0.0, False, False)
    *_, reward, terminated, truncated, info = play(env, ["="])
    assert (reward, terminated, truncated) == (-1.0, False, True)
    assert info["Formula"] == ["+"] * (limit + 1)


def test_success_is_the_return_so_far():
    env = make("EZPoints")
    wrong = ["1", "1"]
    *_, info = play(env, [*wrong, "9", "+", "3", "="], ["H9", "S3"])
    assert info["is_success"] is True  # -2 + 10
    *_, info = play(env, ["9", "+", "="], ["H9", "S3"])
    assert info["is_success"] is False


@pytest.mark.parametrize("tokens", [["9", "*", "*"] * 3 + ["9"], ["("] * 21, ["-"] * 21])
def test_any_formula_answers_at_once(tokens):
    env = make()
    start = time.perf_counter()
    *_, info = play(env, [*tokens[:20], "="], ["H9", "S9", "D9", "C9"])
    assert time.perf_counter() - start < 2
    assert info["is_success"] is False


def test_the_tower_of_nines_answers_at_once():
    """`9**9**9**9`: Python would compute for longer than anybody waits."""
    env = make()
    tokens = ["9", "*", "*", "9", "*", "*", "9", "*", "*", "9", "="]
    start = time.perf_counter()
    _, reward, terminated, _, _ = play(env, tokens, ["H9", "S9", "D9", "C9"])
    assert time.perf_counter() - start < 1
    assert (reward, terminated) == (-1.0, True)


@pytest.mark.parametrize(
    "options",
    [
        {"cards": ["HA", "S9"]},
        {"cards": ["HA", "S9", "CT", "DJ", "H2"]},
        {"cards": ["HA", "S9", "CT", "D10"]},
        {"cards": "HAS9CTDJ"},
        {"cards": [1, 9, 10, 10]},
        {"cards": None},
        {"cards": ["HA", "S9", "CT", "DJ"], "target": 24},
    ],
)
def test_impossible_options(options):
    with pytest.raises(ValueError, match="expected"):
        make().reset(options=options)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"rules": "loose"},
        {"target_points": 24.5},
        {"target_points": "24"},
        {"treat_face_cards_as_10": 1},
    ],
)
def test_bad_arguments(kwargs):
    ((name, given),) = kwargs.items()
    with pytest.raises(ValueError, match=f"{name}={given!r}: expected"):
        make(**kwargs)


def test_the_description_reflects_the_arguments():
    def description(game="Points24", **kwargs):
        return make(game, **kwargs).get_wrapper_attr("task_description")

    assert "equals 24" in description()
    assert "equals 20" in description(target_points=20)
    assert "J, Q and K count 10" in description()
    assert "11, 12 and 13" in description(treat_face_cards_as_10=False)
    assert "more than 20 entries" in description()
    assert "two cards" in description("EZPoints")
    assert "more than 5 entries" in description("EZPoints")
    assert '"/"' not in description("EZPoints")


# Experts


def hands():
    """Every multiset of four numbers of 1 to 10, and how many of the 13**4 deals show it."""
    for numbers in combinations_with_replacement(range(1, 11), 4):
        deals = factorial(4)
        for number, count in Counter(numbers).items():
            deals = deals // factorial(count) * (4 if number == 10 else 1) ** count
        yield numbers, deals


def test_the_hands_make_up_all_deals():
    assert sum(deals for _, deals in hands()) == 13**4


@pytest.mark.slow
def test_the_expert_of_the_exact_rules_reaches_the_exact_limit():
    """Over all deals, not a sample: 73.1% can be won, and the expert wins these."""
    env = make("Points24Exact")
    won = possible = 0
    for numbers, deals in hands():
        env.reset(options={"cards": codes_of(numbers)})
        rewards, info = play_expert(env)
        won += deals * info["is_success"]
        possible += deals * solver.is_solvable(numbers, 24)
        assert sum(rewards) == (10.0 if info["is_success"] else -1.0)
    assert won == possible
    assert solver.solvable_share() == Fraction(won, 13**4)
    assert round(100 * won / 13**4, 1) == 73.1


def test_the_exact_limit():
    possible = sum(deals * solver.is_solvable(numbers, 24) for numbers, deals in hands())
    assert round(100 * possible / 13**4, 1) == 73.1


@pytest.mark.parametrize("deals", [150, pytest.param(3000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("game", "kwargs"),
    [
        ("EZPoints", {}),
        ("EZPoints", {"target_points": 20}),
        ("Points24Exact", {"hands": "solvable"}),
        ("Points24Exact", {"hands": "solvable", "treat_face_cards_as_10": False}),
    ],
)
def test_experts_win_whatever_can_be_won(game, kwargs, deals):
    env = make(game, **kwargs)
    env.reset(seed=0)
    for _ in range(deals):
        env.reset()
        rewards, info = play_expert(env)
        assert info["is_success"], info
        assert rewards[-1] == 10
        assert not any(rewards[:-1])


def test_the_published_expert_avoids_what_floating_point_misses():
    """3 3 8 8 has the one exact solution 8/(3-8/3), which does not count there."""
    cards = ["H3", "S3", "D8", "C8"]
    exact, published = make("Points24Exact"), make()
    exact.reset(options={"cards": cards})
    assert play_expert(exact)[1]["is_success"]
    published.reset(options={"cards": cards})
    assert published.get_wrapper_attr("expert")() == (16, "sorted 3 3 8 8, rest =")


@pytest.mark.parametrize("deals", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_the_published_expert_never_fails_where_it_tries(deals):
    env = make()
    env.reset(seed=0)
    won = 0
    for _ in range(deals):
        env.reset()
        hopeless = env.get_wrapper_attr("expert")()[0] == 16
        _, info = play_expert(env)
        assert info["is_success"] is not hopeless
        won += info["is_success"]
    # 73.0%, four standard errors.
    assert abs(won / deals - 0.730) < 4 * 0.45 / deals**0.5


@pytest.mark.parametrize("steps", [400, pytest.param(20_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("game", ["EZPoints", "Points24", "Points24Exact"])
def test_experts_keep_their_promise_from_any_prefix(game, steps):
    """After random moves the expert goes on; a plan that promises a win keeps the promise."""
    env = make(game)
    rng = np.random.default_rng(0)
    names = env.get_wrapper_attr("action_names")
    env.reset(seed=0)
    done = 0
    while done < steps:
        env.reset()
        ended = False
        for _ in range(int(rng.integers(7))):
            # Numbers that are left are as likely as the other tokens together.
            mask = env.unwrapped._action_mask()
            numbers = [i for i in np.flatnonzero(mask) if names[i].isdigit()]
            other = rng.integers(len(names) - 1)
            action = rng.choice(numbers) if numbers and rng.random() < 0.5 else other
            ended = any(env.step(int(action))[2:4])
            done += 1
            assert not ended
        _, reason = env.get_wrapper_attr("expert")()
        promised = not reason.endswith("rest =")
        rewards, _ = play_expert(env)
        done += len(rewards)
        assert rewards[-1] == (10 if promised else rewards[-1])
        assert not any(rewards[:-1])


@pytest.mark.parametrize(
    ("game", "cards", "most"), [("EZPoints", ["H9", "S3"], 2), ("Points24", ["H6"] * 4, 13)]
)
def test_the_expert_uses_the_last_room_for_a_formula_and_tries_no_longer_one(game, cards, most):
    """A solution has 3 or 7 tokens; what refused numbers leave of 5 or 20 is just enough or not."""
    env = make(game)
    refused = env.get_wrapper_attr("action_names").index("1")
    for blanks, wins in ((most, True), (most + 1, False)):
        env.reset(options={"cards": cards})
        for _ in range(blanks):
            env.step(refused)
        rewards, _ = play_expert(env)
        assert rewards == ([0.0] * (2 * len(cards) - 1) + [10.0] if wins else [-1.0])


def test_explanations():
    env = make()
    play(env, ["6"], ["CT", "H6", "SK", "D4"])
    expert, explain = env.get_wrapper_attr("expert"), env.get_wrapper_attr("explain")
    action, reason = expert()
    assert reason.startswith("sorted 4 6 10 10, rest ")
    assert reason.split("rest ")[1][0] == TOKENS_10[action]
    assert reason.endswith("=")
    assert explain(16) == "sorted 4 6 10 10, rest ="
    # A number that is refused.
    assert explain(0) == "sorted 4 6 10 10, rest 1" + reason.split("rest ")[1]
