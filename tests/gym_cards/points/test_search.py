"""The search that an expert of Points24 writes out."""

import itertools
import re

import gymnasium as gym
import pytest

from gym_cards.points.formula import evaluate_exact
from gym_cards.points.search import MAX_FAILURES, MAX_VALUE, Move, moves, search, ways
from gym_cards.points.solver import is_solvable

HANDS = [
    hand
    for hand in itertools.combinations_with_replacement(range(1, 11), 4)
    if is_solvable(hand, 24)
]
EQUATION = re.compile(r"(\d+)([-+*/])(\d+)=(\d+)")


def made(equation):
    """The move of an equation, of which the arithmetic is checked."""
    left, sign, right, value = EQUATION.fullmatch(equation).groups()
    assert evaluate_exact([int(left), sign, int(right)]) == int(value)
    return Move(int(left), sign, int(right), int(value))


def test_moves_by_hand():
    assert moves((2, 6)) == {
        Move(2, "+", 6, 8): (8,),
        Move(6, "-", 2, 4): (4,),
        Move(2, "*", 6, 12): (12,),
        Move(6, "/", 2, 3): (3,),
    }
    assert moves((0, 5)).keys() == {Move(0, "+", 5, 5), Move(5, "-", 0, 5), Move(0, "*", 5, 0)}
    assert Move(4, "+", 9, 13) in moves((2, 4, 9))
    assert moves((2, 4, 9))[Move(4, "+", 9, 13)] == (2, 13)
    assert all(move.value <= MAX_VALUE for move in moves((20, 30)))


def test_ways_by_hand():
    assert ways((24,), 24) == 1
    assert ways((3, 8), 24) == 1
    assert ways((1, 24), 24) == 2, "24 * 1 and 24 / 1"
    assert ways((5, 7), 24) == 0
    # 3-1=2 leaves 2 12; 12*3=36 leaves 1 36 and 12*1, 12/1 leave 3 12: only 2*12 makes 24.
    assert ways((1, 3, 12), 24) == 1


def test_every_hand_is_won_by_true_words():
    missed = []
    for hand in HANDS:
        for seed in range(3):
            found = search(hand[::-1], 24, seed)
            if found is None:
                missed.append(hand)
                continue
            assert evaluate_exact(found.plan, hand) == 24
            left, failures = hand, 0
            for words in found.words.split(", "):
                equation, _, rest = words.partition(" ")
                numbers = tuple(int(word) for word in rest.split() if word != "no")
                after = moves(left)[made(equation)]
                assert numbers == (after if len(after) > 1 else ())
                if rest.endswith(" no"):
                    assert left == hand, "only pairs of the whole hand are given up"
                    assert ways(after, 24) == 0
                    failures += 1
                else:
                    assert ways(after, 24) > 0
                    left = after
            assert left == (24,)
            assert failures <= MAX_FAILURES
    assert len(HANDS) == 566
    assert len(set(missed)) == 10
    assert {(1, 3, 4, 6), (1, 5, 5, 5), (3, 3, 7, 7), (3, 3, 8, 8)} < set(missed)
    assert missed == sorted([*set(missed)] * 3), "whatever the seed"


def test_a_seed_decides_what_is_tried_and_found():
    found = [search((2, 4, 6, 8), 24, seed) for seed in range(40)]
    assert found == [search((8, 6, 4, 2), 24, seed) for seed in range(40)]
    assert len({each.plan for each in found}) > 10
    assert len({each.words.count(" no") for each in found}) > 3
    # A pair that is given up is named once.
    for each in found:
        tried = [words for words in each.words.split(", ") if words.endswith("no")]
        assert len(set(tried)) == len(tried)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"rules": "exact"},
        {"rules": "published"},
        {"rules": "exact", "treat_face_cards_as_10": False},
        {"rules": "exact", "num_cards": 5, "target_points": 36},
        {"rules": "exact", "end_when_lost": True},
    ],
)
def test_the_expert_writes_its_search_before_the_first_token_alone(kwargs):
    env = gym.make(
        "gym_cards/Points24-v0", **{"hands": "solvable", "reasons": "search", **kwargs}
    ).unwrapped
    searched = 0
    for seed in range(20):
        env.reset(seed=seed)
        first, reason = env.expert()
        numbers, *written, rest = reason.split(", ")
        assert numbers == "sorted " + " ".join(map(str, sorted(env._numbers)))
        if written:
            searched += 1
            assert EQUATION.fullmatch(written[-1])[4] == str(env.target_points)
        plan = rest.removeprefix("rest ")
        total, done = 0.0, False
        while not done:
            action, now = env.expert()
            assert now == env.explain(action)
            # Neither a word about another move nor coming back from a snapshot changes the plan.
            env.explain((action + 1) % len(env.action_names))
            env.restore(env.snapshot())
            assert env.expert() == (action, now)
            if action != first or plan != rest.removeprefix("rest "):
                assert now == f"{numbers}, rest {plan}"
            plan = plan.removeprefix(env.action_names[action])
            _, reward, done, _, _ = env.step(action)
            total += reward
        assert plan == ""
        assert total == 10
    assert searched > 15


def test_words_do_not_change_what_is_dealt_and_come_back_with_a_snapshot():
    plain = gym.make("gym_cards/Points24-v0").unwrapped
    aloud = gym.make("gym_cards/Points24-v0", reasons="search").unwrapped
    reasons = set()
    for episode in range(20):
        seed = 5 if episode == 0 else None
        _, one = plain.reset(seed=seed)
        _, other = aloud.reset(seed=seed)
        assert one["Cards"] == other["Cards"]
        reasons.add(aloud.expert()[1])
        saved, told = aloud.snapshot(), aloud.expert()
        aloud.begin()
        aloud.restore(saved)
        assert aloud.expert() == told
    assert len(reasons) > 15
    assert sum(" no, " in reason for reason in reasons) > 5
    with pytest.raises(ValueError, match="expected one of"):
        plain.restore(aloud.snapshot())


def test_what_cannot_be_searched_is_told_as_a_plan():
    env = gym.make("gym_cards/Points24-v0", rules="exact", reasons="search").unwrapped
    env.reset(options={"cards": ["S3", "H3", "D8", "C8"]})
    assert env.expert()[1] == "sorted 3 3 8 8, rest 8/(3-8/3)="


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"reasons": "aloud"}, "reasons.*'plan'.*'search'"),
        ({"reasons": "search", "num_cards": 6}, "expected at most 5 cards"),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        gym.make("gym_cards/Points24-v0", **kwargs)
