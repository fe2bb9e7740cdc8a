"""Solver for the points games by the published rules, quirks included.

A formula is read as Python reads its text: numbers side by side join, two stars make a power and
two slashes a floor division, signs may stand anywhere an operand may begin, and values are Python's
integers and floating-point numbers. The solver finds the fewest tokens that complete a formula so
that it uses every card and equals the target, or proves that this is impossible; the answer holds
for all formulas, not only for some forms of them.

A formula is a tree in Python's grammar: a sum of terms, a term of factors, a factor with or without
sign, a power, and the primary, which is a number or a sum in brackets. For a set of cards, all
values of a sum, term, factor, power or primary are listed with the fewest tokens that write each
(`published_values`); those of a larger set are all combinations of those of its parts. A prefix
leaves open a stack of brackets, each with a pending sum, term and chain of signs and powers. They
are closed from the inside out, listing after each step the values that can be reached for each set
of cards still unused. Values that are equal and of equal type behave alike from then on (a zero's
sign can change nothing but the sign of a zero), so that the shortest text of each is enough.

The search leaves out what a shortest formula never needs:

- a blank, that is, a number that is refused: it changes the reading of a text only by separating
  what would join, and two numbers, stars or slashes with a gap between them are an error;
- a leading plus, two signs in a row that cancel, brackets around a number or around brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import NamedTuple

from gym_cards.points.formula import published_number, published_operation, published_symbols
from gym_cards.points.solver.hands import Cards, share_of_deals, splits, unused_numbers
from gym_cards.points.solver.meter import Meter, Work
from gym_cards.points.solver.published_values import (
    MAX_FULLY_LISTED,
    NEVER,
    Form,
    Grammar,
    Table,
    Value,
    by_tokens,
    combine,
    converted,
    joined_numbers,
    negative,
    pieces,
    values_of,
)


class _Frame(NamedTuple):
    """Pending part of an expression in brackets, or of the whole formula, before an operand."""

    total: Value | None = None  # of the finished terms
    sign: str = "+"  # before the unfinished term
    term: Value | None = None  # of the finished factors of the unfinished term
    operator: str = "*"  # before the unfinished factor
    chain: tuple[Value | None, ...] = ()  # before the operand: signs (None) and bases of powers

    def product(self, power: Value) -> Value | None:
        """Returns the unfinished term with the power as its last operand."""
        value: Value | None = power
        for link in reversed(self.chain):
            if value is not None:
                value = -value if link is None else published_operation("**", link, value)
        if value is None or self.term is None:
            return value
        return published_operation(self.operator, self.term, value)

    def sum(self, term: Value) -> Value | None:
        """Returns the sum of all terms with this one as the last."""
        return term if self.total is None else published_operation(self.sign, self.total, term)

    def close(self, form: Form, value: Value) -> Value | None:
        """Returns the value of the whole expression if it ends with the piece of this form."""
        if form == Form.SUM:
            return value
        term = value if form == Form.TERM else self.product(value)
        return None if term is None else self.sum(term)


class _Goal:
    """The fewest tokens found to win, at first one more than allowed."""

    def __init__(self, target: int, budget: int) -> None:
        self.target = target
        self.fewest = budget + 1
        self.meter = Meter()


class _GoalTable(Table):
    """Table of values with all cards used, from where only brackets are to be closed."""

    def __init__(self, goal: _Goal, frames: Sequence[_Frame], form: Form) -> None:
        super().__init__()
        self._goal, self._form = goal, form
        self._inner, *self._outer = reversed(frames)

    def add(self, value: Value, tokens: int) -> None:
        tokens += len(self._outer)
        if tokens >= self._goal.fewest:
            return
        closed = self._inner.close(self._form, value)
        for frame in self._outer:
            if closed is None:
                return
            closed = frame.close(Form.PRIMARY, closed)
        if closed == self._goal.target:
            self._goal.fewest = tokens


class _Stage:
    """Values of one form reached in the inner frame, for every set of cards still unused.

    A piece starts where one of its form would: a term includes the factors that the frame has
    pending, and a sum the terms, while a primary or power leaves all of that to be applied.
    """

    def __init__(self, goal: _Goal, frames: Sequence[_Frame], form: Form) -> None:
        self.form = form
        self._goal = goal
        self._open = len(frames) - 1
        self._tables: dict[Cards, Table] = {(): _GoalTable(goal, frames, form)}

    def table(self, unused: Cards) -> Table:
        return self._tables.setdefault(unused, Table())

    def most(self, unused: Cards) -> int:
        """Returns the most tokens with which a value may lead to a shorter win than is known.

        Open brackets are to be closed, and unused cards take an operator and a token each.
        """
        return self._goal.fewest - 1 - self._open - (len(unused) + 1 if unused else 0)

    def pass_on(self, to: _Stage, function: Callable[[Value], Value | None], tokens: int) -> None:
        """Adds all that has unused cards to the next stage, by a function that costs tokens."""
        for unused, table in self._tables.items():
            goes_to = to.table(unused)
            for value, cost in table.items():
                if cost + tokens <= to.most(unused):
                    result = function(value)
                    if result is not None:
                        goes_to.add(result, cost + tokens)

    def extend(self, to: _Stage, symbols: Sequence[str], form: Form, grammar: Grammar) -> None:
        """Adds every value followed by an operator and an operand of the form."""
        for size in range(max(map(len, self._tables)), 0, -1):
            for unused in [cards for cards in self._tables if len(cards) == size]:
                lefts = sorted(self._tables[unused].items(), key=by_tokens)
                for taken, left in splits(unused):
                    table = to.table(left)
                    limit = partial(to.most, left)
                    room = limit() - 1 - (lefts[0][1] if lefts else NEVER)
                    rights = values_of(taken, form, grammar, room, self._goal.meter)
                    for value, tokens in combine(
                        lefts, symbols, rights, grammar, limit, self._goal.meter
                    ):
                        table.add(value, tokens)


def fewest_tokens(
    prefix: Sequence[str | int],
    numbers: Sequence[int],
    target: int,
    *,
    max_tokens: int = 20,
    operators: str = "+-*/",
    parentheses: bool = True,
    meter: Meter | None = None,
) -> int | None:
    """Returns the fewest tokens that complete a formula so that it wins by the published rules.

    Args:
        prefix: The formula so far: card values (as integers or digits), "+", "-", "*", "/", "(",
            ")" and the blanks of refused numbers.
        numbers: All card values of the hand, in any order; the prefix has used some of them.
        target: The value to reach.
        max_tokens: The most tokens that the whole formula may have, without "=".
        operators: The operators that may be appended, out of "+-*/".
        parentheses: Whether brackets may be appended.
        meter: Counts the work of several searches together.

    Returns:
        The number of tokens that are missing, without "="; 0 if the prefix itself wins; None if and
        only if no formula of at most `max_tokens` tokens that starts with the prefix wins.

    Raises:
        IntractableError: If the search takes more than `MAX_OPERATIONS` operations, or together
            with others more than the meter allows.
        ValueError: If the prefix uses a number that no card has left, or an operator is unknown.
    """
    if not set(operators) <= set("+-*/"):
        raise ValueError(f"operators {operators!r} are unknown: expected some of '+-*/'")
    budget = max_tokens - len(prefix)
    if budget < 0:
        return None
    fewest, works = _fewest(
        tuple(prefix),
        tuple(sorted(unused_numbers(prefix, numbers))),
        target,
        budget,
        Grammar("".join(sorted(set(operators))), parentheses),
    )
    if meter is not None:
        for work in works:
            meter.add(work)
    return fewest


def winnable_share(
    n_cards: int = 4, faces_as_10: bool = True, target: int = 24, *, max_tokens: int = 20
) -> Fraction:
    """Returns the exact share of deals that the published rules let win, ranks uniform in 1 to 13.

    Args:
        n_cards: The number of cards dealt. Four take about a minute; with more the search may give
            up on some hand.
        faces_as_10: Whether jack, queen and king count 10 instead of 11, 12 and 13.
        target: The value to reach.
        max_tokens: The most tokens that a formula may have.

    Raises:
        IntractableError: If the search for a hand takes more than `MAX_OPERATIONS` operations.
    """
    return share_of_deals(
        lambda cards: fewest_tokens((), cards, target, max_tokens=max_tokens) is not None,
        n_cards,
        faces_as_10,
    )


@lru_cache(maxsize=2**14)
def _fewest(
    prefix: tuple[str | int, ...], unused: Cards, target: int, budget: int, grammar: Grammar
) -> tuple[int | None, tuple[Work, ...]]:
    works = []
    # Short wins are searched first: most hands have one, and there are many long formulas.
    for most in sorted({min(len(unused) + more, budget) for more in (4, 8, budget)}):
        goal = _Goal(target, most)
        _search(goal, prefix, unused, grammar)
        works.append(goal.meter.work())
        if goal.fewest <= most:
            return goal.fewest, tuple(works)
    return None, tuple(works)


def _search(goal: _Goal, prefix: tuple[str | int, ...], unused: Cards, grammar: Grammar) -> None:
    """Searches for a shorter completion that wins than is known."""
    symbols = published_symbols(prefix)
    last = symbols[-1] if symbols and prefix[-1] != " " else ""
    if last.isdigit():  # the number may continue
        frames, operand = _read(symbols[:-1])
        if frames and operand is None:
            operands = [(number, 0, unused) for number in joined_numbers((), last)]
            for taken, left in splits(unused):
                operands += [(number, len(taken), left) for number in joined_numbers(taken, last)]
            _finish(goal, frames, operands, grammar)
    elif last in ("*", "/"):  # the operator may continue
        for symbol in (last, 2 * last):
            frames, _ = _read([*symbols[:-1], symbol])
            if frames:
                _begin(goal, frames, unused, len(symbol) - 1, grammar)
    else:
        frames, operand = _read(symbols)
        if frames and operand is not None:
            _finish(goal, frames, [(operand, 0, unused)], grammar)
        elif frames:
            _begin(goal, frames, unused, 0, grammar)


def _read(symbols: Sequence[str]) -> tuple[tuple[_Frame, ...], Value | None]:
    """Returns what a prefix leaves pending, outermost first, and the operand that it ends with.

    Without frames no formula starts with the prefix; without an operand one has to follow.
    """
    frames = [_Frame()]
    operand: Value | None = None
    for symbol in symbols:
        frame = frames[-1]
        if operand is None:
            if symbol == "(":
                frames.append(_Frame())
            elif symbol == "-":
                frames[-1] = frame._replace(chain=(*frame.chain, None))
            elif symbol != "+":  # which changes nothing
                operand = published_number(symbol) if symbol.isdigit() else None
                if operand is None:
                    return (), None
            continue
        if symbol == ")" and len(frames) > 1:
            operand = frame.close(Form.PRIMARY, operand)
            if operand is None:
                return (), None
            frames.pop()
            continue
        pending: Value | None = None
        if symbol == "**":
            frames[-1] = frame._replace(chain=(*frame.chain, operand))
            operand = None
            continue
        if symbol in ("*", "/", "//"):
            pending = frame.product(operand)
            frames[-1] = _Frame(frame.total, frame.sign, pending, symbol)
        elif symbol in ("+", "-"):
            pending = frame.close(Form.PRIMARY, operand)
            frames[-1] = _Frame(pending, symbol)
        if pending is None:
            return (), None
        operand = None
    return tuple(frames), operand


def _begin(
    goal: _Goal, frames: tuple[_Frame, ...], unused: Cards, tokens: int, grammar: Grammar
) -> None:
    """Completes a formula whose prefix ends where an operand has to begin.

    `tokens` were appended to get there.
    """
    inner = frames[-1]
    # The more loosely the text before binds, the more can follow as one piece. A factor is added
    # as a power is: the pending signs and powers apply to all of it.
    if inner.chain or inner.term is not None:
        form, stage = Form.FACTOR, _Stage(goal, frames, Form.POWER)
    elif inner.total is not None:
        form, stage = Form.TERM, _Stage(goal, frames, Form.TERM)
    else:
        form, stage = Form.SUM, _Stage(goal, frames, Form.SUM)
    for taken, left in splits(unused):
        table = stage.table(left)
        if left or len(taken) <= MAX_FULLY_LISTED:
            most = stage.most(left) - tokens
            for value, cost in values_of(taken, form, grammar, most, goal.meter):
                table.add(value, tokens + cost)
        else:
            for tightest, value, cost in pieces(
                taken, grammar, lambda: stage.most(()) - tokens, goal.meter
            ):
                table.add(value, tokens + cost + converted(tightest, form, grammar))
                signed = cost + negative(tightest, grammar)
                table.add(-value, tokens + signed + converted(Form.FACTOR, form, grammar))
    _go_on(goal, frames, stage, grammar)


def _finish(
    goal: _Goal,
    frames: tuple[_Frame, ...],
    operands: Iterable[tuple[Value, int, Cards]],
    grammar: Grammar,
) -> None:
    """Completes a formula whose prefix ends with an operand.

    Each operand is one of its continuations: its value, the tokens appended, and the unused cards.
    """
    stage = _Stage(goal, frames, Form.PRIMARY)
    for value, tokens, left in operands:
        stage.table(left).add(value, tokens)
    _go_on(goal, frames, stage, grammar)


def _go_on(goal: _Goal, frames: tuple[_Frame, ...], stage: _Stage, grammar: Grammar) -> None:
    """Extends what was reached in the innermost frame in every way, and closes the frames."""
    while True:
        inner = frames[-1]
        if stage.form == Form.PRIMARY:
            powers = _Stage(goal, frames, Form.POWER)
            stage.pass_on(powers, lambda value: value, 0)
            stage.extend(powers, ("**",), Form.FACTOR, grammar)
            stage = powers
        if stage.form == Form.POWER:
            terms = _Stage(goal, frames, Form.TERM)
            stage.pass_on(terms, inner.product, 0)
            terms.extend(terms, ("*", "/", "//"), Form.FACTOR, grammar)
            stage = terms
        if stage.form == Form.TERM:
            sums = _Stage(goal, frames, Form.SUM)
            stage.pass_on(sums, inner.sum, 0)
            sums.extend(sums, ("+", "-"), Form.TERM, grammar)
            stage = sums
        frames = frames[:-1]
        if not frames or not grammar.parentheses:
            return
        primaries = _Stage(goal, frames, Form.PRIMARY)
        stage.pass_on(primaries, lambda value: value, 1)
        stage = primaries
