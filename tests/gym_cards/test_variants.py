"""What is dealt and told in every variant, against counts and searches made here."""

from collections import Counter
from itertools import pairwise

import gymnasium as gym
import pytest
from card_games import IDS, hands_of, make, ranks

from gym_cards.cards import DECK, RANKS, Card, dyed
from gym_cards.video_poker.rules import HANDS

REGISTERED = {
    "NumberLine": ("NumberLine", {}),
    "NumberLineLong": ("NumberLine", {"max_position": 20}),
    "NumberLineDrawn": ("NumberLine", {"display": "line"}),
    "EZPoints": ("EZPoints", {}),
    "EZPointsTrain": ("EZPoints", {"split": "train"}),
    "EZPointsTest": ("EZPoints", {"split": "test"}),
    "Points24": ("Points24", {}),
    "Points24Exact": ("Points24", {"rules": "exact"}),
    "Points24Train": ("Points24", {"hands": "solvable", "split": "train"}),
    "Points24Test": ("Points24", {"hands": "solvable", "split": "test"}),
    "Points24Faces": ("Points24", {"treat_face_cards_as_10": False}),
    "Points24Black": ("Points24", {"suits": "black"}),
    "Points24Red": ("Points24", {"suits": "red"}),
    "Points24FourColours": ("Points24", {"four_colours": True}),
    "Points24AsRead": ("Points24", {"notation": "as_read"}),
    "Blackjack": ("Blackjack", {}),
    "BlackjackDeck": ("Blackjack", {"decks": 1}),
    "Memory": ("Memory", {}),
    "MemorySmall": ("Memory", {"rows": 2}),
    "MemoryLarge": ("Memory", {"rows": 4, "columns": 6}),
    "SET": ("SET", {}),
    "SETSmall": ("SET", {"num_cards": 6, "num_features": 3}),
    "VideoPoker": ("VideoPoker", {}),
    "VideoPokerAllAmerican": ("VideoPoker", {"pays": "all american"}),
    "FreeCell": ("FreeCell", {}),
    "FreeCellTiny": (
        "FreeCell",
        {"num_suits": 2, "num_ranks": 4, "num_columns": 3, "num_cells": 1},
    ),
    "FreeCellFull": (
        "FreeCell",
        {"num_ranks": 13, "num_columns": 8, "num_cells": 4, "size": 600},
    ),
}
FLAT = dict.fromkeys(HANDS[1:], 2)
COLOURS = {"any": set("CDHS"), "red": set("DH"), "black": set("CS")}
points_games = pytest.mark.parametrize("game", ["EZPoints", "Points24"])


# Ids


def test_the_registered_variants():
    assert [f"gym_cards/{name}-v0" for name in sorted(REGISTERED)] == IDS
    for name, (game, kwargs) in REGISTERED.items():
        spec = gym.spec(f"gym_cards/{name}-v0")
        assert spec.entry_point.endswith(f":{game}Env")
        assert spec.vector_entry_point == f"{spec.entry_point.removesuffix('Env')}VectorEnv"
        assert spec.kwargs == kwargs
        assert spec.max_episode_steps is None


# Suits and order


@pytest.mark.parametrize("suits", ["red", "black"])
@pytest.mark.parametrize("game", ["EZPoints", "Points24", "Blackjack"])
def test_suits_change_nothing_but_suits(game, suits):
    plain = hands_of(make(game), 60)
    coloured = hands_of(make(game, suits=suits), 60)
    assert [ranks(hand) for hand in coloured] == [ranks(hand) for hand in plain]
    counts = Counter(card.suit for hand in coloured for card in hand)
    assert counts.keys() == COLOURS[suits]
    # Both suits are as likely: four standard errors.
    assert abs(max(counts.values()) / counts.total() - 0.5) < 2 / counts.total() ** 0.5


def test_dyeing_keeps_ranks_and_halves_the_suits():
    for suits, kept in COLOURS.items():
        cards = dyed(DECK, suits)
        assert ranks(cards) == ranks(DECK)
        copies = 52 // (13 * len(kept))
        assert Counter(cards) == {Card(s, r): copies for s in kept for r in RANKS}
        # Those of the wanted suits stay as they are.
        assert all(new == old for new, old in zip(cards, DECK, strict=True) if old.suit in kept)
    with pytest.raises(ValueError, match="suits='green': expected 'any', 'red' or 'black'"):
        dyed(DECK, "green")


@points_games
def test_order(game):
    dealt, ascending, descending = (
        [ranks(hand) for hand in hands_of(make(game, num_cards=4, hands="any", order=order), 40)]
        for order in ("dealt", "ascending", "descending")
    )
    assert ascending == [sorted(hand) for hand in dealt]
    assert descending == [hand[::-1] for hand in ascending]
    assert any(hand not in (sorted(hand), sorted(hand)[::-1]) for hand in dealt)


def test_options_are_laid_out_as_given():
    env = make("Points24", order="ascending", suits="red")
    _, info = env.reset(options={"cards": ["CK", "S2", "HA", "D9"]})
    assert info["Cards"] == ["CK", "S2", "HA", "D9"]


# Mistakes


@pytest.mark.parametrize(
    ("game", "kwargs", "told"),
    [
        ("Points24", {"suits": "green"}, "suits='green': expected 'any', 'red' or 'black'"),
        ("Blackjack", {"suits": None}, "suits=None: expected 'any', 'red' or 'black'"),
        ("Points24", {"order": "random"}, "order='random': expected 'dealt', 'ascending' or"),
        ("Points24", {"notation": "joined"}, "notation='joined': expected 'published' or 'as_read"),
        ("EZPoints", {"hands": "some"}, "hands='some': expected 'any', 'solvable' or"),
        ("EZPoints", {"split": "validation"}, "split='validation': expected None, 'train' or"),
        ("Points24", {"num_cards": 1}, "num_cards=1: expected a whole number of at least 2"),
        ("EZPoints", {"num_cards": 7}, "num_cards=7: expected 2 to 6"),
        ("EZPoints", {"num_cards": 2.0}, "num_cards=2.0: expected a whole number"),
        ("EZPoints", {"treat_face_cards_as_10": 1}, "treat_face_cards_as_10=1: expected True or"),
        ("Points24", {"num_cards": 2, "target_points": 999, "hands": "solvable"}, "there are none"),
        ("EZPoints", {"num_cards": 6, "target_points": 10**9}, "there are none, or too few"),
        ("EZPoints", {"target_points": 20, "split": "test"}, "there are none"),
        ("Blackjack", {"decks": 0}, "decks=0: expected a whole number of at least 1"),
        ("Blackjack", {"decks": 9}, "decks=9: expected at most 8"),
        ("Blackjack", {"decks": 1.0}, r"decks=1.0: expected a whole number"),
        ("Blackjack", {"decks": True}, "decks=True: expected a whole number"),
        ("Memory", {"rows": 1}, "rows=1: expected a whole number of at least 2"),
        ("Memory", {"rows": 6}, "rows=6, columns=4: expected at most 5 rows of at most 6"),
        ("Memory", {"columns": 3}, "columns=3: .* an even number"),
        ("Memory", {"rows": 5, "columns": 6}, "expected at most 26 cards with match='rank'"),
        ("Memory", {"match": "suit"}, "match='suit': expected 'rank' or 'card'"),
        ("Memory", {"max_misses": 0}, "max_misses=0: expected a whole number of at least 1"),
        ("Memory", {"max_misses": 101}, "max_misses=101: expected at most 100"),
        ("SET", {"num_cards": 13}, "num_cards=13: expected 3 to 12"),
        ("SET", {"num_features": 2}, "num_features=2: expected 3 or 4"),
        ("SET", {"num_sets": 0}, "num_sets=0: expected a whole number of at least 1"),
        ("SET", {"num_cards": 4, "num_sets": 2}, "num_sets=2 with .* there are no such deals"),
        ("VideoPoker", {"pays": "9/7"}, "pays='9/7': expected one of '9/6', '8/5', '6/5', 'all"),
        ("VideoPoker", {"pays": 9}, "pays=9: expected one of '9/6'"),
        ("VideoPoker", {"pays": {"flush": 6}}, "expected exactly the hands 'jacks or better', "),
        ("VideoPoker", {"pays": {**FLAT, "flush": -1}}, r"pays\['flush'\]=-1: expected a whole"),
        ("VideoPoker", {"pays": {**FLAT, "flush": 1.5}}, r"pays\['flush'\]=1.5: expected a whole"),
        ("VideoPoker", {"pays": {**FLAT, "flush": True}}, r"pays\['flush'\]=True: expected a"),
        ("FreeCell", {"num_suits": 1}, "num_suits=1: expected 2 to 4"),
        ("FreeCell", {"num_ranks": 14}, "num_ranks=14: expected 2 to 13"),
        ("FreeCell", {"num_columns": 6.0}, "num_columns=6.0: expected a whole number"),
        ("FreeCell", {"num_cells": 0}, "num_cells=0: expected 1 to 4"),
        ("FreeCell", {"num_columns": 3, "num_cells": 1}, "of the first 8 none was"),
    ],
    ids=str,
)
def test_bad_arguments(game, kwargs, told):
    with pytest.raises(ValueError, match=told):
        make(game, **kwargs)


# Descriptions


def test_descriptions_tell_the_variant():
    plain = make("Blackjack").task_description
    assert "deck" not in plain
    assert "one deck of 52" in make("BlackjackDeck").task_description
    assert "6 decks of 52" in make("Blackjack", decks=6).task_description
    assert "between 0 and 5" in make("NumberLine").task_description
    assert "between 0 and 20" in make("NumberLineLong").task_description
    drawn = make("NumberLineDrawn").task_description
    assert "a flag marks the target number and an arrow the current number" in drawn
    assert "from 0 to 5" in drawn
    texts = [make(env_id).task_description for env_id in ("Points24", "Points24Faces", "EZPoints")]
    assert all(one != other for one, other in pairwise(sorted(texts)))
