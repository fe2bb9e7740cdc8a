"""The exact value of every formula in the points games."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gym_cards.core.action_values import ActionValues, check_gamma
from gym_cards.points import published_solver, solver

_REFUSED = " "
_WON = 10.0


def exact(
    formula: Sequence[str | int],
    numbers: Sequence[int],
    target: int,
    *,
    actions: Sequence[str | int],
    max_length: int,
    rules: Literal["published", "exact"],
    gamma: float = 1.0,
) -> ActionValues:
    """What every action is worth, given the cards and the formula so far.

    The rewards are those of the games: 10 for "=" with a correct formula and -1 with any other, -1
    for a refused number, and -1 for the action that meets a formula of more than `max_length`
    tokens, which ends the episode too. There are two ways to play on optimally:

    - to finish the formula in as few tokens as possible, where it can still win: n tokens make
      that worth `10 * gamma ** n`. Refused numbers are never of use, by either rules;
    - where it cannot, to append operators until the episode is cut off, so that the inevitable -1
      comes as late as possible. With `gamma=1` that is as good as giving up at once by "=".

    The search for the shortest end is exhaustive. At the empty formula, where it is longest, four
    cards take some tenths of a second, five about a second and six about ten; five without hope
    take up to half a minute. Results are kept.

    Args:
        formula: The tokens so far: numbers as integers or digits, operators, brackets, and a blank,
            " ", for every number that was refused, each of which has cost 1.
        numbers: The cards' numbers, in any order: 1 to 6 of 1 to 100.
        target: The value to reach.
        actions: What the actions append, in their order: numbers as integers, operators out of
            "+-*/" (one at least), "(" and ")", and "=".
        max_length: The longest formula after which the game still takes "=".
        rules: Whether formulas are read as Python reads them, quirks included ("published"), or as
            the arithmetic that people know ("exact").
        gamma: The discount, 0 to 1.

    Returns:
        The values of the actions. The success probability is 1 where the formula can be finished
        and 10 makes up for the numbers that were refused, else 0.

    Raises:
        IntractableError: By the published rules, if more than four cards are unused and the search
            takes too many operations (`published_solver.MAX_OPERATIONS`).
        ValueError: If an argument is out of range or the formula uses a card that is not there.
    """
    gamma = check_gamma(gamma)
    prefix = tuple(formula)
    signs = "".join(str(action) for action in actions if action in ("+", "-", "*", "/"))
    unused = solver.unused_numbers(prefix, numbers)

    def fewest(tokens: tuple[str | int, ...]) -> int | None:
        """In how few tokens the formula can be finished, if at all."""
        if rules == "published":
            return published_solver.fewest_tokens(
                tokens,
                numbers,
                target,
                max_tokens=max_length,
                operators=signs,
                parentheses="(" in actions,
            )
        rest = solver.complete(
            tokens,
            numbers,
            target,
            max_tokens=max_length,
            operators=signs,
            parentheses="(" in actions,
        )
        return None if rest is None else len(rest)

    now = fewest(prefix)

    def value(action: str | int) -> float:
        if len(prefix) > max_length:
            return -1.0
        if action == "=":
            return _WON if now == 0 else -1.0
        refused = isinstance(action, int) and action not in unused
        after = (*prefix, _REFUSED if refused else action)
        # What cannot be finished now cannot be finished later either.
        rest = None if now is None else fewest(after)
        steps = max_length + 1 - len(after) if rest is None else rest
        later = gamma * (-1.0 if rest is None else _WON) * gamma**steps
        return (-1.0 if refused else 0.0) + later

    highest_return = _WON - prefix.count(_REFUSED)
    return ActionValues(
        tuple(value(action) for action in actions),
        float(now is not None and highest_return > 0),
    )
