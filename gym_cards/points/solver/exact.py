"""Solver for the points games by the exact rules: reach a target with every card used once.

Formulas are in the grammar of the exact rules, `expr := term (± term)*`,
`term := factor (× ÷ factor)*`, `factor := card | ( expr )`. Their values are rational numbers, or
with `floating_point=True` what Python's arithmetic gives, in which 8/(3-8/3) is not 24; the
published games count the latter.

One plan is canonical: the one with the fewest tokens, then the fewest "/", then the fewest "-",
then the first in lexicographic order of its tokens' texts. Each of these measures adds up over the
parts of a formula, so the best formula consists of best parts, and equal values can be merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from gym_cards.points.solver.completions import (
    START,
    Arithmetic,
    Position,
    complete_position,
    measured_completion,
    reaches,
    read_prefix,
)
from gym_cards.points.solver.hands import Cards, share_of_deals
from gym_cards.points.solver.meter import Meter

MAX_CARDS = 6
MAX_CARD_VALUE = 100


def is_solvable(
    numbers: Sequence[int],
    target: int,
    operators: str = "+-*/",
    *,
    parentheses: bool = True,
    floating_point: bool = False,
) -> bool:
    """Returns whether some formula uses every number once and equals the target.

    Args:
        numbers: The card values, 1 to 6 of them, each 1 to 100, in any order.
        target: The value to reach.
        operators: The operators that may be used, out of "+-*/".
        parentheses: Whether brackets may be used.
        floating_point: Whether values are Python's instead of exact rationals.

    Raises:
        ValueError: If the numbers or operators are out of range.
    """
    cards, rules = _check(numbers, operators, parentheses, floating_point)
    if not parentheses and len(cards) > 2:
        whole = Position((START,), None, cards)
        return complete_position(whole, cards, target, 2 * len(cards), rules) is not None
    return reaches(cards, target, rules)


def canonical_plan(
    numbers: Sequence[int],
    target: int,
    operators: str = "+-*/",
    *,
    parentheses: bool = True,
    floating_point: bool = False,
    max_tokens: int = 20,
) -> tuple[str, ...] | None:
    """Returns the canonical formula that uses every number once and equals the target.

    It does not depend on the numbers' order.

    Args:
        numbers: The card values, 1 to 6 of them, each 1 to 100, in any order.
        target: The value to reach.
        operators: The operators that may be used, out of "+-*/".
        parentheses: Whether brackets may be used.
        floating_point: Whether values are Python's instead of exact rationals.
        max_tokens: The most tokens that the formula may have.

    Returns:
        The tokens, such as `("6", "*", "(", "9", "-", "5", ")")`, or None if there is none.

    Raises:
        ValueError: If the numbers or operators are out of range.
    """
    return complete(
        (),
        numbers,
        target,
        max_tokens=max_tokens,
        operators=operators,
        parentheses=parentheses,
        floating_point=floating_point,
    )


def complete(
    prefix: Sequence[str | int],
    numbers: Sequence[int],
    target: int,
    *,
    max_tokens: int = 20,
    operators: str = "+-*/",
    parentheses: bool = True,
    floating_point: bool = False,
    meter: Meter | None = None,
) -> tuple[str, ...] | None:
    """Returns the tokens that complete a formula that uses every card once and equals the target.

    Of all completions this is the canonical one, so that a player who follows it and asks again
    after each token always gets the rest of the same plan. Blanks in the prefix are white space,
    but count towards its length.

    Args:
        prefix: The tokens played so far: card values (as integers or digits), "+", "-", "*", "/",
            "(", ")" and " ".
        numbers: All card values of the hand, 1 to 6 of them, each 1 to 100, in any order.
        target: The value to reach.
        max_tokens: The most tokens that the whole formula may have, without "=": 20 in Points24
            and 5 in EZPoints.
        operators: The operators that may be used, out of "+-*/".
        parentheses: Whether brackets may be used.
        floating_point: Whether values are Python's, as in the published rules, instead of exact
            rationals.
        meter: Bounds the work of several searches together. Without it there is no bound; six
            cards with brackets open take some seconds.

    Returns:
        The remaining tokens, without "="; the empty tuple if the prefix is already a solution;
        None if and only if no formula of the grammar that starts with the prefix succeeds.

    Raises:
        IntractableError: If there is a meter, and the search takes more than `MAX_OPERATIONS`
            operations, or together with others more than the meter allows.
        ValueError: If the numbers or operators are out of range.
    """
    cards, rules = _check(numbers, operators, parentheses, floating_point)
    position = read_prefix(tuple(str(token) for token in prefix), cards, rules)
    if position is None:
        return None
    search = (position, cards, target, max_tokens - len(prefix), rules)
    if meter is None:
        return complete_position(*search)
    rest, work = measured_completion(*search)
    meter.add(work)
    return rest


def solvable_share(
    n_cards: int = 4,
    faces_as_10: bool = True,
    target: int = 24,
    *,
    floating_point: bool = False,
) -> Fraction:
    """Returns the exact share of deals that have a solution, ranks uniform in 1 to 13.

    Args:
        n_cards: The number of cards dealt, 1 to 6.
        faces_as_10: Whether jack, queen and king count 10 instead of 11, 12 and 13.
        target: The value to reach.
        floating_point: Whether values are Python's instead of exact rationals.
    """
    return share_of_deals(
        lambda cards: is_solvable(cards, target, floating_point=floating_point),
        n_cards,
        faces_as_10,
    )


def _check(
    numbers: Sequence[int], operators: str, parentheses: bool, floating_point: bool
) -> tuple[Cards, Arithmetic]:
    cards = tuple(sorted(int(number) for number in numbers))
    if not 1 <= len(cards) <= MAX_CARDS or not all(1 <= card <= MAX_CARD_VALUE for card in cards):
        raise ValueError(
            f"cannot solve for {list(numbers)}: expected 1 to {MAX_CARDS} numbers, each "
            f"1 to {MAX_CARD_VALUE}"
        )
    if not operators or not set(operators) <= set("+-*/"):
        raise ValueError(f"operators {operators!r} are unknown: expected some of '+-*/'")
    return cards, Arithmetic("".join(sorted(set(operators))), parentheses, floating_point)
