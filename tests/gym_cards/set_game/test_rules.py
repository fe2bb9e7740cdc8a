"""SET's rules: what is a set, what is dealt, what a pick does, and what is told."""

import itertools
from collections import Counter

import numpy as np
import pytest
from card_games import make

from gym_cards.core.search import search
from gym_cards.set_game.rules import DECK, card_named, deal, deck_of, sets_among, third

# 1, 2, 3 are a set; so are 1, 4, 5.
CARDS = [
    "one red solid oval",
    "two blue striped diamonds",
    "three orange open bows",
    "one blue solid oval",
    "one orange solid oval",
    "two red solid bows",
]


@pytest.fixture
def env():
    env = make("SET", num_cards=6, size=64)
    env.reset(options={"cards": CARDS})
    return env


def alike_or_different(cards):
    return all(len(set(values)) != 2 for values in zip(*cards, strict=True))


def test_two_cards_have_one_third():
    assert len(DECK) == len(set(DECK)) == 81
    for one, other in itertools.combinations(DECK[::3], 2):
        (last,) = [
            card
            for card in DECK
            if card not in (one, other) and alike_or_different((one, other, card))
        ]
        assert third(one, other) == last


def test_all_sets_are_found():
    rng = np.random.default_rng(0)
    counts = Counter()
    for _ in range(60):
        cards = [DECK[index] for index in rng.permutation(81)[:9]]
        expected = [
            places
            for places in itertools.combinations(range(9), 3)
            if alike_or_different([cards[place] for place in places])
        ]
        assert sets_among(cards) == expected
        counts[len(expected)] += 1
    assert len(counts) > 3
    # Of all cards each pair is in one set, and each set has three pairs.
    assert len(sets_among(DECK)) == 81 * 80 // 6
    assert len(sets_among(deck_of(3))) == 27 * 26 // 6


def test_names_are_words():
    assert len({card.name for card in DECK}) == 81
    assert all(card_named(card.name) == card for card in DECK)
    assert card_named("two red striped ovals").name == "two red striped ovals"
    for wrong in ("two red striped oval", "red ovals", "", None, 3):
        with pytest.raises(ValueError, match="is not a card: expected a number, a colour"):
            card_named(wrong)


def test_deals():
    rng = np.random.default_rng(0)
    seen, number = Counter(), Counter()
    for _ in range(300):
        cards, sets = deal(rng, 12, 4, None)
        assert len(set(cards)) == 12
        assert sets == sets_among(cards)
        seen.update(cards)
        number[len(sets)] += 1
    assert min(number) == 1
    # As the docstring says: four standard errors.
    assert abs(number[1] / 300 - 0.15) < 0.09
    assert abs(number[2] / 300 - 0.27) < 0.11
    assert len(seen) == 81
    assert max(seen.values()) < 300 * 12 / 81 + 28
    for sets in (1, 3):
        assert len(deal(rng, 9, 3, sets)[1]) == sets
    assert {card.shading for card in deal(rng, 12, 3, None)[0]} == {0}


def play(env, *numbers):
    steps = [env.step(number - 1) for number in numbers]
    return [step[1] for step in steps], steps[-1]


def test_a_set(env):
    rewards, (*_, terminated, truncated, info) = play(env, 3, 1, 2)
    assert rewards == [0, 0, 10]
    assert (terminated, truncated, info["is_success"]) == (True, False, True)
    assert info["Picked"] == [3, 1, 2]
    assert info["state"]["picked"] == "3 1 2"
    assert list(info["state"].values())[:6] == info["Cards"] == CARDS


def test_no_set(env):
    rewards, (*_, terminated, truncated, info) = play(env, 1, 2, 4)
    assert rewards == [0, 0, -1]
    assert (terminated, truncated, info["is_success"]) == (True, False, False)


def test_refused_picks_cost_and_end_the_episode(env):
    rewards, (picture, *_, info) = play(env, 1, 1)
    assert rewards == [0, -1]
    assert info["action_mask"].tolist() == [0, 1, 1, 1, 1, 1]
    again, _, _, truncated, info = env.step(0)
    assert not truncated
    assert np.array_equal(picture, again)
    rewards, (*_, terminated, truncated, info) = play(env, 1, 4, 5)
    # The sixth step decides.
    assert rewards == [-1, 0, 10]
    assert (terminated, truncated, info["is_success"]) == (True, False, True)
    env.reset(options={"cards": CARDS})
    rewards, (*_, terminated, truncated, _) = play(env, 1, 4, 1, 1, 4, 4)
    assert (terminated, truncated) == (False, True)


def test_sentences(env):
    alike = "1, 2 and 3 have three numbers, three colours, three shadings and three shapes"
    assert env.expert() == (0, f"{alike}, so I pick 1")
    assert env.explain(5) == "no set here has 6; I pick 6"
    play(env, 1)
    assert env.explain(0) == "1 is picked already, so that picking it again is refused"
    assert env.explain(5) == "no set here has 6 and 1; I pick 6"
    assert env.explain(4) == (
        "1, 4 and 5 have the same number, three colours, the same shading and the same shape, "
        "so I pick 5"
    )
    play(env, 2)
    assert env.expert()[0] == 2
    assert env.explain(3) == (
        "1, 2 and 4 have two numbers, two colours, two shadings and two shapes, which is no set; "
        "I pick 4"
    )
    # Solid cards have no shading to speak of.
    small = make("SETSmall", size=64)
    small.reset(seed=0)
    assert "shading" not in small.expert()[1] + small.task_description


def test_values(env):
    known = env.exact(0.9)
    assert known.action_values == pytest.approx([8.1] * 5 + [-0.81])
    assert known.success_probability == 1
    env.step(5)
    known = env.exact(0.5)
    # Nothing can be won: the loss comes with the third card, or with each refused pick.
    assert known.action_values == pytest.approx([-0.5] * 5 + [-1 + 0.5 * -0.5])
    assert known.success_probability == 0


@pytest.mark.parametrize("gamma", [0.5, 1.0])
@pytest.mark.parametrize("picks", [(1, 1, 1), (6, 6, 6), (1, 2), (1, 6), (1, 2, 2, 2, 2)])
def test_values_are_those_of_trying_every_move(env, picks, gamma):
    play(env, *picks)
    known, found = env.exact(gamma), search(env, gamma)
    assert known.action_values == pytest.approx(found.action_values)
    assert known.success_probability == found.success_probability


def test_the_expert_wins_every_deal_that_has_a_set():
    for env_id in ("SET", "SETSmall"):
        env = make(env_id, size=64)
        env.lazy_observations = True
        for seed in range(40):
            env.reset(seed=seed)
            for _ in range(3):
                env.step(env.expert()[0])
            assert env._return == 10


def test_where_no_set_is_left_the_expert_picks_on(env):
    play(env, 6)
    assert env.expert() == (0, "no set here has 1 and 6; I pick 1")


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        (CARDS[:5], "expected 6 different cards, got 5"),
        ([*CARDS[:5], CARDS[0]], "got 6, of which 5 are different"),
        ([*CARDS[:5], "one red oval"], "'one red oval' is not a card"),
        ("one red solid oval", "expected a list of card names"),
    ],
)
def test_options_that_are_no_cards(env, cards, told):
    with pytest.raises(ValueError, match=told):
        env.reset(options={"cards": cards})
    with pytest.raises(ValueError, match="expected solid cards alone"):
        make("SETSmall").reset(options={"cards": CARDS})
