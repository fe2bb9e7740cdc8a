"""Memory's rules: what a move does, what is dealt and told, and what options set."""

from collections import Counter

import numpy as np
import pytest
from card_games import make

from gym_cards.cards import DECK, Card
from gym_cards.memory.rules import deal, known_pairs, name_of, partner

# Q 7 Q 5 above 7 5 A A.
CARDS = ["HQ", "C7", "DQ", "S5", "H7", "D5", "CA", "SA"]


@pytest.fixture
def env():
    env = make("MemorySmall", size=64)
    env.reset(options={"cards": CARDS})
    return env


def play(env, *numbers):
    """Turns up cards by their numbers; returns the rewards, and the last info."""
    steps = [env.step(number - 1) for number in numbers]
    return [reward for _, reward, *_ in steps], steps[-1][4]


def test_a_turn_that_finds_no_pair(env):
    rewards, info = play(env, 1, 2)
    assert rewards == [0, -1]
    assert info["Cards"] == ["HQ", "C7", *"??????"]
    assert info["state"] == {
        "face-up cards": "Q at 1, 7 at 2",
        "face-down cards": "3 4 5 6 7 8",
        "misses left": "3",
    }
    assert info["action_mask"].tolist() == [0, 0, 1, 1, 1, 1, 1, 1]
    # The next card turns both down again.
    rewards, info = play(env, 4)
    assert rewards == [0]
    assert info["Cards"] == [*"???", "S5", *"????"]
    assert info["state"]["misses left"] == "3"


def test_a_pair_leaves_with_the_next_card(env):
    rewards, info = play(env, 1, 3)
    assert rewards == [0, 0]
    assert info["state"]["face-up cards"] == "Q at 1, Q at 3"
    _, info = play(env, 2)
    assert info["Cards"] == ["", "C7", "", *"?????"]
    assert info["state"]["face-down cards"] == "4 5 6 7 8"
    assert info["action_mask"].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("before", "refused"),
    [((1,), 1), ((1, 2), 2), ((1, 3), 1), ((1, 3, 2), 3)],
    ids=["the first card", "a card of a miss", "a card of a pair", "a card that is gone"],
)
def test_refused_numbers(env, before, refused):
    _, info = play(env, *before)
    picture = env.current_observation()
    again, reward, terminated, truncated, after = env.step(refused - 1)
    assert (reward, terminated, truncated) == (-1, False, False)
    assert after["Misses Left"] == info["Misses Left"] - 1
    assert after["Cards"] == info["Cards"]
    # Nothing but the number of misses has changed.
    rows = (again != picture).any(axis=(1, 2)).nonzero()[0]
    assert rows.min() > 56


def test_the_return_is_what_is_left_of_the_misses(env):
    rewards, info = play(env, 1, 2, 3, 1, 2, 5, 4, 6, 7, 8)
    assert rewards == [0, -1, 0, 0, 0, 0, 0, 0, 0, 4]
    assert env._return == info["Misses Left"] == 3
    assert info["is_success"]
    assert not env._playing


def test_a_lost_game(env):
    rewards, info = play(env, 1, 1, 1, 2, 4, 1)
    assert rewards == [0, -1, -1, -1, 0, -1]
    assert not info["is_success"]
    assert not env._playing
    assert env._return == -env.max_misses


def test_nothing_tells_what_is_face_down():
    """Infos, sentences and pictures are the same whatever the cards are that were not shown."""
    other = [*CARDS[:2], "DQ", "C3", "H7", "D3", "CK", "SK"]
    one, two = make("MemorySmall", size=64), make("MemorySmall", size=64)
    seen = [one.reset(options={"cards": CARDS}), two.reset(options={"cards": other})]
    for number in (1, 2, 5, 2, 3):
        assert str(seen[0][-1]) == str(seen[1][-1])
        assert np.array_equal(seen[0][0], seen[1][0])
        assert [one.explain(place) for place in range(8)] == [
            two.explain(place) for place in range(8)
        ]
        assert one.expert() == two.expert()
        assert one.exact() == two.exact()
        seen = [env.step(number - 1) for env in (one, two)]


def test_sentences(env):
    play(env, 1, 2, 5, 4)
    assert env.explain(0) == "1 was Q and its partner has not been seen, so I turn up 1"
    assert env.explain(1) == "2 and 5 were both 7, so I turn up 2"
    assert env.explain(2) == "3 has not been seen, so I turn up 3"
    assert env.explain(3) == "the card at 4 is face up, so that turning it up is a miss"
    assert env.expert() == (1, env.explain(1))
    play(env, 2)
    assert env.explain(0) == "2 is 7 and 1 was Q, so I turn up 1"
    assert env.explain(2) == "2 is 7 and 3 has not been seen, so I turn up 3"
    assert env.expert() == (4, "2 is 7 and 5 was too, so I turn up 5")
    play(env, 5, 3)
    assert env.explain(1) == "the card at 2 has left the table, so that turning it up is a miss"


def test_of_a_pair_the_card_that_is_face_down_comes_first(env):
    play(env, 1, 5, 2, 4)
    assert env.expert() == (4, "5 and 2 were both 7, so I turn up 5")
    play(env, 5)
    assert env.expert() == (1, "5 is 7 and 2 was too, so I turn up 2")


def test_deals():
    rng = np.random.default_rng(0)
    ranks, places = Counter(), Counter()
    for _ in range(400):
        cards = deal(rng, 6, "rank")
        counts = Counter(card.rank for card in cards)
        assert set(counts.values()) == {2}
        assert len(counts) == 6
        assert len(set(cards)) == 12
        ranks.update(counts.keys())
        places[cards.index(next(card for card in cards[1:] if card.rank == cards[0].rank))] += 1
    # Each rank in 6 of 13 deals, and the first card's partner anywhere: four standard errors.
    assert all(abs(count - 400 * 6 / 13) < 40 for count in ranks.values())
    assert set(places) == set(range(1, 12))
    assert max(places.values()) < 400 / 11 + 24
    twins = Counter(deal(rng, 15, "card"))
    assert set(twins.values()) == {2}
    assert set(twins) <= set(DECK)
    assert len(deal(rng, 13, "rank")) == 26


def test_what_is_remembered():
    seen = {4: 7, 1: 3, 9: 7, 2: 3, 0: 5}
    assert known_pairs(seen) == [(1, 2), (4, 9)]
    assert (partner(seen, 9), partner(seen, 0)) == (4, None)


def test_suits_count_if_the_card_has_to_be_the_same():
    env = make("Memory", columns=2, match="card", size=64)
    assert "the same in rank and suit" in env.task_description
    env.reset(options={"cards": ["HQ", "DQ", "HQ", "DQ", "C2", "C2"]})
    rewards, info = play(env, 1, 2)
    assert rewards == [0, -1]
    assert info["state"]["face-up cards"] == "Q of hearts at 1, Q of diamonds at 2"
    assert env.explain(2) == "3 has not been seen, so I turn up 3"
    assert name_of(Card("S", 1), "card") == "A of spades"


@pytest.mark.parametrize(
    ("cards", "told"),
    [
        ([*CARDS[:7], "S2"], "CA, S2 have no partner or several"),
        ([*CARDS[:6], "H5", "C5"], "S5, D5, H5, C5 have no partner or several"),
        (CARDS[:6], "expected 8 cards, got 6"),
    ],
)
def test_options_that_are_no_pairs(env, cards, told):
    with pytest.raises(ValueError, match=told):
        env.reset(options={"cards": cards})


def test_descriptions_tell_the_variant():
    assert "12 cards lie face down in 3 rows of 4" in make("Memory").task_description
    assert "With 6 misses you lose" in make("Memory").task_description
    assert "The first miss ends" in make("Memory", max_misses=1).task_description
