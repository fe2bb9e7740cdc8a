"""Values of arithmetic formulas, by the published rules and by the exact ones.

A formula is a sequence of tokens: numbers, "+", "-", "*", "/", "(", ")" and the blank " " that the
published games append for a number they refuse. Nothing here calls `eval`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from fractions import Fraction

MAX_BITS = 4096
"""Integers of more bits than this count as wrong, so that every formula is evaluated quickly."""

REFUSED_MARK = "_"
"""The sign for a refused number in a formula that is written the way it is read."""

_DIGITS = frozenset("0123456789")
_SYMBOLS = frozenset("+-*/()")

# How tightly an operator binds, as in Python's grammar. A sign ("u+", "u-") binds more loosely than
# a power to its right and more tightly than a product: -2**2 is -4, and -2*3 is (-2)*3.
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "u+": 3, "u-": 3, "**": 4}

_BINARY: dict[str, Callable[[int | float, int | float], int | float | complex]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "**": operator.pow,
}


class _WrongError(ArithmeticError):
    """The formula has no value: it is malformed, undefined or too large."""


def evaluate_published(tokens: Sequence[str | int]) -> int | float | None:
    """Returns the value that Python gives to the tokens' texts written without gaps.

    These are the rules of the published games (RL4VLM, recorded in the conformance data): numbers
    side by side join (2, 4 is 24) unless a blank stands between them, two stars make a power and
    two slashes a floor division, signs work, a bracket after a number is a call and so an error,
    and "/" is floating-point division. The only departure from Python: complex results, and
    integers of more than `MAX_BITS` bits on the way, count as wrong.

    The time is linear in the number of tokens, and sizes are checked before a power is computed.

    Args:
        tokens: Numbers (as integers or digits), "+", "-", "*", "/", "(", ")" and " ".

    Returns:
        The value, an integer if Python gives one (and an infinity or NaN if it gives that); None if
        Python raises or the value counts as wrong.

    Raises:
        ValueError: If a token holds any other character.
    """
    try:
        return _evaluate(published_symbols(tokens))
    except (_WrongError, ZeroDivisionError, OverflowError):
        return None


def published_symbols(tokens: Sequence[str | int]) -> list[str]:
    """Returns the numbers, operators and brackets that Python reads in the tokens' joined texts.

    Blanks are left out; they separate what would join without them.

    Raises:
        ValueError: If a token holds any other character than a formula's.
    """
    return _symbols("".join(_texts(tokens)))


def words_as_read(tokens: Sequence[str | int], *, joins: bool) -> list[str]:
    """Returns the words of a formula that is written the way it is read.

    A blank, which stands for a refused number, is `REFUSED_MARK`.

    Args:
        tokens: As in `evaluate_published`.
        joins: Whether neighbouring digits, stars and slashes are read as one number or operator, as
            by the published rules.

    Raises:
        ValueError: If a token holds any other character than a formula's.
    """
    words: list[str] = []
    for text in _texts(tokens):
        if text == " ":
            words.append(REFUSED_MARK)
        elif joins and words and _is_one(words[-1], text):
            words[-1] += text
        else:
            words.append(text)
    return words


def text_as_read(words: Sequence[str]) -> str:
    """Returns words as one text, with spaces where two would otherwise be read as one."""
    text = ""
    for word in words:
        text += f" {word}" if text and _is_one(text[-1], word[0]) else word
    return text


def _is_one(left: str, right: str) -> bool:
    """Returns whether Python reads one symbol where these two are side by side."""
    both_numbers = _DIGITS.issuperset(left) and _DIGITS.issuperset(right)
    return both_numbers or (left == right and left in ("*", "/"))


def published_operation(symbol: str, left: int | float, right: int | float) -> int | float | None:
    """Applies one operation by the published rules.

    Args:
        symbol: "+", "-", "*", "/", "//" or "**".
        left: The left operand.
        right: The right operand.

    Returns:
        What Python gives; None if it raises or the value counts as wrong.
    """
    try:
        return _apply(symbol, left, right)
    except (_WrongError, ZeroDivisionError, OverflowError):
        return None


def published_number(digits: str) -> int | None:
    """Returns the number that Python reads in digits; None if it raises or the value is wrong."""
    try:
        return _number(digits)
    except _WrongError:
        return None


def evaluate_exact(
    tokens: Sequence[str | int], cards: Sequence[int] | None = None
) -> Fraction | None:
    """Returns the rational value of a formula by the exact rules.

    The grammar is `expr := term (± term)*`, `term := factor (× ÷ factor)*`,
    `factor := card | ( expr )`. Every token stands for itself: numbers do not join, and there are
    no signs, powers or floor divisions. A blank between tokens is white space and is skipped.

    Args:
        tokens: Numbers (as integers or digits), "+", "-", "*", "/", "(", ")" and " ".
        cards: If given, the card values that the formula must use exactly once each, in any order.

    Returns:
        The value, or None if the formula is malformed, divides by zero or does not use exactly the
        given cards.

    Raises:
        ValueError: If a token holds any other character.
    """
    texts = [text for text in _texts(tokens) if text.strip(" ")]
    if cards is not None and sorted(int(text) for text in texts if text.isdigit()) != sorted(cards):
        return None
    values: list[Fraction] = []
    pending: list[str] = []
    wants_operand = True

    def reduce(binding: int) -> None:
        while pending and pending[-1] != "(" and _BINDING[pending[-1]] >= binding:
            right, left = values.pop(), values.pop()
            values.append(_exact(pending.pop(), left, right))

    try:
        for text in texts:
            if text.isdigit() if wants_operand else text in ("+", "-", "*", "/"):
                if wants_operand:
                    values.append(Fraction(int(text)))
                else:
                    reduce(_BINDING[text])
                    pending.append(text)
                wants_operand = not wants_operand
            elif wants_operand and text == "(":
                pending.append(text)
            elif not wants_operand and text == ")":
                reduce(0)
                if not pending:
                    return None
                pending.pop()
            else:
                return None
        if wants_operand:
            return None
        reduce(0)
    except ZeroDivisionError:
        return None
    return None if pending else values[0]


def _exact(symbol: str, left: Fraction, right: Fraction) -> Fraction:
    if symbol == "+":
        return left + right
    if symbol == "-":
        return left - right
    return left * right if symbol == "*" else left / right


def _texts(tokens: Sequence[str | int]) -> list[str]:
    """Returns the tokens' texts after checking that they are of a formula's alphabet."""
    texts = [str(token) for token in tokens]
    for text in texts:
        if not text or not (_DIGITS.issuperset(text) or text in _SYMBOLS or text == " "):
            raise ValueError(
                f"{text!r} is not a token of a formula: expected a number, '+', '-', '*', '/', "
                "'(', ')' or ' '"
            )
    return texts


def _symbols(text: str) -> list[str]:
    """Splits a formula's text as Python does: longest symbol first, spaces only separate."""
    symbols = []
    start = 0
    while start < len(text):
        end = start + 1
        if text[start] in _DIGITS:
            while end < len(text) and text[end] in _DIGITS:
                end += 1
        elif text[start] in "*/" and text[end : end + 1] == text[start]:
            end += 1
        if text[start] != " ":
            symbols.append(text[start:end])
        start = end
    return symbols


def _evaluate(symbols: list[str]) -> int | float:
    """Evaluates by operator precedence (Dijkstra's shunting yard), without recursion."""
    values: list[int | float] = []
    pending: list[str] = []
    wants_operand = True
    for symbol in symbols:
        if wants_operand:
            if symbol[0] in _DIGITS:
                values.append(_number(symbol))
                wants_operand = False
            elif symbol in ("+", "-"):
                pending.append("u" + symbol)
            elif symbol == "(":
                pending.append(symbol)
            else:
                raise _WrongError  # also "()", a tuple, which no operator turns into a number
        elif symbol == ")":
            _reduce(values, pending, 0)
            if not pending:
                raise _WrongError
            pending.pop()
        elif symbol in _BINARY:
            # A power is right-associative: it leaves an earlier power pending.
            _reduce(values, pending, _BINDING[symbol] + (symbol == "**"))
            pending.append(symbol)
            wants_operand = True
        else:
            raise _WrongError  # a number after a number, or a call
    if wants_operand:
        raise _WrongError
    _reduce(values, pending, 0)
    if pending:
        raise _WrongError
    return values[0]


def _reduce(values: list[int | float], pending: list[str], binding: int) -> None:
    """Applies the pending operators, back to the last bracket, that bind at least this tightly."""
    while pending and pending[-1] != "(" and _BINDING[pending[-1]] >= binding:
        symbol = pending.pop()
        right = values.pop()
        if symbol == "u+":
            values.append(right)
        elif symbol == "u-":
            values.append(-right)
        else:
            values.append(_apply(symbol, values.pop(), right))


def _apply(symbol: str, left: int | float, right: int | float) -> int | float:
    # An integer power has more than (bits - 1) * exponent bits, so what is computed stays small.
    if (
        symbol == "**"
        and isinstance(left, int)
        and isinstance(right, int)
        and (left.bit_length() - 1) * right > MAX_BITS
    ):
        raise _WrongError
    value = _BINARY[symbol](left, right)
    if isinstance(value, complex) or (isinstance(value, int) and value.bit_length() > MAX_BITS):
        raise _WrongError
    return value


def _number(digits: str) -> int:
    # Python refuses leading zeros but accepts any number of zeros alone.
    if (digits[0] == "0" and digits.strip("0")) or len(digits) > MAX_BITS:
        raise _WrongError
    value = int(digits)
    if value.bit_length() > MAX_BITS:
        raise _WrongError
    return value
