"""Exact solver for the points games by the published rules, quirks included.

A formula is read as Python reads its text: numbers side by side join, two stars make a power and
two slashes a floor division, signs may stand anywhere an operand may begin, and values are Python's
integers and floating-point numbers. The question is in how few tokens a formula can be finished so
that it uses every card and equals the target, or that this is impossible; the answer holds for all
formulas, not only for some forms of them.

How it is found. A formula is a tree in Python's grammar: a sum of terms, a term of factors, a
factor with or without sign, a power, and the primary, which is a number or a sum in brackets. For a
set of cards all values that a sum, term, factor, power or primary can have are listed, with the
fewest tokens that write each; those of a larger set are all combinations of those of its parts.
What a prefix has left open is a stack of brackets with a pending sum, term and chain of signs and
powers in each. It is closed from the inside out in the same way, listing after each step the values
that can have been reached for each set of cards still unused. Values that are equal and of equal
type behave alike from then on (a zero's sign can change nothing but the sign of a zero), so that
the shortest text of each is enough.

What is left out is never needed in a shortest formula:

- a blank, that is, a number that is refused: it changes the reading of a text only by separating
  what would join, and two numbers, stars or slashes with a gap between them are an error;
- a leading plus, two signs in a row that cancel, brackets around a number or around brackets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from fractions import Fraction
from functools import lru_cache, partial
from itertools import accumulate, islice, permutations
from math import nan
from typing import NamedTuple

from gym_cards.core.action_values import IntractableError
from gym_cards.points.formula import published_number, published_operation, published_symbols
from gym_cards.points.solver import share_of_deals, splits, unused_numbers

Value = int | float
Cards = tuple[int, ...]  # numbers in ascending order

MAX_OPERATIONS = 4_000_000
"""Where a search needs more operations than this on values, it is given up with an error.

It suffices for four unused cards with up to twenty open brackets, and for five where little is
pending. With five or six it is exceeded where the target can be reached by a long formula only or
not at all, unless the cards are few different ones.
"""

_MAX_FULLY_LISTED = 3  # of more cards only the values of short texts are listed
_NEVER = 10**9  # more tokens than any formula has


class _Form(IntEnum):
    """What a piece of a formula is. Each form includes those before it."""

    PRIMARY = 0
    POWER = 1
    FACTOR = 2
    TERM = 3
    SUM = 4


_FORMS = tuple(_Form)
Piece = tuple[_Form, Value, int]  # the tightest form that a text has, its value, its tokens
Costs = tuple[int, ...]  # the fewest tokens for each form, `_NEVER` where it cannot be had


class _Grammar(NamedTuple):
    operators: str  # two of "*" or "/" write a "**" or "//"
    parentheses: bool


class _Frame(NamedTuple):
    """What an expression in brackets, or the whole formula, has pending before an operand."""

    total: Value | None = None  # of the finished terms
    sign: str = "+"  # before the unfinished term
    term: Value | None = None  # of the finished factors of the unfinished term
    operator: str = "*"  # before the unfinished factor
    chain: tuple[Value | None, ...] = ()  # before the operand: signs (None) and bases of powers

    def product(self, power: Value) -> Value | None:
        """The unfinished term with the power as its last operand, if the factor ends with it."""
        value: Value | None = power
        for link in reversed(self.chain):
            if value is not None:
                value = -value if link is None else published_operation("**", link, value)
        if value is None or self.term is None:
            return value
        return published_operation(self.operator, self.term, value)

    def sum(self, term: Value) -> Value | None:
        """The sum of all terms with this one as the last."""
        return term if self.total is None else published_operation(self.sign, self.total, term)

    def close(self, form: _Form, value: Value) -> Value | None:
        """The value of the whole expression if it ends with the piece of this form."""
        if form == _Form.SUM:
            return value
        term = value if form == _Form.TERM else self.product(value)
        return None if term is None else self.sum(term)


class _Meter:
    """Counts operations, so that no search goes on for minutes."""

    def __init__(self) -> None:
        self._left = MAX_OPERATIONS

    def count(self, operations: int) -> None:
        self._left -= operations
        if self._left < 0:
            raise IntractableError(
                f"the published rules allow too many formulas here: more than {MAX_OPERATIONS:,} "
                "operations would be needed; ask again with fewer cards unused, or play by "
                "rules='exact'"
            )


class _Table:
    """The values that were reached, with the fewest tokens for each."""

    def __init__(self) -> None:
        # Equal numbers of different type are different values: only integers are exact.
        self._tokens: dict[type, dict[Value, int]] = {int: {}, float: {}}

    def add(self, value: Value, tokens: int) -> None:
        known = self._tokens[type(value)]
        if value != value:
            value = nan  # one object, so that it is found again
        if tokens < known.get(value, _NEVER):
            known[value] = tokens

    def items(self) -> Iterator[tuple[Value, int]]:
        for known in self._tokens.values():
            yield from known.items()


class _Goal:
    """The fewest tokens found to win; at first one more than there may be."""

    def __init__(self, target: int, budget: int) -> None:
        self.target = target
        self.fewest = budget + 1
        self.meter = _Meter()


class _GoalTable(_Table):
    """A table of values with all cards used: what remains to be done with them is certain."""

    def __init__(self, goal: _Goal, frames: Sequence[_Frame], form: _Form) -> None:
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
            closed = frame.close(_Form.PRIMARY, closed)
        if closed == self._goal.target:
            self._goal.fewest = tokens


class _Stage:
    """For every set of cards still unused, the values of one form reached in the inner frame.

    A piece starts where one of its form would: a term includes the factors that the frame has
    pending, and a sum the terms, while a primary or power leaves all of that to be applied.
    """

    def __init__(self, goal: _Goal, frames: Sequence[_Frame], form: _Form) -> None:
        self.form = form
        self._goal = goal
        self._open = len(frames) - 1
        self._tables: dict[Cards, _Table] = {(): _GoalTable(goal, frames, form)}

    def table(self, unused: Cards) -> _Table:
        return self._tables.setdefault(unused, _Table())

    def most(self, unused: Cards) -> int:
        """The most tokens with which a value may still lead to a win that is shorter than known.

        Open brackets are to be closed, and unused cards take an operator and a token each.
        """
        return self._goal.fewest - 1 - self._open - (len(unused) + 1 if unused else 0)

    def pass_on(self, to: _Stage, function: Callable[[Value], Value | None], tokens: int) -> None:
        """Add all that has unused cards to the next stage, by a function that takes tokens."""
        for unused, table in self._tables.items():
            goes_to = to.table(unused)
            for value, cost in table.items():
                if cost + tokens <= to.most(unused):
                    result = function(value)
                    if result is not None:
                        goes_to.add(result, cost + tokens)

    def extend(self, to: _Stage, symbols: Sequence[str], form: _Form, grammar: _Grammar) -> None:
        """Add every value followed by an operator and an operand of the form."""
        for size in range(max(map(len, self._tables)), 0, -1):
            for unused in [cards for cards in self._tables if len(cards) == size]:
                lefts = sorted(self._tables[unused].items(), key=_by_tokens)
                for taken, left in splits(unused):
                    table = to.table(left)
                    limit = partial(to.most, left)
                    room = limit() - 1 - (lefts[0][1] if lefts else _NEVER)
                    rights = _values(taken, form, grammar, room)
                    for value, tokens in _combine(
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
) -> int | None:
    """In how few tokens the formula can be finished so that it wins by the published rules.

    Args:
        prefix: The formula so far: card values (as integers or digits), "+", "-", "*", "/", "(",
            ")" and the blanks of refused numbers.
        numbers: All card values of the hand, in any order; the prefix has used some of them.
        target: The value to reach.
        max_tokens: The most tokens that the whole formula may have, without "=".
        operators: The operators that may be appended, out of "+-*/".
        parentheses: Whether brackets may be appended.

    Returns:
        The number of tokens that are missing, without "="; 0 if the prefix itself wins; None if and
        only if no formula of at most `max_tokens` tokens that starts with the prefix wins.

    Raises:
        IntractableError: If the search takes more than `MAX_OPERATIONS` operations.
        ValueError: If the prefix uses a number that no card has left, or an operator is unknown.
    """
    if not set(operators) <= set("+-*/"):
        raise ValueError(f"operators {operators!r} are unknown: expected some of '+-*/'")
    budget = max_tokens - len(prefix)
    if budget < 0:
        return None
    return _fewest(
        tuple(prefix),
        tuple(sorted(unused_numbers(prefix, numbers))),
        target,
        budget,
        _Grammar("".join(sorted(set(operators))), parentheses),
    )


def winnable_share(
    n_cards: int = 4, faces_as_10: bool = True, target: int = 24, *, max_tokens: int = 20
) -> Fraction:
    """The exact share of deals that can be won by the published rules, ranks uniform in 1 to 13.

    Args:
        n_cards: The number of cards dealt. Four take about a minute; with more the search may be
            given up for some hand.
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
    prefix: tuple[str | int, ...], unused: Cards, target: int, budget: int, grammar: _Grammar
) -> int | None:
    # Short wins are looked for first: most hands have one, and long formulas are many.
    for most in sorted({min(len(unused) + more, budget) for more in (4, 8, budget)}):
        goal = _Goal(target, most)
        _search(goal, prefix, unused, grammar)
        if goal.fewest <= most:
            return goal.fewest
    return None


def _search(goal: _Goal, prefix: tuple[str | int, ...], unused: Cards, grammar: _Grammar) -> None:
    """Looks for a shorter end of the formula that wins than is known."""
    symbols = published_symbols(prefix)
    last = symbols[-1] if symbols and prefix[-1] != " " else ""
    if last.isdigit():  # the number may go on
        frames, operand = _read(symbols[:-1])
        if frames and operand is None:
            numbers = [(number, 0, unused) for number in _numbers((), last)]
            for taken, left in splits(unused):
                numbers += [(number, len(taken), left) for number in _numbers(taken, last)]
            _finish(goal, frames, numbers, grammar)
    elif last in ("*", "/"):  # the operator may go on
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
    """What a prefix leaves pending, outermost first, and the operand that it ends with.

    Without frames no formula starts so; without an operand one has to follow.
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
            operand = frame.close(_Form.PRIMARY, operand)
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
            pending = frame.close(_Form.PRIMARY, operand)
            frames[-1] = _Frame(pending, symbol)
        if pending is None:
            return (), None
        operand = None
    return tuple(frames), operand


def _begin(
    goal: _Goal, frames: tuple[_Frame, ...], unused: Cards, tokens: int, grammar: _Grammar
) -> None:
    """Finish a formula of which the prefix ends where an operand has to begin.

    `tokens` were appended to get there.
    """
    inner = frames[-1]
    # The looser what stands before binds, the more can follow at once as one piece. A factor is
    # added as a power is: the pending signs and powers apply to the whole of it.
    if inner.chain or inner.term is not None:
        form, stage = _Form.FACTOR, _Stage(goal, frames, _Form.POWER)
    elif inner.total is not None:
        form, stage = _Form.TERM, _Stage(goal, frames, _Form.TERM)
    else:
        form, stage = _Form.SUM, _Stage(goal, frames, _Form.SUM)
    for taken, left in splits(unused):
        table = stage.table(left)
        if left or len(taken) <= _MAX_FULLY_LISTED:
            for value, cost in _values(taken, form, grammar, stage.most(left) - tokens):
                table.add(value, tokens + cost)
        else:
            for tightest, value, cost in _pieces(
                taken, grammar, lambda: stage.most(()) - tokens, goal.meter
            ):
                table.add(value, tokens + cost + _converted(tightest, form, grammar))
                signed = cost + _negative(tightest, grammar)
                table.add(-value, tokens + signed + _converted(_Form.FACTOR, form, grammar))
    _go_on(goal, frames, stage, grammar)


def _finish(
    goal: _Goal,
    frames: tuple[_Frame, ...],
    operands: Iterable[tuple[Value, int, Cards]],
    grammar: _Grammar,
) -> None:
    """Finish a formula of which the prefix ends with an operand.

    The operands are what it may be: its value, the tokens appended, and the cards then unused.
    """
    stage = _Stage(goal, frames, _Form.PRIMARY)
    for value, tokens, left in operands:
        stage.table(left).add(value, tokens)
    _go_on(goal, frames, stage, grammar)


def _go_on(goal: _Goal, frames: tuple[_Frame, ...], stage: _Stage, grammar: _Grammar) -> None:
    """Extend what was reached in the innermost frame in every way, and close frame after frame."""
    while True:
        inner = frames[-1]
        if stage.form == _Form.PRIMARY:
            powers = _Stage(goal, frames, _Form.POWER)
            stage.pass_on(powers, lambda value: value, 0)
            stage.extend(powers, ("**",), _Form.FACTOR, grammar)
            stage = powers
        if stage.form == _Form.POWER:
            terms = _Stage(goal, frames, _Form.TERM)
            stage.pass_on(terms, inner.product, 0)
            terms.extend(terms, ("*", "/", "//"), _Form.FACTOR, grammar)
            stage = terms
        if stage.form == _Form.TERM:
            sums = _Stage(goal, frames, _Form.SUM)
            stage.pass_on(sums, inner.sum, 0)
            sums.extend(sums, ("+", "-"), _Form.TERM, grammar)
            stage = sums
        frames = frames[:-1]
        if not frames or not grammar.parentheses:
            return
        primaries = _Stage(goal, frames, _Form.PRIMARY)
        stage.pass_on(primaries, lambda value: value, 1)
        stage = primaries


def _numbers(cards: Cards, start: str = "") -> list[int]:
    """The numbers that the cards can join to, behind the digits that are already there."""
    texts = {start + "".join(map(str, order)) for order in permutations(cards)}
    return [number for text in texts if (number := published_number(text)) is not None]


def _combine(
    lefts: Sequence[tuple[Value, int]],
    symbols: Sequence[str],
    rights: Sequence[tuple[Value, int]],
    grammar: _Grammar,
    limit: Callable[[], int],
    meter: _Meter,
) -> Iterator[tuple[Value, int]]:
    """The values of left, operator and right, each with its tokens, not more than the limit.

    Both sides are in ascending order of their tokens. The limit may fall meanwhile.
    """
    available = [symbol for symbol in symbols if symbol[0] in grammar.operators]
    for right, right_tokens in rights:
        for symbol in available:
            room = limit() - right_tokens - len(symbol)
            fitting = bisect_right(lefts, room, key=_by_tokens)
            meter.count(fitting)
            for left, tokens in islice(lefts, fitting):
                value = published_operation(symbol, left, right)
                if value is not None:
                    yield value, tokens + len(symbol) + right_tokens


def _by_tokens(entry: tuple[Value, int]) -> int:
    return entry[1]


def _pieces(
    cards: Cards, grammar: _Grammar, limit: Callable[[], int], meter: _Meter
) -> Iterator[Piece]:
    """Every way to write something with exactly these cards, from the best of its parts."""
    for number in _numbers(cards):
        yield _Form.PRIMARY, number, len(cards)
    for part, rest in splits(cards):
        if rest:
            for form, left, symbols, right in (
                (_Form.POWER, _Form.PRIMARY, ("**",), _Form.FACTOR),
                (_Form.TERM, _Form.TERM, ("*", "/", "//"), _Form.FACTOR),
                (_Form.SUM, _Form.SUM, ("+", "-"), _Form.TERM),
            ):
                # Any card takes a token at the least, and so does the operator.
                lefts = _values(part, left, grammar, limit() - 1 - len(rest))
                rights = _values(rest, right, grammar, limit() - 1 - len(part))
                for value, tokens in _combine(lefts, symbols, rights, grammar, limit, meter):
                    yield form, value, tokens


def _negative(form: _Form, grammar: _Grammar) -> int:
    """The tokens that negate a piece, which makes it a factor: a minus, and brackets if needed."""
    if "-" not in grammar.operators:
        return _NEVER
    return 1 if form <= _Form.POWER else 3 if grammar.parentheses else _NEVER


def _converted(tightest: _Form, form: _Form, grammar: _Grammar) -> int:
    """The tokens that make a piece one of another form: none, or brackets."""
    return 0 if tightest <= form else 2 if grammar.parentheses else _NEVER


def _values(cards: Cards, form: _Form, grammar: _Grammar, most: int) -> Sequence[tuple[Value, int]]:
    """What exactly these cards can make of a form in at most so many tokens, shortest first."""
    if most < len(cards):
        return ()
    if len(cards) <= _MAX_FULLY_LISTED:
        return _all_values(cards, form, grammar)
    return _short_values(cards, form, grammar, most)


def _sorted_values(
    cards: Cards, form: _Form, grammar: _Grammar, most: int = _NEVER
) -> Sequence[tuple[Value, int]]:
    listed = _listed(cards, grammar, most)
    return sorted(
        ((value, costs[form]) for value, costs in listed if costs[form] <= most), key=_by_tokens
    )


@lru_cache(maxsize=8)
def _listed(cards: Cards, grammar: _Grammar, most: int) -> tuple[tuple[Value, Costs], ...]:
    """The values of these cards, with the fewest tokens that write each in each form.

    It is complete for texts of at most so many tokens.
    """
    tables = [_Table() for _ in _FORMS]
    for form, value, tokens in _pieces(cards, grammar, lambda: most, _Meter()):
        tables[form].add(value, tokens)
    for form in (_Form.PRIMARY, _Form.POWER, _Form.TERM, _Form.SUM):
        extra = _negative(form, grammar)
        for value, tokens in tables[form].items():
            tables[_Form.FACTOR].add(-value, tokens + extra)
    # Keys tell integers from floating-point numbers that equal them.
    naturals: dict[tuple[type, Value], list[int]] = {}
    for form, table in zip(_FORMS, tables, strict=True):
        for value, tokens in table.items():
            naturals.setdefault((type(value), value), [_NEVER] * len(_FORMS))[form] = tokens
    shared: dict[Costs, Costs] = {}
    listed = []
    for (_, value), natural in naturals.items():
        # A piece is of every looser form as well, and in brackets of every form.
        bracketed = min(natural) + 2 if grammar.parentheses else _NEVER
        costs = tuple(accumulate(natural, min, initial=bracketed))[1:]
        listed.append((value, shared.setdefault(costs, costs)))
    return tuple(listed)


# A list of four cards' values takes up to two megabytes, one of three a fiftieth of that.
_all_values = lru_cache(maxsize=1024)(_sorted_values)
_short_values = lru_cache(maxsize=32)(_sorted_values)
