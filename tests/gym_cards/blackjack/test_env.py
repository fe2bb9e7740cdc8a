from collections import Counter
from itertools import product

import gymnasium as gym
import numpy as np
import pytest

import gym_cards  # noqa: F401
from gym_cards.blackjack import odds
from gym_cards.blackjack.rules import (
    INFINITE_DECK,
    count,
    is_natural,
    play_dealer,
    settle,
    total,
    value,
)
from gym_cards.cards import SUITS, Card, deal

STAND, HIT = 0, 1


def hand(*codes):
    return [Card.parse(code) for code in codes]


def draw(rng):
    return deal(rng, 1, INFINITE_DECK)[0]


def play(dealer, rng):
    return play_dealer(dealer, lambda: draw(rng))


def make(**kwargs):
    return gym.make("gym_cards/Blackjack-v0", disable_env_checker=True, **kwargs)


def stand(player, dealer, **kwargs):
    env = make(**kwargs)
    env.reset(options={"player": player, "dealer": dealer})
    return env.step(STAND)


@pytest.mark.parametrize(
    ("codes", "points", "usable"),
    [
        (("HA", "S9"), 20, True),
        (("HA", "SA"), 12, True),
        (("HA", "SK"), 21, True),
        (("HA", "SK", "D5"), 16, False),
        (("HT", "SJ"), 20, False),
        (("HQ", "SK", "D2"), 22, False),
        (("HA", "SA", "D9"), 21, True),
        (("HA", "SA", "DK"), 12, False),
    ],
)
def test_totals(codes, points, usable):
    assert total(hand(*codes)) == points
    assert count(hand(*codes)) == (points, usable)


def test_naturals_go_by_value():
    for rank in "TJQK":
        assert is_natural(hand("HA", f"S{rank}"))
        assert is_natural(hand(f"S{rank}", "HA"))
    assert not is_natural(hand("HA", "S9", "DA"))
    assert not is_natural(hand("HK", "S5", "D6"))
    assert not is_natural(hand("HK", "SQ"))


def test_draws_have_the_exact_distribution():
    rng = np.random.default_rng(0)
    counts = Counter(draw(rng) for _ in range(156_000))
    expected = {Card(suit, rank): 3000 for suit in SUITS for rank in range(1, 10)}
    expected |= {Card(suit, rank): 4000 for suit in SUITS for rank in (11, 12, 13)}
    assert counts.keys() == expected.keys()
    # A chi-square test, 47 degrees of freedom: the 99.9% quantile is 82.7.
    assert sum((counts[c] - share) ** 2 / share for c, share in expected.items()) < 82.7


@pytest.mark.parametrize("rank", [*range(1, 10), 11])
def test_the_dealers_draws_have_the_exact_distribution(rank):
    rng = np.random.default_rng(rank)
    deals = 20_000
    counts = Counter()
    for _ in range(deals):
        dealer = play([Card("C", rank), draw(rng)], rng)
        assert total(dealer) >= 17
        assert total(dealer[:-1]) < 17 or len(dealer) == 2
        counts[total(dealer) if total(dealer) <= 21 else 0] += 1
    distribution = odds.dealer_distribution(min(rank, 10))
    expected = {points: deals * float(share) for points, share in distribution.items() if share}
    assert sum(expected.values()) == pytest.approx(deals)
    # A chi-square test, at most 5 degrees of freedom: the 99.9% quantile is 20.5.
    assert sum((counts[p] - share) ** 2 / share for p, share in expected.items()) < 20.5


@pytest.mark.parametrize(
    ("codes", "stands"),
    [(("CK", "D7"), True), (("CA", "D6"), True), (("CK", "D6"), False), (("CA", "D5"), False)],
)
def test_the_dealer_stands_on_every_17(codes, stands):
    dealer = play(hand(*codes), np.random.default_rng(0))
    assert (len(dealer) == 2) is stands


@pytest.mark.parametrize(
    ("player", "dealer", "plain", "natural", "sab"),
    [
        # A natural wins against less than 21.
        (("HA", "SK"), ("CK", "D9"), 1.0, 1.5, 1.0),
        # It draws with another natural.
        (("HA", "SK"), ("CQ", "DA"), 0.0, 0.0, 0.0),
        # Against another 21 of three cards it draws, unless sab.
        (("HA", "SK"), ("C7", "D7", "S7"), 0.0, 0.0, 1.0),
        # The reverse does not apply.
        (("H7", "S7", "D7"), ("CQ", "DA"), 0.0, 0.0, 0.0),
        # No bonus for an ordinary win.
        (("HK", "SQ"), ("CK", "D9"), 1.0, 1.0, 1.0),
        (("HK", "S5", "D6"), ("CK", "D9"), 1.0, 1.0, 1.0),
        (("HK", "S8"), ("CK", "D9"), -1.0, -1.0, -1.0),
        # The dealer goes over 21.
        (("HK", "S2"), ("CK", "D6", "S9"), 1.0, 1.0, 1.0),
    ],
)
def test_settlement(player, dealer, plain, natural, sab):
    player, dealer = hand(*player), hand(*dealer)
    assert settle(player, dealer) == plain
    assert settle(player, dealer, natural=True) == natural
    assert settle(player, dealer, sab=True) == sab
    assert settle(player, dealer, natural=True, sab=True) == sab


def test_natural_and_sab_reach_the_environment():
    player, dealer = ["HA", "SK"], ["CK", "D9"]
    assert stand(player, dealer)[1] == 1.0
    assert stand(player, dealer, natural=True)[1] == 1.5
    assert stand(player, dealer, natural=True, sab=True)[1] == 1.0


@pytest.mark.parametrize(("natural", "sab"), list(product([False, True], repeat=2)))
def test_agrees_with_gymnasiums_blackjack(natural, sab):
    """Given the same hands, standing pays what Gymnasium's Blackjack-v1 pays."""
    theirs = gym.make("Blackjack-v1", natural=natural, sab=sab).unwrapped
    rng = np.random.default_rng(0)
    for _ in range(300):
        player = [draw(rng), draw(rng)]
        if rng.random() < 0.5:
            player = [Card("H", 1), Card("S", 12)]
        # The dealer does not draw, so that no randomness is left.
        dealer = play([draw(rng), draw(rng)], rng)
        theirs.reset(seed=0)
        theirs.player = [value(card) for card in player]
        theirs.dealer = [value(card) for card in dealer]
        assert settle(player, dealer, natural=natural, sab=sab) == theirs.step(STAND)[1]


def test_hitting_until_bust():
    env = make()
    env.reset(seed=0, options={"player": ["HK", "SQ", "DA"], "dealer": ["C9", "D8"]})
    _, reward, terminated, truncated, info = env.step(HIT)
    assert (reward, terminated, truncated) == (-1.0, True, False)
    assert len(info["Player Card"]) == 4
    assert info["Dealer Card"] == [(9, "9", "C"), (8, "8", "D")]


def test_the_hidden_card_is_hidden_until_the_end():
    env = make()
    _, info = env.reset(options={"player": ["H2", "S2"], "dealer": ["CK", "D6"]})
    hidden = [(10, "K", "C")]
    assert info["Dealer Card"] == hidden
    assert "6" not in str(info["state"])
    _, _, terminated, _, info = env.step(HIT)
    assert not terminated
    assert info["Dealer Card"] == hidden
    _, _, terminated, _, info = env.step(STAND)
    assert terminated
    assert info["Dealer Card"][:2] == [(10, "K", "C"), (6, "6", "D")]
    assert len(info["Dealer Card"]) >= 3


def test_the_picture_does_not_depend_on_the_hidden_card():
    env = make(render_mode="rgb_array")
    pictures = [
        env.reset(options={"player": ["H2", "S2"], "dealer": ["CK", code]})[0]
        for code in ("D6", "HA")
    ]
    assert np.array_equal(*pictures)
    assert np.array_equal(env.step(STAND)[0], pictures[0])


def test_state_and_published_info():
    _, info = make().reset(options={"player": ["HA", "S9", "CJ"], "dealer": ["DQ", "C2"]})
    assert info["state"] == {"player cards": "A 9 J", "dealer card": "Q", "player total": "20"}
    assert info["Player Card"] == [(1, "A", "H"), (9, "9", "S"), (10, "J", "C")]
    assert info["given"] == ()


def test_the_numbers_alone():
    env = make(is_pixel=False, render_mode="rgb_array")
    obs, _ = env.reset(options={"player": ["HA", "S9"], "dealer": ["DA", "C2"]})
    assert obs == (20, 1, 1)
    assert obs in env.observation_space
    obs, _ = env.reset(options={"player": ["HA", "S9", "HQ"], "dealer": ["DK", "C2"]})
    assert obs == (20, 10, 0)
    obs, *_ = env.step(HIT)
    assert obs in env.observation_space
    assert env.render().shape == (300, 300, 3)


def test_the_longest_hand_can_be_drawn():
    env = make()
    obs, info = env.reset(options={"player": ["HA"] * 21, "dealer": ["DA", "C2"]})
    assert info["state"]["player total"] == "21"
    assert obs in env.observation_space
    obs, _, terminated, *_ = env.step(HIT)
    assert terminated
    assert obs in env.observation_space


@pytest.mark.parametrize(
    "options",
    [
        {"player": ["HA", "S9"]},
        {"player": ["HA"], "dealer": ["CK", "D5"]},
        {"player": ["HK", "SK", "D2"], "dealer": ["CK", "D5"]},
        {"player": ["HA", "S9"], "dealer": ["CK"]},
        {"player": ["HA", "S9"], "dealer": ["CK", "D5", "D2"]},
        {"player": "HAS9", "dealer": ["CK", "D5"]},
        {"player": [1, 9], "dealer": ["CK", "D5"]},
        {"player": ["HA", "S9"], "dealer": ["CK", "D5"], "cards": []},
    ],
)
def test_impossible_options(options):
    with pytest.raises(ValueError, match="expected"):
        make().reset(options=options)


@pytest.mark.parametrize("argument", ["natural", "sab", "is_pixel", "reveal_dealer"])
def test_bad_flags(argument):
    with pytest.raises(ValueError, match=f"{argument}='yes': expected True or False"):
        make(**{argument: "yes"})


def test_the_description_tells_the_bonus():
    plain = make().get_wrapper_attr("task_description")
    assert "one and a half" in make(natural=True).get_wrapper_attr("task_description")
    assert "win against everything" in make(sab=True).get_wrapper_attr("task_description")
    assert "one and a half" not in plain
    assert "win against everything" not in plain


def test_explanations():
    env = make()
    env.reset(options={"player": ["HK", "S4"], "dealer": ["DK", "C2"]})
    assert env.get_wrapper_attr("expert")() == (HIT, "hard 14 against K, so I hit")
    assert env.get_wrapper_attr("explain")(STAND) == "hard 14 against K, so I stand"
    env.reset(options={"player": ["HA", "S8"], "dealer": ["D6", "C2"]})
    assert env.get_wrapper_attr("expert")() == (STAND, "soft 19 against 6, so I stand")


def test_the_two_objectives_differ_somewhere():
    env = make()
    expert = env.get_wrapper_attr("expert")
    differing = 0
    ranks = "A23456789K"
    for first, second, dealer in product(ranks, ranks, ranks):
        env.reset(options={"player": [f"H{first}", f"S{second}"], "dealer": [f"D{dealer}", "C2"]})
        differing += expert()[0] != expert(objective="wins")[0]
    assert differing > 0
    with pytest.raises(ValueError, match="objective"):
        expert(objective="draws")


def play_many(objective, episodes, seed, **kwargs):
    env = make(is_pixel=False, **kwargs).unwrapped
    env.reset(seed=seed)
    rewards = []
    for _ in range(episodes):
        terminated = False
        while not terminated:
            _, reward, terminated, _, _ = env.step(env.expert(objective=objective)[0])
        rewards.append(reward)
        env.reset()
    return np.array(rewards)


def test_the_exact_limits():
    reward, wins = map(odds.game_value, ("reward", "wins"))
    assert round(float(reward.mean_reward), 4) == -0.0466
    assert round(100 * float(reward.win_rate), 1) == 42.9
    assert round(100 * float(wins.win_rate), 1) == 43.2


@pytest.mark.parametrize("episodes", [20_000, pytest.param(400_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("objective", ["reward", "wins"])
def test_the_expert_reaches_the_exact_limit(objective, episodes):
    rewards = play_many(objective, episodes, seed=1)
    limit = odds.game_value(objective)
    # Four standard errors.
    assert abs((rewards > 0).mean() - float(limit.win_rate)) < 4 * 0.5 / episodes**0.5
    assert abs(rewards.mean() - float(limit.mean_reward)) < 4 * rewards.std() / episodes**0.5


@pytest.mark.parametrize("kwargs", [{"natural": True}, {"sab": True}], ids=str)
def test_the_expert_reaches_the_limit_of_the_other_payments(kwargs):
    episodes = 20_000
    rewards = play_many("reward", episodes, seed=2, **kwargs)
    limit = odds.game_value("reward", **kwargs)
    assert abs(rewards.mean() - float(limit.mean_reward)) < 4 * rewards.std() / episodes**0.5
