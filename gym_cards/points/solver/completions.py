"""Search for the completions of a formula by the exact rules' grammar.

An expression that is read left to right is known by two numbers: the sum of its finished terms and
its last, unfinished term, with the term's sign moved into it (which is exact in floating point
too). Open brackets stack such expressions. New brackets are not opened token by token: a bracketed
group of several cards is one operand, known by its value. Exact values are residues modulo a prime.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, TypeVar

from gym_cards.points.solver.hands import Cards, parts, splits
from gym_cards.points.solver.meter import Meter, Work

Number = int | float
Partial = tuple[Number, Number]  # an unfinished expr's sum and its last term, with the term's sign
Text = tuple[int, int, int, tuple[str, ...]]  # tokens, "/" and "-" in it, and the tokens themselves
Frame = tuple[Number, Number, str]  # an expr that waits for a factor: sum, term, "*" or "/"

_Key = TypeVar("_Key")

_PRIME = 2**127 - 1
"""The modulus of the residues that stand for exact numbers.

With n cards of at most 100, numerator and denominator are at most 2**(n - 1) * 100**n. For six
cards, two different fractions a/b and c/d therefore have 0 < abs(ad - bc) < 2**93 and so different
residues. Calculating with integers takes a fraction of the time of Python's fractions.
"""

_LARGEST = 2**5 * 100**6  # no value is larger

_EMPTY: Text = (0, 0, 0, ())
START: Frame = (0, 1, "*")


class Arithmetic(NamedTuple):
    """Operators and brackets of formulas, and the numbers they are computed in."""

    operators: str
    parentheses: bool
    floating_point: bool


class Position(NamedTuple):
    """State after a prefix: open brackets from the outside in, and the cards still to play.

    `partial` is None where the innermost expression waits for a factor; it is then the last of
    `frames`. Otherwise `partial` is that expression's value so far and `frames` are those around.
    """

    frames: tuple[Frame, ...]
    partial: Partial | None
    cards: Cards


def _reduced(number: Number, rules: Arithmetic) -> Number:
    """Returns a result as a residue, or as it is if it is in floating point."""
    return number if rules.floating_point else number % _PRIME


@lru_cache(maxsize=2**16)
def _inverse(residue: int) -> int:
    return pow(residue, -1, _PRIME)


def _goal(target: int, rules: Arithmetic) -> Number:
    """Returns what a value that equals the target is equal to."""
    if rules.floating_point:
        return target
    return target % _PRIME if abs(target) <= _LARGEST else _PRIME


def _divide(left: Number, right: Number, rules: Arithmetic) -> Number | None:
    """Returns the quotient, or None for a division by zero."""
    if right == 0:
        return None
    if rules.floating_point:
        return left / right
    return _reduced(left * _inverse(right), rules)


def _times(term: Number, symbol: str, factor: Number, rules: Arithmetic) -> Number | None:
    if symbol == "*":
        return _reduced(term * factor, rules)
    return _divide(term, factor, rules)


@lru_cache(maxsize=2048)
def _values(cards: Cards, rules: Arithmetic) -> frozenset[Number]:
    """Returns every value that the cards can be combined to, with brackets wherever needed."""
    return frozenset(cards) if len(cards) == 1 else frozenset(_combinations(cards, rules))


@lru_cache(maxsize=16384)
def reaches(cards: Cards, target: int, rules: Arithmetic) -> bool:
    """Returns whether the cards can be combined to the target, with brackets wherever needed."""
    return _goal(target, rules) in (cards if len(cards) == 1 else _combinations(cards, rules))


def _combinations(cards: Cards, rules: Arithmetic) -> Iterator[Number]:
    """Yields the results of all operations on values of two parts of the cards."""
    for part, rest in splits(cards):
        rights = _values(rest, rules) if rest else ()
        for a in _values(part, rules) if rest else ():
            # Addition and multiplication commute, in floating point too.
            if "+" in rules.operators and part <= rest:
                yield from [_reduced(a + b, rules) for b in rights]
            if "-" in rules.operators:
                yield from [_reduced(a - b, rules) for b in rights]
            if "*" in rules.operators and part <= rest:
                yield from [_reduced(a * b, rules) for b in rights]
            if "/" in rules.operators:
                yield from [q for b in rights if (q := _divide(a, b, rules)) is not None]


def _better(table: dict[_Key, Text], key: _Key, text: Text) -> None:
    """Keeps the canonical text of each key."""
    known = table.get(key)
    if known is None or text < known:
        table[key] = text


def _join(first: Text, second: Text) -> Text:
    return (first[0] + second[0], first[1] + second[1], first[2] + second[2], first[3] + second[3])


_SYMBOLS: dict[str, Text] = {
    "+": (1, 0, 0, ("+",)),
    "-": (1, 0, 1, ("-",)),
    "*": (1, 0, 0, ("*",)),
    "/": (1, 1, 0, ("/",)),
    "(": (1, 0, 0, ("(",)),
    ")": (1, 0, 0, (")",)),
}


@lru_cache(maxsize=2048)
def _operands(cards: Cards, rules: Arithmetic) -> dict[Number, Text]:
    """Returns the factors that use exactly these cards: one card, or a group in brackets."""
    if len(cards) == 1:
        return {cards[0]: (1, 0, 0, (str(cards[0]),))}
    if not rules.parentheses:
        return {}
    groups: dict[Number, Text] = {}
    for (total, term), text in _expressions(cards, rules).items():
        _better(groups, _reduced(total + term, rules), text)
    return {
        value: _join(_join(_SYMBOLS["("], text), _SYMBOLS[")"]) for value, text in groups.items()
    }


def _shortest(cards: Cards) -> int:
    """Returns the fewest tokens of a factor that uses exactly these cards."""
    return 1 if len(cards) == 1 else 2 * len(cards) + 1


@lru_cache(maxsize=2048)
def _operations(cards: Cards, rules: Arithmetic) -> int:
    """Returns how many operations make the table of these cards' operands, from those of fewer."""
    pairs = (
        len(_operands(operand, rules)) * len(_starts(before, rules))
        for operand, before in splits(cards)
        if before
    )
    return sum(pairs) * len(rules.operators)


@lru_cache(maxsize=2048)
def _operations_of_values(cards: Cards, rules: Arithmetic) -> int:
    """Returns how many operations combine these cards to all values, from those of fewer."""
    pairs = (
        len(_values(part, rules)) * len(_values(rest, rules))
        for part, rest in splits(cards)
        if rest
    )
    return sum(pairs) * len(rules.operators)


def _count_operands(cards: Cards, rules: Arithmetic, meter: Meter) -> None:
    """Counts the tables of the operands of these cards, each before the next one is made."""
    if rules.parentheses and not meter.has(cards):
        for part in parts(cards):
            if not meter.has(part):
                meter.count_table(part, _operations(part, rules))


def _expressions(cards: Cards, rules: Arithmetic) -> dict[Partial, Text]:
    """Returns the expressions that use exactly these cards, except for one group of them all."""
    table: dict[Partial, Text] = {}
    if len(cards) == 1:
        table[0, cards[0]] = (1, 0, 0, (str(cards[0]),))
    for operand, before in splits(cards):
        if before:
            _append(table, _starts(before, rules), operand, rules)
    return table


@lru_cache(maxsize=2048)
def _starts(cards: Cards, rules: Arithmetic) -> dict[Partial, Text]:
    """Returns the expressions that use exactly these cards, one group of them all included."""
    table = dict(_expressions(cards, rules))
    for value, text in _operands(cards, rules).items():
        _better(table, (0, value), text)
    return table


def _append(
    table: dict[Partial, Text],
    partials: dict[Partial, Text],
    cards: Cards,
    rules: Arithmetic,
    limit: int | None = None,
    target: Number | None = None,
    meter: Meter | None = None,
) -> None:
    """Adds to the table every partial followed by an operator and an operand of these cards.

    Only texts of at most `limit` tokens are added, and with a target only values equal to it.
    """
    if limit is not None:
        used = min((text[0] for text in partials.values()), default=limit)
        if used + 1 + _shortest(cards) > limit:
            return
    if meter is not None:
        _count_operands(cards, rules, meter)
        meter.count(len(_operands(cards, rules)) * len(rules.operators) * len(partials))
    for value, operand in _operands(cards, rules).items():
        for symbol in rules.operators:
            tail = _join(_SYMBOLS[symbol], operand)
            for (total, term), text in partials.items():
                if limit is not None and text[0] + tail[0] > limit:
                    continue
                if symbol == "+":
                    key = (_reduced(total + term, rules), value)
                elif symbol == "-":
                    key = (_reduced(total + term, rules), _reduced(-value, rules))
                else:
                    product = _times(term, symbol, value, rules)
                    if product is None:
                        continue
                    key = (total, product)
                if target is None or _reduced(key[0] + key[1], rules) == target:
                    _better(table, key, _join(text, tail))


@lru_cache(maxsize=16384)
def complete_position(
    position: Position, hand: Cards, target: int, limit: int, rules: Arithmetic
) -> tuple[str, ...] | None:
    """Returns the canonical completion of at most `limit` tokens, or None."""
    return _complete(position, hand, target, limit, rules, None)


@lru_cache(maxsize=8192)
def measured_completion(
    position: Position, hand: Cards, target: int, limit: int, rules: Arithmetic
) -> tuple[tuple[str, ...] | None, Work]:
    """Returns what `complete_position` does, and the work of the search.

    Raises:
        IntractableError: If the search takes more than `MAX_OPERATIONS` operations.
    """
    meter = Meter()
    return _complete(position, hand, target, limit, rules, meter), meter.work()


def _complete(
    position: Position,
    hand: Cards,
    target: int,
    limit: int,
    rules: Arithmetic,
    meter: Meter | None,
) -> tuple[str, ...] | None:
    frames, partial, cards = position
    # Two tokens for each card, one for each bracket to close, two for each new pair of brackets.
    # Fewer new pairs are tried first; more than this many would include a useless one.
    shortest = 2 * len(cards) + len(frames) - (2 if partial is None else 0)
    for bound in range(shortest, min(limit, shortest + 2 * len(cards)) + 1, 2):
        text = _search(position, _goal(target, rules), bound, rules, meter)
        if text is not None:
            return text[3]
        if meter is not None:
            for part in parts(hand):
                if not meter.has((part, "values")):
                    meter.count_table((part, "values"), _operations_of_values(part, rules))
        if not reaches(hand, target, rules):
            return None  # cheaper than searching further
    return None


def _search(
    position: Position, target: Number, limit: int, rules: Arithmetic, meter: Meter | None
) -> Text | None:
    """Returns the canonical completion of at most `limit` tokens, from the innermost bracket out.

    At each level: for each choice of cards that remain, the partials that the cards played since
    the prefix can make of the level's expression.
    """
    frames, partial, cards = position
    level: dict[Cards, dict[Partial, Text]] = {}
    if partial is None:
        outer, inner = frames[:-1], frames[-1]
        for operand, left in splits(cards):
            room = limit - 2 * len(left) - len(outer)
            if room < _shortest(operand) or (inner == START and len(cards) > 1 and not left):
                continue  # no room for brackets, or brackets around a whole expression
            if meter is not None:
                _count_operands(operand, rules, meter)
                meter.count(len(_operands(operand, rules)))
            level[left] = _fill(inner, _operands(operand, rules), room, rules)
    else:
        outer = frames
        level[cards] = {partial: _EMPTY}
    for depth in range(len(outer), 0, -1):
        _extend(level, limit - depth, rules, meter)
        above = {}
        for left, partials in level.items():
            values: dict[Number, Text] = {}
            for (total, term), text in partials.items():
                value = _reduced(total + term, rules)
                _better(values, value, _join(text, _SYMBOLS[")"]))
            room = limit - 2 * len(left) - (depth - 1)
            above[left] = _fill(outer[depth - 1], values, room, rules)
        level = above
    _extend(level, limit, rules, meter, target)
    solved = [
        text
        for (total, term), text in level.get((), {}).items()
        if _reduced(total + term, rules) == target
    ]
    return min(solved, default=None)


def _fill(
    frame: Frame, values: dict[Number, Text], limit: int, rules: Arithmetic
) -> dict[Partial, Text]:
    """Returns the waiting expression with each value as its factor."""
    total, term, symbol = frame
    table: dict[Partial, Text] = {}
    for value, text in values.items():
        product = _times(term, symbol, value, rules) if text[0] <= limit else None
        if product is not None:
            _better(table, (total, product), text)
    return table


def _extend(
    level: dict[Cards, dict[Partial, Text]],
    limit: int,
    rules: Arithmetic,
    meter: Meter | None,
    target: Number | None = None,
) -> None:
    """Appends operands in every way, leaving room for two tokens for each card that remains."""
    most = max(map(len, level), default=0)
    for count in range(most, 0, -1):
        for cards in [cards for cards in level if len(cards) == count]:
            for operand, left in splits(cards):
                table = level.setdefault(left, {})
                room = limit - 2 * len(left)
                _append(table, level[cards], operand, rules, room, None if left else target, meter)


def read_prefix(prefix: tuple[str, ...], cards: Cards, rules: Arithmetic) -> Position | None:
    """Returns the position after a prefix, or None if no formula of the grammar starts with it."""
    frames: list[Frame] = [START]
    partial: Partial | None = None
    remaining = list(cards)
    for text in prefix:
        if text == " ":
            continue
        if partial is None:
            if text == "(" and rules.parentheses:
                frames.append(START)
                continue
            if not text.isdecimal() or int(text) not in remaining:
                return None
            remaining.remove(int(text))
            value: Number = int(text)
        elif text == ")" and frames:
            value = _reduced(partial[0] + partial[1], rules)
        elif len(text) == 1 and text in rules.operators:
            total, term = partial
            if text in ("*", "/"):
                frames.append((total, term, text))
            else:
                sign = _reduced(1 if text == "+" else -1, rules)
                frames.append((_reduced(total + term, rules), sign, "*"))
            partial = None
            continue
        else:
            return None
        total, term, symbol = frames.pop()
        product = _times(term, symbol, value, rules)
        if product is None:
            return None
        partial = (total, product)
    return Position(tuple(frames), partial, tuple(remaining))
