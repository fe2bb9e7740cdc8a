"""Numbers of cards, values and targets of the points games, against brute force."""

from collections import Counter
from fractions import Fraction
from itertools import permutations, product

import pytest
from card_games import hands_of, make

from gym_cards.cards import RANKS, Card
from gym_cards.points import solver

points_games = pytest.mark.parametrize("game", ["EZPoints", "Points24"])


@points_games
@pytest.mark.parametrize("count", range(2, 7))
def test_any_number_of_cards(game, count):
    env = make(game, num_cards=count, hands="any")
    _, info = env.reset(seed=0)
    assert len(info["Cards"]) == len(info["Numbers"]) == count
    assert len(info["state"]["cards"].split()) == count
    word = ["two", "three", "four", "five", "six"][count - 2]
    assert f"You see {word} cards" in env.task_description
    limit = 2 * count + 1 if game == "EZPoints" else 5 * count
    assert f"more than {limit} entries" in env.task_description
    plus = env.action_names.index("+")
    for _ in range(limit + 1):
        assert env.step(plus)[1:4] == (0.0, False, False)
    assert env.step(plus)[1:4] == (-1.0, False, True)


@points_games
@pytest.mark.parametrize("count", range(2, 7))
def test_the_solution_of_any_number_of_cards_counts(game, count):
    """A sum, which both games can write."""
    env = make(game, num_cards=count, hands="any", target_points=count * (count + 1) // 2)
    numbers = range(1, count + 1)
    env.reset(options={"cards": [Card("S", rank).code for rank in numbers]})
    for number in numbers:
        env.step(env.action_names.index(str(number)))
        step = env.step(env.action_names.index("+" if number < count else "="))
    assert step[1:4] == (10.0, True, False)
    assert step[4]["is_success"] is True


# Values and targets


@points_games
def test_faces_may_count_more_than_ten(game):
    env = make(game, treat_face_cards_as_10=False, target_points=36, num_cards=3, hands="any")
    assert env.action_names[:13] == tuple(map(str, range(1, 14)))
    _, info = env.reset(options={"cards": ["HJ", "SQ", "DK"]})
    assert info["Numbers"] == [11, 12, 13]
    assert info["state"]["cards"] == "J Q K"
    assert "11, 12 and 13" in env.task_description
    for text in ("11", "+", "12", "+", "13", "="):
        step = env.step(env.action_names.index(text))
    assert step[1] == 10.0


@pytest.mark.parametrize(
    ("target", "cards", "formula"),
    [
        (-7, "HA H2 H3 H9", "1 - 2 + 3 - 9"),
        (0, "HA SA H5 S5", "5 - 5 + 1 - 1"),
        (1, "HA SA H5 S5", "5 / 5 + 1 - 1"),
        (99, "HT SK HA DA", "10 * 10 - 1 * 1"),
    ],
)
def test_any_target(target, cards, formula):
    env = make("Points24", target_points=target)
    assert f"equals {target}." in env.task_description
    env.reset(options={"cards": cards.split()})
    rewards = [env.step(env.action_names.index(text))[1] for text in [*formula.split(), "="]]
    assert rewards == [0.0] * 7 + [10.0]


def reachable(numbers):
    """Every value of the four operations with brackets on all the numbers."""
    if len(numbers) == 1:
        return {Fraction(numbers[0])}
    values = set()
    for i, j in permutations(range(len(numbers)), 2):
        a, b = numbers[i], numbers[j]
        rest = [numbers[k] for k in range(len(numbers)) if k not in (i, j)]
        results = {a - b, *([a / b] if b else []), *((a + b, a * b) if i < j else ())}
        for value in results:
            values |= reachable([*rest, value])
    return values


def sums_of_products(numbers):
    """Every value of + and * without brackets."""
    values = set()
    for order, signs in product(set(permutations(numbers)), product("+*", repeat=len(numbers) - 1)):
        terms = [order[0]]
        for sign, number in zip(signs, order[1:], strict=True):
            if sign == "+":
                terms.append(number)
            else:
                terms[-1] *= number
        values.add(sum(terms))
    return values


@pytest.mark.parametrize("hands", ["solvable", "unsolvable"])
@pytest.mark.parametrize(
    ("game", "count", "kwargs"),
    [
        ("EZPoints", 2, {"target_points": 20}),
        ("EZPoints", 3, {}),
        ("EZPoints", 3, {"treat_face_cards_as_10": False, "target_points": 36}),
        ("EZPoints", 4, {"target_points": 24}),
        ("Points24", 2, {}),
        ("Points24", 3, {"target_points": 11}),
        ("Points24", 3, {"treat_face_cards_as_10": False}),
        ("Points24", 4, {"rules": "exact"}),
    ],
)
def test_hands_against_brute_force(game, count, kwargs, hands):
    env = make(game, num_cards=count, hands=hands, **kwargs)
    values = sums_of_products if game == "EZPoints" else reachable
    env.reset(seed=1)
    for _ in range(25 if count < 4 else 6):
        numbers = env.reset()[1]["Numbers"]
        found = env.target_points in values([Fraction(number) for number in numbers])
        assert found == (hands == "solvable"), numbers


@pytest.mark.parametrize("hands", ["solvable", "unsolvable"])
def test_deals_are_uniform_among_the_hands_wanted(hands):
    env = make("Points24", num_cards=2, target_points=6, hands=hands)
    wanted = Counter(
        pair
        for pair in product([min(rank, 10) for rank in RANKS], repeat=2)
        if (6 in reachable([Fraction(number) for number in pair])) == (hands == "solvable")
    )
    env.reset(seed=2)
    deals = 20 * wanted.total()
    counts = Counter(tuple(env.reset()[1]["Numbers"]) for _ in range(deals))
    assert counts.keys() == wanted.keys()
    statistic = sum((counts[pair] - 20 * n) ** 2 / (20 * n) for pair, n in wanted.items())
    # Four standard deviations above the chi-square's mean.
    assert statistic < len(wanted) + 4 * (2 * len(wanted)) ** 0.5


def test_five_and_six_cards_know_what_can_be_solved():
    for count, some in ((5, 4), (6, 1)):
        env = make("Points24", num_cards=count, hands="solvable")
        for hand in hands_of(env, some):
            assert solver.is_solvable([min(card.rank, 10) for card in hand], 24)
    env = make("Points24", num_cards=5)
    assert not env._dealer.is_solvable([Card("S", 1)] * 5)
