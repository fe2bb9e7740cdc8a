"""Experts of the points games: they win what can be won, and keep their plans."""

from collections import Counter
from fractions import Fraction
from itertools import combinations_with_replacement
from math import factorial

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.cards import Card
from gym_cards.points import solver

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
