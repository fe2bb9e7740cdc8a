"""Search for the completions of a formula by the exact rules' grammar.

An expression that is read left to right is known by two numbers: the sum of its finished terms and
its last, unfinished term, with the term's sign moved into it (which is exact in floating point
too). Open brackets stack such expressions. New brackets are not opened token by token: a bracketed
group of several cards is one operand, known by its value.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple, TypeVar

from gym_cards.points.solver.hands import Cards, splits

Number = int | float | Fraction
Partial = tuple[Number, Number]  # an unfinished expr's sum and its last term, with the term's sign
Text = tuple[int, int, int, tuple[str, ...]]  # tokens, "/" and "-" in it, and the tokens themselves
Frame = tuple[Number, Number, str]  # an expr that waits for a factor: sum, term, "*" or "/"

_Key = TypeVar("_Key")

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


def _divide(left: Number, right: Number, rules: Arithmetic) -> Number | None:
    """Returns the quotient, or None for a division by zero; an exact integer stays an int."""
    if right == 0:
        return None
    if rules.floating_point:
        return left / right
    quotient = Fraction(left) / Fraction(right)
    return quotient.numerator if quotient.denominator == 1 else quotient


def _times(term: Number, symbol: str, factor: Number, rules: Arithmetic) -> Number | None:
    return term * factor if symbol == "*" else _divide(term, factor, rules)


@lru_cache(maxsize=2048)
def _values(cards: Cards, rules: Arithmetic) -> frozenset[Number]:
    """Returns every value that the cards can be combined to, with brackets wherever needed."""
    return frozenset(cards) if len(cards) == 1 else frozenset(_combinations(cards, rules))


@lru_cache(maxsize=16384)
def reaches(cards: Cards, target: int, rules: Arithmetic) -> bool:
    """Returns whether the cards can be combined to the target, with brackets wherever needed."""
    return target in (cards if len(cards) == 1 else _combinations(cards, rules))


def _combinations(cards: Cards, rules: Arithmetic) -> Iterator[Number]:
    """Yields the results of all operations on values of two parts of the cards."""
    for part, rest in splits(cards):
        rights = _values(rest, rules) if rest else ()
        for a in _values(part, rules) if rest else ():
            # Addition and multiplication commute, in floating point too.
            if "+" in rules.operators and part <= rest:
                yield from [a + b for b in rights]
            if "-" in rules.operators:
                yield from [a - b for b in rights]
            if "*" in rules.operators and part <= rest:
                yield from [a * b for b in rights]
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
        _better(groups, total + term, text)
    return {
        value: _join(_join(_SYMBOLS["("], text), _SYMBOLS[")"]) for value, text in groups.items()
    }


def _shortest(cards: Cards) -> int:
    """Returns the fewest tokens of a factor that uses exactly these cards."""
    return 1 if len(cards) == 1 else 2 * len(cards) + 1


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
    target: int | None = None,
) -> None:
    """Adds to the table every partial followed by an operator and an operand of these cards.

    Only texts of at most `limit` tokens are added, and with a target only values equal to it.
    """
    if limit is not None:
        used = min((text[0] for text in partials.values()), default=limit)
        if used + 1 + _shortest(cards) > limit:
            return
    for value, operand in _operands(cards, rules).items():
        for symbol in rules.operators:
            tail = _join(_SYMBOLS[symbol], operand)
            for (total, term), text in partials.items():
                if limit is not None and text[0] + tail[0] > limit:
                    continue
                if symbol == "+":
                    key = (total + term, value)
                elif symbol == "-":
                    key = (total + term, -value)
                else:
                    product = _times(term, symbol, value, rules)
                    if product is None:
                        continue
                    key = (total, product)
                if target is None or key[0] + key[1] == target:
                    _better(table, key, _join(text, tail))


@lru_cache(maxsize=16384)
def complete_position(
    position: Position, hand: Cards, target: int, limit: int, rules: Arithmetic
) -> tuple[str, ...] | None:
    """Returns the canonical completion of at most `limit` tokens, or None."""
    frames, partial, cards = position
    # Two tokens for each card, one for each bracket to close, two for each new pair of brackets.
    # Fewer new pairs are tried first; more than this many would include a useless one.
    shortest = 2 * len(cards) + len(frames) - (2 if partial is None else 0)
    for bound in range(shortest, min(limit, shortest + 2 * len(cards)) + 1, 2):
        text = _search(position, target, bound, rules)
        if text is not None:
            return text[3]
        if not reaches(hand, target, rules):
            return None  # cheaper than searching further
    return None


def _search(position: Position, target: int, limit: int, rules: Arithmetic) -> Text | None:
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
            level[left] = _fill(inner, _operands(operand, rules), room, rules)
    else:
        outer = frames
        level[cards] = {partial: _EMPTY}
    for depth in range(len(outer), 0, -1):
        _extend(level, limit - depth, rules)
        above = {}
        for left, partials in level.items():
            values: dict[Number, Text] = {}
            for (total, term), text in partials.items():
                _better(values, total + term, _join(text, _SYMBOLS[")"]))
            room = limit - 2 * len(left) - (depth - 1)
            above[left] = _fill(outer[depth - 1], values, room, rules)
        level = above
    _extend(level, limit, rules, target)
    solved = [text for (total, term), text in level.get((), {}).items() if total + term == target]
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
    target: int | None = None,
) -> None:
    """Appends operands in every way, leaving room for two tokens for each card that remains."""
    most = max(map(len, level), default=0)
    for count in range(most, 0, -1):
        for cards in [cards for cards in level if len(cards) == count]:
            for operand, left in splits(cards):
                table = level.setdefault(left, {})
                room = limit - 2 * len(left)
                _append(table, level[cards], operand, rules, room, None if left else target)


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
            value = partial[0] + partial[1]
        elif len(text) == 1 and text in rules.operators:
            total, term = partial
            if text in ("*", "/"):
                frames.append((total, term, text))
            else:
                frames.append((total + term, 1 if text == "+" else -1, "*"))
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
