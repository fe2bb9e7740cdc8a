import time

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.cards import RANKS, Card
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
