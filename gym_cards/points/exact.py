"""Exact action values of the points games."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gym_cards.core.action_values import ActionValues, check_gamma
from gym_cards.points.solver import complete, fewest_tokens, unused_numbers
from gym_cards.points.solver.meter import Meter

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
    end_when_lost: bool = False,
) -> ActionValues:
    """Returns the action values, given the cards and the formula so far.

    The rewards are those of the games: 10 for "=" with a correct formula and -1 with any other, -1
    for a refused number, and -1 for the action that meets a formula of more than `max_length`
    tokens, which ends the episode too. Optimal play is one of two:

    - if the formula can still win, to complete it in as few tokens as possible: n tokens make that
      worth `10 * gamma ** n`. Refused numbers never help, by either rules;
    - if it cannot, to append operators until the episode is truncated, so that the inevitable -1
      comes as late as possible. With `gamma=1` giving up at once by "=" is as good, and with
      `end_when_lost` any action costs it at once.

    The search for the shortest completion is exhaustive. All searches of a call together may take
    `gym_cards.points.solver.meter.MAX_OPERATIONS` operations on values, which is about ten seconds;
    what would take more is an error, whatever was asked before. By the exact rules six cards stay
    below it at the empty formula, but not with several brackets open; by the published rules five
    or six do if a short formula wins. Results are cached.

    Args:
        formula: The tokens so far: numbers as integers or digits, operators, brackets, and a blank,
            " ", for every number that was refused, each of which has cost 1.
        numbers: The cards' numbers, in any order: 1 to 6 of 1 to 100.
        target: The value to reach.
        actions: What the actions append, in their order: numbers as integers, at least one operator
            out of "+-*/", "(" and ")", and "=".
        max_length: The most tokens of a formula that "=" may still close.
        rules: "published" to read formulas as Python does, quirks included, "exact" for the
            arithmetic that people know.
        gamma: The discount, 0 to 1.
        end_when_lost: Whether the action after which the formula cannot win ends the episode.

    Returns:
        The action values. The success probability is 1 if the formula can be completed and 10 makes
        up for the numbers that were refused, else 0.

    Raises:
        IntractableError: If the searches take too many operations. With up to four cards unused
            they do not.
        ValueError: If an argument is out of range or the formula uses a card that is not there.
    """
    gamma = check_gamma(gamma)
    prefix = tuple(formula)
    signs = "".join(str(action) for action in actions if action in ("+", "-", "*", "/"))
    unused = unused_numbers(prefix, numbers)

    meter = Meter()

    def fewest(tokens: tuple[str | int, ...]) -> int | None:
        """Returns the fewest tokens that complete a formula, if any do."""
        if rules == "published":
            return fewest_tokens(
                tokens,
                numbers,
                target,
                max_tokens=max_length,
                operators=signs,
                parentheses="(" in actions,
                meter=meter,
            )
        rest = complete(
            tokens,
            numbers,
            target,
            max_tokens=max_length,
            operators=signs,
            parentheses="(" in actions,
            meter=meter,
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
        # What cannot be completed now cannot be completed later either.
        rest = None if now is None else fewest(after)
        if rest is not None:
            later = gamma * _WON * gamma**rest
        elif end_when_lost:
            later = -1.0
        else:
            later = -gamma * gamma ** (max_length + 1 - len(after))
        return (-1.0 if refused else 0.0) + later

    highest_return = _WON - prefix.count(_REFUSED)
    return ActionValues(
        tuple(value(action) for action in actions),
        float(now is not None and highest_return > 0),
    )
