"""The solver for the published rules against every token sequence, and on wins of all kinds."""

import itertools
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gym_cards.core.action_values import IntractableError
from gym_cards.points.formula import evaluate_published
from gym_cards.points.rules import is_correct, numbers_left
from gym_cards.points.solver import (
    complete,
    fewest_tokens,
    meter,
    published,
    winnable_share,
)

RULES = Path(__file__).parents[3] / "conformance" / "rules.json"
NEVER = 10**9


def shortest_rests(cards, symbols, length):
    """For every value, in how few tokens each formula of the tokens can be finished to have it.

    All sequences of at most `length` tokens are tried, refused numbers included.
    """
    rests = {}

    def grow(tokens, left):
        value = evaluate_published(tokens) if not left else None
        if value is not None and value == value and abs(value) < 10**9 and value == int(value):
            known = rests.setdefault(int(value), {})
            for cut in range(len(tokens) + 1):
                rest = len(tokens) - cut
                known[tokens[:cut]] = min(rest, known.get(tokens[:cut], NEVER))
        if len(tokens) < length:
            for card in set(left):
                less = list(left)
                less.remove(card)
                grow((*tokens, card), less)
            for symbol in symbols:
                grow((*tokens, symbol), left)

    grow((), list(cards))
    return rests


def prefixes(cards, symbols, length):
    for size in range(length + 1):
        for tokens in itertools.product([*set(cards), *symbols], repeat=size):
            if all(tokens.count(card) <= cards.count(card) for card in set(cards)):
                yield tokens


@pytest.mark.parametrize(
    ("cards", "symbols", "length", "depth", "targets"),
    [
        ((2, 9), "+-*/() ", 6, 4, (18, 29, 81, 4, -7, 0, 24)),
        ((1, 1), "+-*/() ", 6, 4, (1, 0, -1, 11, 2)),
        ((3, 8), "+*/() ", 6, 3, (24, 38, 2, 6561)),
        ((2, 3, 8), "+-*/() ", 5, 2, (24, 9, 13, -1, 238, 2, 0)),
        ((4, 4, 10), "+*-/", 6, 3, (24, 0, 6, 54, 256)),
        ((6,), "+-*/() ", 5, 5, (6, -6)),
        ((2, 6), "+* ", 7, 5, (12, 8, 64, 26)),
        ((1, 1, 12), "+- ", 6, 4, (24, -12, 1112, 100)),
    ],
)
def test_every_sequence_of_tokens(cards, symbols, length, depth, targets):
    rests = shortest_rests(cards, symbols, length)
    for target in targets:
        for prefix in prefixes(cards, symbols, depth):
            found = fewest_tokens(
                prefix,
                cards,
                target,
                max_tokens=length,
                operators="".join(symbol for symbol in symbols if symbol in "+-*/"),
                parentheses="(" in symbols,
            )
            assert found == rests.get(target, {}).get(prefix), (target, prefix)


def finish(prefix, numbers, target, **limits):
    """A shortest winning formula that starts with the prefix, found token by token."""
    formula = list(prefix)
    rest = fewest_tokens(formula, numbers, target, **limits)
    while rest:
        for token in [*dict.fromkeys(numbers_left(numbers, formula)), *"+-*/()"]:
            after = fewest_tokens([*formula, token], numbers, target, **limits)
            if after is not None and after < rest:
                assert after == rest - 1
                formula.append(token)
                rest = after
                break
        else:
            pytest.fail(f"no token leads on from {formula}")
    return formula if rest == 0 else None


operands = st.lists(st.integers(1, 13), min_size=1, max_size=2)
expressions = st.recursive(
    operands,
    lambda inner: st.one_of(
        st.builds(lambda a: ["(", *a, ")"], inner),
        st.builds(lambda sign, a: [sign, *a], st.sampled_from("+-"), inner),
        st.builds(
            lambda a, op, b: [*a, *op, *b],
            inner,
            st.sampled_from(["+", "-", "*", "/", "**", "//", "- ", " *"]),
            inner,
        ),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=400)
@given(expressions, st.data())
def test_no_win_is_missed_and_none_invented(formula, data):
    numbers = [token for token in formula if isinstance(token, int)]
    value = evaluate_published(formula)
    assume(len(numbers) <= 4 and value is not None and abs(value) < 10**12)
    assume(value == int(value))
    cut = data.draw(st.integers(0, len(formula)))
    found = finish(formula[:cut], numbers, int(value), max_tokens=len(formula))
    assert len(found) <= len(formula)
    assert is_correct(found, numbers, int(value), "published")
    assert found[:cut] == formula[:cut]


def test_every_recorded_win_can_be_finished():
    wins = 0
    for episode in json.loads(RULES.read_text(encoding="utf-8")):
        formula = episode["expected"][-1][-1]
        if "Points" not in episode["env"] or episode["expected"][-1][0] != 10:
            continue
        ez = "EZ" in episode["env"]
        target = episode["kwargs"].get("target_points", 12 if ez else 24)
        numbers = [token for token in formula if isinstance(token, int)]
        for cut in range(len(numbers) // 2, len(formula) + 1, 5):
            rest = fewest_tokens(
                formula[:cut],
                numbers,
                target,
                max_tokens=5 if ez else 20,
                operators="+*" if ez else "+-*/",
                parentheses=not ez,
            )
            assert rest is not None
            assert rest <= len(formula) - cut
        wins += 1
    assert wins == 270


@pytest.mark.parametrize(
    ("numbers", "formula"),
    [
        ((3, 7, 9, 10), "103-79"),
        ((4, 9, 9, 9), "-(9//-9**-(4/9))"),
        ((9, 9, 9, 10), "-(9//-(9/10)**9)"),
        ((6, 6, 7, 7), "7//(7//-6)*-6"),
        ((8, 10, 10, 10), "10//(8/(10+10))"),
    ],
)
def test_quirks_that_are_needed(numbers, formula):
    found = finish((), numbers, 24)
    assert len(found) == len(formula.replace("10", "T"))
    assert is_correct(found, numbers, 24, "published")


def test_what_the_exact_rules_solve_is_found_too():
    hands = list(itertools.combinations_with_replacement(range(1, 11), 4))[::40]
    for hand in hands:
        plan = complete((), hand, 24, floating_point=True)
        fewest = fewest_tokens((), hand, 24)
        if plan is not None:
            assert fewest <= len(plan)


def test_the_limit_counts_the_whole_formula_with_its_blanks():
    assert fewest_tokens((" ", " "), (3, 8), 24, max_tokens=5) == 3
    assert fewest_tokens((" ", " "), (3, 8), 24, max_tokens=4) is None
    assert fewest_tokens((3, "*", 8), (3, 8), 24, max_tokens=3) == 0
    assert fewest_tokens((3, "*", 8), (3, 8), 24, max_tokens=2) is None


def test_numbers_may_be_digits_and_wrong_arguments_are_refused():
    assert fewest_tokens(("3", "*"), (3, 8), 24) == fewest_tokens((3, "*"), (3, 8), 24) == 1
    with pytest.raises(ValueError, match="uses 7 more often than the cards"):
        fewest_tokens((7,), (3, 8), 24)
    with pytest.raises(ValueError, match="operators '%' are unknown"):
        fewest_tokens((), (3, 8), 24, operators="%")


def test_integers_and_floats_that_are_equal_are_told_apart():
    # 9**9**2 is exact in integers; as a floating-point number it has lost its last digits.
    exact, rounded = 9**81 // 7, int(9.0**81 // 7)
    assert exact != rounded
    assert fewest_tokens((9, "*", "*", 9, 9), (9, 9, 9, 7), 9**99 // 7) == 3
    assert fewest_tokens((9, "/", 1), (9, 1, 9, 9), 9) is not None


def test_five_and_six_cards():
    assert finish((), (2, 5, 6, 8, 9), 24) is not None
    assert finish((1,), (1, 1, 1, 1, 1, 1), 24) is not None
    assert fewest_tokens((), (10, 10, 10, 10, 10), 24) is None


def test_what_takes_too_long_is_refused(monkeypatch):
    monkeypatch.setattr(meter, "MAX_OPERATIONS", 10_000)
    published._fewest.cache_clear()
    with pytest.raises(IntractableError, match="more than 10,000 operations would be needed"):
        fewest_tokens((), (2, 5, 6, 8, 9), 10**6 + 3)


def test_shares_of_small_hands():
    assert winnable_share(1, target=10) == Fraction(4, 13)
    # 3 * 8, 4 * 6, and 2 and 4 joined, each dealt in two orders.
    assert winnable_share(2) == Fraction(6, 169)


@pytest.mark.slow
def test_the_share_of_deals_that_can_be_won():
    assert winnable_share() == Fraction(26_173, 28_561)
