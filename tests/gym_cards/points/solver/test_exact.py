import itertools
import random
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from gym_cards.points.formula import evaluate_exact, evaluate_published
from gym_cards.points.solver import canonical_plan, complete, is_solvable, solvable_share

HANDS = list(itertools.combinations_with_replacement(range(1, 11), 4))


def key(tokens):
    """The canonical order: shortest, fewest "/", fewest "-", lexicographic."""
    return len(tokens), tokens.count("/"), tokens.count("-"), tokens


def brute_force(hands, target=24):
    """Which four-card hands reach the target: all orders, operators and bracketings, as fractions.

    A value is a row (numerator, denominator); a denominator of 0 stays 0 and marks no value.
    """
    orders = np.array([list(itertools.permutations(hand)) for hand in hands], dtype=np.int64)
    a, b, c, d = ((orders[:, :, i], np.ones_like(orders[:, :, i])) for i in range(4))

    def apply(op, left, right):
        (p, q), (r, s) = left, right
        if op == "+":
            return p * s + r * q, q * s
        if op == "-":
            return p * s - r * q, q * s
        if op == "*":
            return p * r, q * s
        return p * s, q * r * (s != 0)

    reached = np.zeros(len(hands), dtype=bool)
    for x, y, z in itertools.product("+-*/", repeat=3):
        for num, den in (
            apply(z, apply(y, apply(x, a, b), c), d),
            apply(z, apply(x, a, apply(y, b, c)), d),
            apply(y, apply(x, a, b), apply(z, c, d)),
            apply(x, a, apply(z, apply(y, b, c), d)),
            apply(x, a, apply(y, b, apply(z, c, d))),
        ):
            reached |= ((den != 0) & (num == target * den)).any(axis=1)
    return reached


def all_formulas(cards, max_tokens, operators="+-*/", parentheses=True):
    """Every grammatical formula of all cards, redundant brackets included."""
    found = []

    def grow(tokens, left, depth, wants_operand):
        if len(tokens) + depth > max_tokens:
            return
        if wants_operand:
            for card in sorted(set(left)):
                rest = list(left)
                rest.remove(card)
                grow((*tokens, str(card)), rest, depth, False)
            if parentheses and left:
                grow((*tokens, "("), left, depth + 1, True)
            return
        if not left and not depth:
            found.append(tokens)
        if depth:
            grow((*tokens, ")"), left, depth - 1, False)
        if left:
            for op in operators:
                grow((*tokens, op), left, depth, True)

    grow((), list(cards), 0, True)
    return found


def best_completions(formulas, hits):
    """The canonical rest of every prefix that a formula has; None where none of them hits."""
    best = {}
    for formula in formulas:
        for cut in range(len(formula) + 1):
            prefix, rest = formula[:cut], formula[cut:]
            known = best.setdefault(prefix, None)
            if hits(formula) and (known is None or key(rest) < key(known)):
                best[prefix] = rest
    return best


def test_solvable_hands_and_plans_of_all_715_multisets():
    expected = brute_force(HANDS)
    for hand, solvable in zip(HANDS, expected.tolist(), strict=True):
        plan = canonical_plan(hand, 24)
        assert is_solvable(hand, 24) == (plan is not None) == solvable, hand
        if plan is not None:
            assert evaluate_exact(plan, hand) == 24


def test_solvable_hands_of_all_1820_multisets_of_ranks():
    hands = list(itertools.combinations_with_replacement(range(1, 14), 4))
    assert len(hands) == 1820
    assert [is_solvable(hand, 24) for hand in hands] == brute_force(hands).tolist()


def test_floating_point_plans_of_all_715_multisets():
    missed = []
    for hand in HANDS:
        plan = canonical_plan(hand, 24, floating_point=True)
        assert is_solvable(hand, 24, floating_point=True) == (plan is not None), hand
        if plan is None and is_solvable(hand, 24):
            missed.append(hand)
        if plan is not None:
            assert evaluate_published(plan) == 24
            assert evaluate_exact(plan, hand) == 24
    assert (3, 3, 8, 8) in missed
    for hand in missed:  # no formula of up to three pairs of brackets hits in floating point
        assert not any(
            evaluate_published(formula) == 24
            for formula in all_formulas(hand, 11)
            if formula.count("/")
        )


@pytest.mark.parametrize(
    ("cards", "target", "max_tokens", "operators", "parentheses"),
    [
        ((3, 4), 12, 9, "+-*/", True),
        ((2, 6), 12, 5, "+*", False),
        ((5, 7), 12, 5, "+*", False),
        ((6, 6), 12, 5, "+*", False),
        ((1, 2, 3), 6, 9, "+-*/", True),
        ((2, 2, 4), 1, 8, "+-*/", True),
        ((3, 7, 3), 24, 9, "+-*/", True),
        ((1, 3, 2), 1, 9, "-/", True),
        ((2, 3, 4), 10, 9, "+-*/", False),
        ((1, 1, 8), 24, 9, "+-*/", True),
    ],
)
@pytest.mark.parametrize("floating_point", [False, True])
def test_completions_of_every_prefix(
    cards, target, max_tokens, operators, parentheses, floating_point
):
    def hits(formula):
        if formula not in values:
            value = evaluate_published(formula) if floating_point else evaluate_exact(formula)
            values[formula] = value == target
        return values[formula]

    values = {}
    formulas = all_formulas(cards, max_tokens, operators, parentheses)
    expected = best_completions(formulas, hits)
    assert expected[()] is not None or target == 24
    for prefix, rest in expected.items():
        got = complete(
            prefix,
            cards,
            target,
            max_tokens=max_tokens,
            operators=operators,
            parentheses=parentheses,
            floating_point=floating_point,
        )
        assert got == rest, prefix


@pytest.mark.parametrize("hand", [(1, 5, 5, 5), (4, 6, 10, 10), (2, 3, 5, 12)])
def test_plan_of_four_cards_is_the_best_formula(hand):
    wins = [f for f in all_formulas(hand, 9) if evaluate_exact(f) == 24]
    assert canonical_plan(hand, 24) == min(wins, key=key)


def test_following_a_plan_never_changes_it():
    for hand in HANDS[::3]:
        for floating_point in (False, True):
            plan = canonical_plan(hand, 24, floating_point=floating_point)
            for cut in range(len(plan) + 1 if plan else 0):
                rest = complete(plan[:cut], hand, 24, floating_point=floating_point)
                assert rest == plan[cut:], (plan, cut)


@pytest.mark.parametrize("floating_point", [False, True])
def test_random_prefixes_of_four_cards(floating_point):
    rng = random.Random(7)
    outcomes = Counter()
    for _ in range(150):
        hand = [rng.randint(1, 13) for _ in range(4)]
        prefix, left, depth, wants_operand = [], list(hand), 0, True
        for _ in range(rng.randint(0, 12)):
            if rng.random() < 0.1:
                prefix.append(" ")
            if wants_operand:
                if left and rng.random() < 0.7:
                    prefix.append(left.pop(rng.randrange(len(left))))
                    wants_operand = False
                elif left:
                    prefix.append("(")
                    depth += 1
            elif depth and rng.random() < 0.4:
                prefix.append(")")
                depth -= 1
            elif left:
                prefix.append(rng.choice("+-*/"))
                wants_operand = True
        rest = complete(prefix, hand, 24, floating_point=floating_point)
        outcomes[rest is not None] += 1
        if rest is not None:
            formula = [*prefix, *rest]
            assert len(formula) <= 20
            assert evaluate_exact(formula, hand) == 24
            assert not floating_point or evaluate_published(formula) == 24
    assert min(outcomes.values()) > 15


@pytest.mark.slow
@pytest.mark.parametrize("hand", [(2, 7, 8, 9), (3, 3, 8, 8), (1, 5, 5, 5), (4, 4, 10, 10)])
@pytest.mark.parametrize("floating_point", [False, True])
def test_completions_of_every_prefix_of_four_cards(hand, floating_point):
    formulas = all_formulas(hand, 11)
    evaluate = evaluate_published if floating_point else evaluate_exact
    wins = {formula for formula in formulas if evaluate(formula) == 24}
    expected = best_completions(formulas, wins.__contains__)
    for prefix, rest in expected.items():
        got = complete(prefix, hand, 24, max_tokens=11, floating_point=floating_point)
        assert got == rest, prefix


@pytest.mark.parametrize(
    "prefix",
    ["+", "22", "2**", ")", "()", "5", "2+2", "2(", "(2))", "2--", "8/(3-3)", "2*=", "3+3+8+2"],
)
def test_no_completion_of_what_is_no_formula(prefix):
    assert complete(list(prefix), [2, 3, 3, 8], 24) is None


def test_length_limit():
    hand = [2, 7, 8, 9]
    for blanks in range(25):
        rest = complete([" "] * blanks, hand, 24)
        assert (rest is not None) == (blanks + 9 <= 20)
    for brackets in range(12):
        rest = complete(["("] * brackets, hand, 24)
        assert (rest is not None) == (2 * brackets + 7 <= 20)
    assert complete((), [3, 4], 12, max_tokens=3) == ("3", "*", "4")
    assert complete((), [3, 4], 12, max_tokens=2) is None
    assert complete([3, "*", 4], [4, 3], 12, max_tokens=3) == ()
    # Where only some of the plans still fit, one of them is found.
    assert complete(["("], hand, 24, max_tokens=9) is not None
    assert complete(["(", "7", "+", "9", ")"], hand, 24, max_tokens=9) == ("*", "2", "-", "8")


def test_rearranges_for_floating_point():
    assert evaluate_published(["8", "/", "(", "3", "-", "8", "/", "3", ")"]) != 24
    assert canonical_plan([3, 3, 8, 8], 24) == tuple("8/(3-8/3)")
    assert canonical_plan([3, 3, 8, 8], 24, floating_point=True) is None
    prefix = ("8", "/", "(", "3", "-")
    assert complete(prefix, [8, 3, 8, 3], 24) == ("8", "/", "3", ")")
    assert complete(prefix, [8, 3, 8, 3], 24, floating_point=True) is None


@pytest.mark.parametrize("n_cards", [1, 2, 3])
def test_solvable_share_counts_every_deal(n_cards):
    for faces_as_10 in (True, False):
        reached = 0
        for ranks in itertools.product(range(1, 14), repeat=n_cards):
            values = tuple(sorted(min(rank, 10) if faces_as_10 else rank for rank in ranks))
            reached += is_solvable(values, 12)
        assert solvable_share(n_cards, faces_as_10, 12) == Fraction(reached, 13**n_cards)


def test_solvable_share_of_points24():
    share = solvable_share()
    assert share == Fraction(20876, 28561)
    assert round(float(share), 3) == 0.731
    weights = {value: 4 if value == 10 else 1 for value in range(1, 11)}
    reached = Counter()
    for hand, solvable in zip(HANDS, brute_force(HANDS).tolist(), strict=True):
        orders = len(set(itertools.permutations(hand)))
        reached[solvable] += orders * np.prod([weights[value] for value in hand])
    assert Fraction(int(reached[True]), int(reached.total())) == share
    assert solvable_share(floating_point=True) < share


def test_five_and_six_cards():
    for hand in [(1, 2, 3, 4, 5), (7, 7, 7, 7, 7), (1, 1, 1, 1, 1)]:
        plan = canonical_plan(hand, 24)
        assert (plan is not None) == is_solvable(hand, 24)
        assert plan is None or evaluate_exact(plan, hand) == 24


@pytest.mark.parametrize("numbers", [[], [0, 1], [1] * 7, [101], [-3, 4]])
def test_impossible_hands_are_refused(numbers):
    with pytest.raises(ValueError, match="expected 1 to 6 numbers"):
        is_solvable(numbers, 24)


@pytest.mark.parametrize("operators", ["", "+^"])
def test_unknown_operators_are_refused(operators):
    with pytest.raises(ValueError, match="expected some of"):
        complete((), [1, 2], 3, operators=operators)
