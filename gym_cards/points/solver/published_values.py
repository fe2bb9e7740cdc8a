"""Values that sets of cards can have by the published rules, with the fewest tokens of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate, islice, permutations
from math import nan
from typing import NamedTuple

from gym_cards.points.formula import published_number, published_operation
from gym_cards.points.solver.hands import Cards, splits
from gym_cards.points.solver.meter import Meter, Work

Value = int | float

MAX_FULLY_LISTED = 3  # of larger sets only the values of short texts are listed
NEVER = 10**9  # more tokens than any formula has


class Form(IntEnum):
    """Grammatical form of a piece of a formula. Each form includes those before it."""

    PRIMARY = 0
    POWER = 1
    FACTOR = 2
    TERM = 3
    SUM = 4


_FORMS = tuple(Form)
Piece = tuple[Form, Value, int]  # the tightest form that a text has, its value, its tokens
Costs = tuple[int, ...]  # the fewest tokens for each form, `NEVER` where it cannot be had


class Grammar(NamedTuple):
    """Tokens that may be appended to a formula."""

    operators: str  # two of "*" or "/" write a "**" or "//"
    parentheses: bool


class Table:
    """Values that were reached, with the fewest tokens for each."""

    def __init__(self) -> None:
        # Equal numbers of different type are different values: only integers are exact.
        self._tokens: dict[type, dict[Value, int]] = {int: {}, float: {}}

    def add(self, value: Value, tokens: int) -> None:
        """Adds a value, unless it was reached in as few tokens."""
        known = self._tokens[type(value)]
        if value != value:
            value = nan  # one object, so that it is found again
        if tokens < known.get(value, NEVER):
            known[value] = tokens

    def items(self) -> Iterator[tuple[Value, int]]:
        """Yields the values with their tokens."""
        for known in self._tokens.values():
            yield from known.items()


def joined_numbers(cards: Cards, start: str = "") -> list[int]:
    """Returns the numbers that the cards can join to, after the digits that are already there."""
    texts = {start + "".join(map(str, order)) for order in permutations(cards)}
    return [number for text in texts if (number := published_number(text)) is not None]


def combine(
    lefts: Sequence[tuple[Value, int]],
    symbols: Sequence[str],
    rights: Sequence[tuple[Value, int]],
    grammar: Grammar,
    limit: Callable[[], int],
    meter: Meter,
) -> Iterator[tuple[Value, int]]:
    """Yields the values of left, operator and right in at most `limit` tokens, with their tokens.

    Both sides are in ascending order of their tokens. The limit may fall in the meantime.
    """
    available = [symbol for symbol in symbols if symbol[0] in grammar.operators]
    for right, right_tokens in rights:
        for symbol in available:
            room = limit() - right_tokens - len(symbol)
            fitting = bisect_right(lefts, room, key=by_tokens)
            meter.count(fitting)
            for left, tokens in islice(lefts, fitting):
                value = published_operation(symbol, left, right)
                if value is not None:
                    yield value, tokens + len(symbol) + right_tokens


def by_tokens(entry: tuple[Value, int]) -> int:
    """Sorts values by their tokens."""
    return entry[1]


def pieces(
    cards: Cards, grammar: Grammar, limit: Callable[[], int], meter: Meter
) -> Iterator[Piece]:
    """Yields every way to write something with exactly these cards, from the best of its parts."""
    for number in joined_numbers(cards):
        yield Form.PRIMARY, number, len(cards)
    for part, rest in splits(cards):
        if rest:
            for form, left, symbols, right in (
                (Form.POWER, Form.PRIMARY, ("**",), Form.FACTOR),
                (Form.TERM, Form.TERM, ("*", "/", "//"), Form.FACTOR),
                (Form.SUM, Form.SUM, ("+", "-"), Form.TERM),
            ):
                # Each card takes at least a token, and so does the operator.
                lefts = values_of(part, left, grammar, limit() - 1 - len(rest), meter)
                rights = values_of(rest, right, grammar, limit() - 1 - len(part), meter)
                for value, tokens in combine(lefts, symbols, rights, grammar, limit, meter):
                    yield form, value, tokens


def negative(form: Form, grammar: Grammar) -> int:
    """Returns the tokens that make a piece a negative factor: a minus, and brackets if needed."""
    if "-" not in grammar.operators:
        return NEVER
    return 1 if form <= Form.POWER else 3 if grammar.parentheses else NEVER


def converted(tightest: Form, form: Form, grammar: Grammar) -> int:
    """Returns the tokens that make a piece one of another form: none, or brackets."""
    return 0 if tightest <= form else 2 if grammar.parentheses else NEVER


def values_of(
    cards: Cards, form: Form, grammar: Grammar, most: int, meter: Meter
) -> Sequence[tuple[Value, int]]:
    """Returns what exactly these cards can make of a form in `most` tokens, shortest first."""
    if most < len(cards):
        return ()
    if len(cards) <= MAX_FULLY_LISTED:
        most = NEVER
        values, work = _all_values(cards, form, grammar)
    else:
        values, work = _short_values(cards, form, grammar, most)
    meter.add_table((cards, grammar, most), work)
    return values


def _sorted_values(
    cards: Cards, form: Form, grammar: Grammar, most: int = NEVER
) -> tuple[Sequence[tuple[Value, int]], Work]:
    """Returns the values of a form, shortest first, and the work of listing all forms."""
    listed, work = _listed(cards, grammar, most)
    values = ((value, costs[form]) for value, costs in listed if costs[form] <= most)
    return sorted(values, key=by_tokens), work


@lru_cache(maxsize=8)
def _listed(
    cards: Cards, grammar: Grammar, most: int
) -> tuple[tuple[tuple[Value, Costs], ...], Work]:
    """Returns the values of these cards, with the fewest tokens that write each in each form.

    It is complete for texts of at most `most` tokens. The second result is its work, and that of
    the lists that it is made from.
    """
    meter = Meter()
    tables = [Table() for _ in _FORMS]
    for form, value, tokens in pieces(cards, grammar, lambda: most, meter):
        tables[form].add(value, tokens)
    for form in (Form.PRIMARY, Form.POWER, Form.TERM, Form.SUM):
        extra = negative(form, grammar)
        for value, tokens in tables[form].items():
            tables[Form.FACTOR].add(-value, tokens + extra)
    # Keys distinguish integers from floating-point numbers that equal them.
    naturals: dict[tuple[type, Value], list[int]] = {}
    for form, table in zip(_FORMS, tables, strict=True):
        for value, tokens in table.items():
            naturals.setdefault((type(value), value), [NEVER] * len(_FORMS))[form] = tokens
    shared: dict[Costs, Costs] = {}
    listed = []
    for (_, value), natural in naturals.items():
        # A piece is of every looser form too, and in brackets of every form.
        bracketed = min(natural) + 2 if grammar.parentheses else NEVER
        costs = tuple(accumulate(natural, min, initial=bracketed))[1:]
        listed.append((value, shared.setdefault(costs, costs)))
    return tuple(listed), meter.work()


# A list of four cards' values takes up to two megabytes, one of three a fiftieth of that.
_all_values = lru_cache(maxsize=1024)(_sorted_values)
_short_values = lru_cache(maxsize=32)(_sorted_values)
