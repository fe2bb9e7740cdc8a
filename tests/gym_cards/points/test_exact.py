"""The exact values of the points games against exhaustive game trees."""

import itertools
import random
from functools import cache

import pytest

from gym_cards.points.exact import exact
from gym_cards.points.rules import is_correct, numbers_left

EZPOINTS = (*range(1, 11), "+", "*", "=")
POINTS24 = (*range(1, 11), "+", "-", "*", "/", "(", ")", "=")


def tree(numbers, target, actions, max_length, rules, gamma):
    """Values of all actions and the highest return, by playing every action in every state."""

    @cache
    def play(formula, action):
        if len(formula) > max_length:
            return -1.0, -1.0
        if action == "=":
            won = 10.0 if is_correct(formula, numbers, target, rules) else -1.0
            return won, won
        refused = isinstance(action, int) and action not in numbers_left(numbers, formula)
        now = -1.0 if refused else 0.0
        value, highest = best((*formula, " " if refused else action))
        return now + gamma * value, now + highest

    @cache
    def best(formula):
        played = [play(formula, action) for action in different]
        return max(value for value, _ in played), max(highest for _, highest in played)

    # Numbers that no card has are all refused alike.
    foreign = next((a for a in actions if isinstance(a, int) and a not in numbers), None)
    different = [a for a in actions if not isinstance(a, int) or a in numbers or a == foreign]
    return play


def check(formula, numbers, target, actions, max_length, rules, gamma, play):
    found = exact(
        formula,
        numbers,
        target,
        actions=actions,
        max_length=max_length,
        rules=rules,
        gamma=gamma,
    )
    tried = [play(tuple(formula), action) for action in actions]
    assert found.action_values == pytest.approx([value for value, _ in tried], abs=1e-12), formula
    so_far = -formula.count(" ")
    assert found.success_probability == (so_far + max(highest for _, highest in tried) > 0)


def formulas(numbers, actions, length):
    symbols = [action for action in actions if not isinstance(action, int) and action != "="]
    for size in range(length + 1):
        for formula in itertools.product([*set(numbers), *symbols, " "], repeat=size):
            if all(formula.count(n) <= numbers.count(n) for n in set(numbers)):
                yield formula


@pytest.mark.parametrize("gamma", [0.0, 0.9, 1.0])
@pytest.mark.parametrize(
    ("numbers", "target"),
    [((2, 10), 12), ((6, 6), 12), ((3, 4), 12), ((1, 2), 12), ((2, 6), 64), ((5, 5), 12)],
)
def test_ezpoints_entirely(numbers, target, gamma):
    play = tree(numbers, target, EZPOINTS, 5, "published", gamma)
    for formula in formulas(numbers, EZPOINTS, 6):
        check(formula, numbers, target, EZPOINTS, 5, "published", gamma, play)


@pytest.mark.parametrize("rules", ["published", "exact"])
@pytest.mark.parametrize(
    ("numbers", "target", "max_length", "gamma"),
    [
        ((8, 3), 24, 5, 0.9),
        ((2, 4), 24, 5, 1.0),
        ((9, 2), 4, 4, 0.5),
        ((10, 1), -9, 5, 0.9),
        ((2, 3, 4), 24, 5, 0.9),
        ((2, 8, 8), 24, 4, 0.0),
        ((7, 1, 3), 0, 5, 1.0),
        ((24 // 4,), 6, 4, 0.9),
    ],
)
def test_short_formulas_entirely(numbers, target, max_length, gamma, rules):
    play = tree(numbers, target, POINTS24, max_length, rules, gamma)
    states = list(formulas(numbers, POINTS24, max_length + 1))
    random.seed(0)
    for formula in random.sample(states, min(len(states), 250)):
        check(formula, numbers, target, POINTS24, max_length, rules, gamma, play)


def test_hopeless_players_wait_only_if_that_pays():
    arguments = {"actions": POINTS24, "max_length": 20, "rules": "published"}
    patient = exact((), (1, 1, 1, 1), 24, **arguments)
    hasty = exact((), (1, 1, 1, 1), 24, gamma=0.9, **arguments)
    assert patient.value == -1.0
    assert patient.optimal_actions == (0, *range(10, 17))
    assert hasty.value == pytest.approx(-(0.9**21))
    assert hasty.optimal_actions == (0, *range(10, 16))
    assert hasty.action_values[16] == -1.0


def test_refused_numbers_can_cost_the_success():
    for refused in range(12):
        formula = [" "] * refused + [4, "*", 6]
        found = exact(formula, (4, 6), 24, actions=POINTS24, max_length=20, rules="exact")
        assert found.action_values[-1] == found.value == 10.0
        assert found.success_probability == (refused < 10)


def test_a_formula_of_cards_that_are_not_there():
    with pytest.raises(ValueError, match="uses 7"):
        exact((7,), (4, 6), 24, actions=POINTS24, max_length=20, rules="exact")
