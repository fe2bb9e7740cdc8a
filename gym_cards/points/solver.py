"""Exact solver for the points games: reach a target with every card used once.

Formulas are in the grammar of the exact rules, `expr := term (± term)*`,
`term := factor (× ÷ factor)*`, `factor := card | ( expr )`. Their values are rational numbers, or
with `floating_point=True` what Python's arithmetic gives, in which 8/(3-8/3) is not 24; the
published games count the latter.

One plan is canonical: the one of fewest tokens, then fewest "/", then fewest "-", then the first
in lexicographic order of its tokens' texts. Each of these measures adds up over the parts of a
formula, so the best formula is made of best parts, and equal values can be merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from math import factorial
from typing import NamedTuple, TypeVar

Number = int | float | Fraction
Cards = tuple[int, ...]  # values in ascending order
Partial = tuple[Number, Number]  # an unfinished expr's sum and its last term, with the term's sign
Text = tuple[int, int, int, tuple[str, ...]]  # tokens, "/" and "-" in it, and the tokens themselves
Frame = tuple[Number, Number, str]  # an expr that waits for a factor: sum, term, "*" or "/"

MAX_CARDS = 6
MAX_CARD_VALUE = 100

_Key = TypeVar("_Key")

_EMPTY: Text = (0, 0, 0, ())
_START: Frame = (0, 1, "*")


class _Rules(NamedTuple):
    operators: str
    parentheses: bool
    floating_point: bool


class _Position(NamedTuple):
    """Where a prefix leads: open brackets outside in, and the cards still to play.

    `partial` is None where the innermost expression waits for a factor; it is then the last of
    `frames`. Otherwise `partial` is that expression's value so far and `frames` are those around.
    """

    frames: tuple[Frame, ...]
    partial: Partial | None
    cards: Cards


def is_solvable(
    numbers: Sequence[int],
    target: int,
    operators: str = "+-*/",
    *,
    parentheses: bool = True,
    floating_point: bool = False,
) -> bool:
    """Whether some formula uses every number once and equals the target.

    Args:
        numbers: The card values, 1 to 6 of them, each 1 to 100, in any order.
        target: The value to reach.
        operators: The operators that may be used, out of "+-*/".
        parentheses: Whether brackets may be used.
        floating_point: Whether the value is Python's instead of the exact rational.

    Raises:
        ValueError: If the numbers or operators are none that the solver takes.
    """
    cards, rules = _check(numbers, operators, parentheses, floating_point)
    if not parentheses and len(cards) > 2:
        whole = _Position((_START,), None, cards)
        return _complete(whole, cards, target, 2 * len(cards), rules) is not None
    return _reaches(cards, target, rules)


def canonical_plan(
    numbers: Sequence[int],
    target: int,
    operators: str = "+-*/",
    *,
    parentheses: bool = True,
    floating_point: bool = False,
    max_tokens: int = 20,
) -> tuple[str, ...] | None:
    """The canonical formula that uses every number once and equals the target.

    It depends on the numbers' multiset alone, not on their order.

    Args:
        numbers: The card values, 1 to 6 of them, each 1 to 100, in any order.
        target: The value to reach.
        operators: The operators that may be used, out of "+-*/".
        parentheses: Whether brackets may be used.
        floating_point: Whether the value is Python's instead of the exact rational.
        max_tokens: The most tokens that the formula may have.

    Returns:
        The tokens, such as `("6", "*", "(", "9", "-", "5", ")")`, or None if there is none.

    Raises:
        ValueError: If the numbers or operators are none that the solver takes.
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
) -> tuple[str, ...] | None:
    """The tokens that finish a formula so that it uses every card once and equals the target.

    Of all ways to finish it the canonical one is returned, so that a player who follows it and asks
    again after each token is always told the rest of the same plan. Blanks in the prefix are white
    space, but count towards its length.

    Args:
        prefix: The tokens played so far: card values (as integers or digits), "+", "-", "*", "/",
            "(", ")" and " ".
        numbers: All card values of the hand, 1 to 6 of them, each 1 to 100, in any order.
        target: The value to reach.
        max_tokens: The most tokens that prefix and rest may have together: the longest formula
            after which the game still takes "=", 20 in Points24 and 5 in EZPoints.
        operators: The operators that may be used, out of "+-*/".
        parentheses: Whether brackets may be used.
        floating_point: Whether the value is Python's (as in the published rules) instead of the
            exact rational.

    Returns:
        The remaining tokens, without "="; the empty tuple if the prefix is already a solution;
        None if and only if no formula of the grammar that starts with the prefix succeeds.

    Raises:
        ValueError: If the numbers or operators are none that the solver takes.
    """
    cards, rules = _check(numbers, operators, parentheses, floating_point)
    position = _read(tuple(str(token) for token in prefix), cards, rules)
    if position is None:
        return None
    return _complete(position, cards, target, max_tokens - len(prefix), rules)


def solvable_share(
    n_cards: int = 4,
    face_as_10: bool = True,
    target: int = 24,
    *,
    floating_point: bool = False,
) -> Fraction:
    """The exact share of deals that have a solution, ranks uniform in 1 to 13.

    Args:
        n_cards: The number of cards dealt, 1 to 6.
        face_as_10: Whether jack, queen and king count 10 instead of 11, 12 and 13.
        target: The value to reach.
        floating_point: Whether a formula's value is Python's instead of the exact rational.
    """
    return share_of_deals(
        lambda cards: is_solvable(cards, target, floating_point=floating_point),
        n_cards,
        face_as_10,
    )


def unused_numbers(formula: Sequence[str | int], numbers: Sequence[int]) -> list[int]:
    """The cards' numbers that the formula has not used, in the cards' order.

    Raises:
        ValueError: If the formula uses a number that no card has left.
    """
    unused = list(numbers)
    for token in formula:
        text = str(token)
        if text.isdecimal():
            if int(text) not in unused:
                raise ValueError(
                    f"the formula {list(formula)} uses {text} more often than the cards "
                    f"{list(numbers)} have it; expected a blank, ' ', for a refused number"
                )
            unused.remove(int(text))
    return unused


def share_of_deals(
    is_favourable: Callable[[Cards], bool], n_cards: int, face_as_10: bool
) -> Fraction:
    """The exact share of deals that are favourable, ranks uniform in 1 to 13.

    Args:
        is_favourable: Called once for each hand, with its numbers in ascending order.
        n_cards: The number of cards dealt.
        face_as_10: Whether jack, queen and king count 10 instead of 11, 12 and 13.
    """
    weights = dict.fromkeys(range(1, 11), 1)
    if face_as_10:
        weights[10] += 3
    else:
        weights |= dict.fromkeys(range(11, 14), 1)
    favourable = 0
    for cards in combinations_with_replacement(weights, n_cards):
        if is_favourable(cards):
            deals = factorial(n_cards)
            for value in set(cards):
                count = cards.count(value)
                deals = deals * weights[value] ** count // factorial(count)
            favourable += deals
    return Fraction(favourable, 13**n_cards)


def _check(
    numbers: Sequence[int], operators: str, parentheses: bool, floating_point: bool
) -> tuple[Cards, _Rules]:
    cards = tuple(sorted(int(number) for number in numbers))
    if not 1 <= len(cards) <= MAX_CARDS or not all(1 <= card <= MAX_CARD_VALUE for card in cards):
        raise ValueError(
            f"cannot solve for {list(numbers)}: expected 1 to {MAX_CARDS} numbers, each "
            f"1 to {MAX_CARD_VALUE}"
        )
    if not operators or not set(operators) <= set("+-*/"):
        raise ValueError(f"operators {operators!r} are unknown: expected some of '+-*/'")
    return cards, _Rules("".join(sorted(set(operators))), parentheses, floating_point)


def _divide(left: Number, right: Number, rules: _Rules) -> Number | None:
    """The quotient, or None for a division by zero; an exact integer stays an int."""
    if right == 0:
        return None
    if rules.floating_point:
        return left / right
    quotient = Fraction(left) / Fraction(right)
    return quotient.numerator if quotient.denominator == 1 else quotient


def _times(term: Number, symbol: str, factor: Number, rules: _Rules) -> Number | None:
    return term * factor if symbol == "*" else _divide(term, factor, rules)


@lru_cache(maxsize=4096)
def splits(cards: Cards) -> tuple[tuple[Cards, Cards], ...]:
    """All ways to take one or more of the cards: what is taken, and what is left."""
    splits = set()
    for count in range(1, len(cards) + 1):
        for taken in combinations(range(len(cards)), count):
            left = (card for i, card in enumerate(cards) if i not in taken)
            splits.add((tuple(cards[i] for i in taken), tuple(left)))
    return tuple(sorted(splits))


@lru_cache(maxsize=2048)
def _values(cards: Cards, rules: _Rules) -> frozenset[Number]:
    """Every value that the cards can be combined to, with brackets wherever they are needed."""
    return frozenset(cards) if len(cards) == 1 else frozenset(_combinations(cards, rules))


@lru_cache(maxsize=16384)
def _reaches(cards: Cards, target: int, rules: _Rules) -> bool:
    return target in (cards if len(cards) == 1 else _combinations(cards, rules))


def _combinations(cards: Cards, rules: _Rules) -> Iterator[Number]:
    """The values of all operations on two values that the cards, in two parts, combine to."""
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


# The search for completions. An expression that is read left to right is known by two numbers: the
# sum of its finished terms and its last, unfinished term, with the term's sign moved into it (which
# is exact in floating point too). Open brackets stack such expressions. New brackets are not opened
# token by token: a bracketed group of several cards is one operand, known by its value.


def _better(table: dict[_Key, Text], key: _Key, text: Text) -> None:
    """Keep the canonical text of each key."""
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
def _operands(cards: Cards, rules: _Rules) -> dict[Number, Text]:
    """The factors that use exactly these cards: one card, or a group in brackets."""
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
    """The least tokens of a factor that uses exactly these cards."""
    return 1 if len(cards) == 1 else 2 * len(cards) + 1


def _expressions(cards: Cards, rules: _Rules) -> dict[Partial, Text]:
    """The expressions of two operands or more, or of one card, that use exactly these cards."""
    table: dict[Partial, Text] = {}
    if len(cards) == 1:
        table[0, cards[0]] = (1, 0, 0, (str(cards[0]),))
    for operand, before in splits(cards):
        if before:
            _append(table, _starts(before, rules), operand, rules)
    return table


@lru_cache(maxsize=2048)
def _starts(cards: Cards, rules: _Rules) -> dict[Partial, Text]:
    """The beginnings of an expression that use exactly these cards, or one group of them all."""
    table = dict(_expressions(cards, rules))
    for value, text in _operands(cards, rules).items():
        _better(table, (0, value), text)
    return table


def _append(
    table: dict[Partial, Text],
    partials: dict[Partial, Text],
    cards: Cards,
    rules: _Rules,
    limit: int | None = None,
    target: int | None = None,
) -> None:
    """Add to the table every partial followed by an operator and an operand of these cards.

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
def _complete(
    position: _Position, hand: Cards, target: int, limit: int, rules: _Rules
) -> tuple[str, ...] | None:
    """The canonical completion of at most `limit` tokens, or None."""
    frames, partial, cards = position
    # Two tokens a card, one a bracket to close, and two for each new pair of brackets. Fewer new
    # pairs are tried first; more than this many would include a useless one.
    shortest = 2 * len(cards) + len(frames) - (2 if partial is None else 0)
    for bound in range(shortest, min(limit, shortest + 2 * len(cards)) + 1, 2):
        text = _search(position, target, bound, rules)
        if text is not None:
            return text[3]
        if not _reaches(hand, target, rules):
            return None  # known sooner than from searching on
    return None


def _search(position: _Position, target: int, limit: int, rules: _Rules) -> Text | None:
    """The canonical completion of at most `limit` tokens, from the innermost bracket outwards.

    At each level: for each choice of cards that remain, the partials that the cards played since
    the prefix can make of the level's expression.
    """
    frames, partial, cards = position
    level: dict[Cards, dict[Partial, Text]] = {}
    if partial is None:
        outer, inner = frames[:-1], frames[-1]
        for operand, left in splits(cards):
            room = limit - 2 * len(left) - len(outer)
            if room < _shortest(operand) or (inner == _START and len(cards) > 1 and not left):
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
    frame: Frame, values: dict[Number, Text], limit: int, rules: _Rules
) -> dict[Partial, Text]:
    """The waiting expression with each value as its factor."""
    total, term, symbol = frame
    table: dict[Partial, Text] = {}
    for value, text in values.items():
        product = _times(term, symbol, value, rules) if text[0] <= limit else None
        if product is not None:
            _better(table, (total, product), text)
    return table


def _extend(
    level: dict[Cards, dict[Partial, Text]], limit: int, rules: _Rules, target: int | None = None
) -> None:
    """Append operands in every way, leaving room for two tokens for each card that remains."""
    most = max(map(len, level), default=0)
    for count in range(most, 0, -1):
        for cards in [cards for cards in level if len(cards) == count]:
            for operand, left in splits(cards):
                table = level.setdefault(left, {})
                room = limit - 2 * len(left)
                _append(table, level[cards], operand, rules, room, None if left else target)


def _read(prefix: tuple[str, ...], cards: Cards, rules: _Rules) -> _Position | None:
    """The position after a prefix, or None where no formula of the grammar starts so."""
    frames: list[Frame] = [_START]
    partial: Partial | None = None
    remaining = list(cards)
    for text in prefix:
        if text == " ":
            continue
        if partial is None:
            if text == "(" and rules.parentheses:
                frames.append(_START)
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
    return _Position(tuple(frames), partial, tuple(remaining))
