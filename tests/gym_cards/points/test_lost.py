"""Games that end as soon as they cannot be won, checked by trying every continuation."""

import itertools
from functools import cache

import gymnasium as gym
import pytest

import gym_cards  # noqa: F401
from gym_cards.points.rules import is_correct, numbers_left


def make(game, **kwargs):
    made = gym.make(f"gym_cards/{game}-v0", disable_env_checker=True, **kwargs)
    return made, made.get_wrapper_attr("action_names")


def winnable_by(numbers, target, tokens, max_length, rules):
    """Whether a formula can be completed, by trying all ways."""

    @cache
    def winnable(formula):
        if len(formula) > max_length:
            return False
        if is_correct(formula, numbers, target, rules):
            return True
        left = numbers_left(numbers, formula)
        after = {" " if isinstance(t, int) and t not in left else t for t in tokens}
        return any(winnable((*formula, token)) for token in after)

    return winnable


@pytest.mark.parametrize(
    ("cards", "numbers"),
    [
        (["H2", "SK"], (2, 10)),
        (["H6", "S6"], (6, 6)),
        (["HA", "S2"], (1, 2)),  # wins as 12 alone, which no expert writes
        (["H5", "S5"], (5, 5)),
    ],
)
def test_ezpoints_ends_where_it_is_lost(cards, numbers):
    tokens = (*sorted(set(numbers)), 9, "+", "*")
    check("EZPoints", cards, numbers, tokens, winnable_by(numbers, 12, tokens, 5, "published"), 4)


def test_exact_arithmetic_ends_where_it_is_lost():
    numbers = (3, 8)
    tokens = (3, 8, 9, "+", "-", "*", "/", "(", ")")
    # 3*8 and 8*3 in brackets are all that wins.
    winnable = winnable_by(numbers, 24, (3, 8, "*", ")"), 7, "exact")
    cards = ["H3", "S8"]
    check("Points24", cards, numbers, tokens, winnable, 2, num_cards=2, rules="exact")


def check(game, cards, numbers, tokens, winnable, length, **kwargs):
    """Plays all choices of so many tokens in the environment."""
    env, names = make(game, end_when_lost=True, **kwargs)
    ended = 0
    for choice in itertools.product(tokens, repeat=length):
        env.reset(options={"cards": cards})
        formula = ()
        for token in choice:
            refused = isinstance(token, int) and token not in numbers_left(numbers, formula)
            formula = (*formula, " " if refused else token)
            _, reward, terminated, truncated, info = env.step(names.index(str(token)))
            lost = not winnable(formula)
            assert (terminated, truncated) == (lost, False), formula
            assert reward == -refused - lost, formula
            assert info["Formula"] == list(formula), "the last token is shown"
            if terminated:
                assert not info["is_success"]
                ended += 1
                break
    assert ended


def test_what_is_won_is_won_as_ever():
    env, names = make("Points24", rules="exact", end_when_lost=True)
    env.reset(options={"cards": ["H4", "CT", "S6", "DK"]})
    for token in ("10", "-", "10", "+", "4", "*", "6"):
        _, reward, terminated, _, _ = env.step(names.index(token))
        assert (reward, terminated) == (0, False), token
    _, reward, terminated, _, info = env.step(names.index("="))
    assert (reward, terminated, info["is_success"]) == (10, True, True)


def test_a_hand_without_solution_ends_with_its_first_token():
    env, names = make("Points24", rules="exact", end_when_lost=True)
    env.reset(options={"cards": ["HA", "CA", "SA", "DA"]})
    _, reward, terminated, truncated, _ = env.step(names.index("1"))
    assert (reward, terminated, truncated) == (-1, True, False)


@pytest.mark.parametrize("game", ["EZPoints", "Points24"])
def test_the_exact_values_know_of_it(game):
    env, names = make(game, end_when_lost=True, hands="any")
    cards = ["H5", "S5", "C5", "D2"][: 2 if game == "EZPoints" else 4]
    env.reset(options={"cards": cards})
    values = env.get_wrapper_attr("exact")(gamma=0.9).action_values
    plain, _ = make(game, hands="any")
    plain.reset(options={"cards": cards})
    for name, lost, ever in zip(
        names, values, plain.get_wrapper_attr("exact")(gamma=0.9).action_values, strict=True
    ):
        if name == "=" or ever > 0:
            assert lost == ever
        else:
            assert lost == -1 - (name.isdigit() and all(card[1] != name for card in cards))
            assert ever > lost, "waiting is better where it is allowed"


@pytest.mark.parametrize("rules", ["published", "exact"])
def test_a_correct_formula_that_became_too_long_is_lost(rules):
    env, names = make("Points24", rules=rules, end_when_lost=True)
    env.reset(options={"cards": ["H6", "S6", "C6", "D6"]})
    for token in ("6", "+", "6", "+", "6", "+", "6"):
        env.step(names.index(token))
    for blank in range(14):
        _, reward, terminated, _, _ = env.step(names.index("9"))
        assert (reward, terminated) == ((-2, True) if blank == 13 else (-1, False))


def test_a_snapshot_goes_on_alike():
    env, names = make("Points24", rules="exact", end_when_lost=True)
    other, _ = make("Points24", rules="exact", end_when_lost=True)
    env.reset(options={"cards": ["H4", "CT", "S6", "DK"]})
    env.step(names.index("10"))
    other.reset(seed=1)
    other.unwrapped.restore(env.unwrapped.snapshot())
    for token in ("-", "10", "*"):
        steps = [each.step(names.index(token))[1:4] for each in (env, other)]
        assert steps[0] == steps[1]
    assert steps[0] == (-1, True, False)


def test_the_task_says_so():
    early = "ends as soon as it cannot be won any more"
    env, _ = make("Points24", end_when_lost=True)
    assert early in env.get_wrapper_attr("task_description")
    plain, _ = make("Points24")
    assert early not in plain.get_wrapper_attr("task_description")


def test_what_would_take_too_long_to_prove_is_refused():
    for cards, rules in ((5, "published"), (6, "exact")):
        with pytest.raises(ValueError, match=f"num_cards={cards} .* at most {cards - 1} cards"):
            make("Points24", num_cards=cards, rules=rules, end_when_lost=True)
    make("Points24", num_cards=5, rules="exact", end_when_lost=True)
    make("EZPoints", num_cards=6, target_points=30, end_when_lost=True)
