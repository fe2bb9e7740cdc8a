"""Values of options: checked against a type with bounds, wherever they come from."""

from __future__ import annotations

import contextlib
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from vlm_agent.core.checks import plain_kwargs

T = TypeVar("T")


@dataclass(frozen=True)
class Bounds:
    """Range of a number, for `Annotated`.

    Attributes:
        low: The smallest number, included unless `open_low`.
        high: The largest number, included unless `open_high`.
        open_low: Whether `low` itself is refused.
        open_high: Whether `high` itself is refused.
    """

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, value: float) -> bool:
        """Returns whether a number is in the range; NaN never is."""
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return above and below

    def __str__(self) -> str:
        """Describes the range, as an error message ends."""
        if math.isinf(self.high):
            if self.open_low:
                return f"a number above {self.low}"
            return "0 or above" if self.low == 0 else f"at least {self.low}"
        low = f"above {self.low}" if self.open_low else f"from {self.low}"
        return f"a number {low} to {'below ' if self.open_high else ''}{self.high}"


@dataclass(frozen=True)
class Marker:
    """A property of an option, for `Annotated`."""

    name: str


NON_EMPTY = Marker("non-empty")
PATH = Marker("path")
POSITIONAL = Marker("positional")
REQUIRED = Marker("required")
ONE_OR_MORE = Marker("one or more")

PositiveInt = Annotated[int, Bounds(1)]
NonNegativeInt = Annotated[int, Bounds(0)]
PositiveFloat = Annotated[float, Bounds(0, open_low=True)]
NonNegativeFloat = Annotated[float, Bounds(0)]
Fraction = Annotated[float, Bounds(0, 1)]
PositiveFraction = Annotated[float, Bounds(0, 1, open_low=True)]
ProperFraction = Annotated[float, Bounds(0, 1, open_high=True)]
JsonObject = dict[str, Any]
# A file or folder, or a name that may be one, such as that of a policy. `~` is the home folder.
PathText = Annotated[str, PATH]
NonEmpty = Annotated[tuple[T, ...], NON_EMPTY]
Positional = Annotated[T, POSITIONAL]
# For an option that follows others with a default; its own default is refused.
Required = Annotated[T, REQUIRED]
# A single value is stored as it is, several as a tuple.
OneOrMore = Annotated[T | tuple[T, ...], ONE_OR_MORE]

_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def unwrap(hint: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Splits the type of an option.

    Returns:
        The type without `None` and `Annotated`, what it was annotated with, and whether it may be
        `None`. Of several types that an option takes in Python, it is the one that is stored, text;
        of `OneOrMore` it is that of several values, a `tuple`.
    """
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        optional = type(None) in typing.get_args(hint)
        members = [each for each in typing.get_args(hint) if each is not type(None)]
        hint = members[0] if len(members) == 1 else str
    marks: tuple[Any, ...] = ()
    if typing.get_origin(hint) is Annotated:
        hint, *found = typing.get_args(hint)
        marks = tuple(found)
    if ONE_OR_MORE in marks:
        hint = next(each for each in typing.get_args(hint) if typing.get_origin(each) is tuple)
    return hint, marks, optional


def convert(value: Any, hint: Any) -> Any:
    """Returns a value from Python, YAML or JSON as its option stores it.

    Lists become tuples, whole numbers become floats where floats are expected, and paths become
    text, without `~`. NaN and infinity are refused. YAML 1.1 reads 1e-5, without a point, as text,
    so that text may stand for a float.

    Args:
        value: The value.
        hint: The type of the option: `bool`, `int`, `float`, `str`, a `Literal`, a `dict`, a
            `tuple` of any length, or any of these with `None` or in `Annotated`.

    Raises:
        ValueError: If it is not of that type or out of bounds; names the value and what was
            expected.
    """
    kind, marks, optional = unwrap(hint)
    if value is None and optional:
        return None
    if ONE_OR_MORE in marks and not isinstance(value, list | tuple):
        value = [value]
    result = _as_type(value, kind)
    bounds = [mark for mark in marks if isinstance(mark, Bounds)]
    for bound in bounds:
        if result not in bound:
            raise ValueError(f"{result!r}: expected {bound}")
    if kind is float and not math.isfinite(result):
        raise ValueError(f"{result!r}: expected {bounds[0] if bounds else 'a finite number'}")
    for mark in marks:
        if mark is PATH:
            result = expand_home(result)
        if mark is NON_EMPTY and not result:
            item, _, _ = unwrap(typing.get_args(kind)[0])
            choices = typing.get_args(item) if typing.get_origin(item) is Literal else ()
            some = f" of {', '.join(map(str, choices))}" if choices else ""
            raise ValueError(f"{result!r}: expected at least one{some}")
    if ONE_OR_MORE in marks:
        if not result:
            raise ValueError(f"{result!r}: expected at least one")
        return result[0] if len(result) == 1 else result
    return result


def expand_home(path: str) -> str:
    """Returns a path with the home folder in place of `~`, also after a prefix such as `sb3:`."""
    prefix, colon, rest = path.partition(":")
    if colon and prefix.isidentifier() and rest.startswith("~"):
        return f"{prefix}:{os.path.expanduser(rest)}"
    return os.path.expanduser(path)


def _as_type(value: Any, kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ValueError(f"{value!r}: expected a list")
        return tuple(convert(item, arguments[0]) for item in items)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r}: expected one of {', '.join(map(repr, arguments))}")
        return value
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r}: expected names and their values")
        try:
            return plain_kwargs(value)
        except ValueError as error:
            raise ValueError(f"{value!r:.80}: {error}") from None
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            raise ValueError(f"{value!r}: expected a number") from None
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{value!r}: expected {_EXPECTED[kind]}")
    return value


def from_text(words: list[str], hint: Any) -> Any:
    """Returns the value that words of the command line give to an option.

    Args:
        words: One word, or any number of them where the option is a `tuple`. `None` stands for
            itself where the option may be `None`.
        hint: The type of the option, as for `convert`.

    Raises:
        ValueError: As for `convert`.
    """
    kind, _, optional = unwrap(hint)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        return convert([from_text([word], item) for word in words], hint)
    (word,) = words
    if optional and word == "None":
        return None
    if typing.get_origin(kind) is dict:
        return convert(_parse_json_object(word), hint)
    value: Any = word
    if kind is int:
        with contextlib.suppress(ValueError):
            value = int(word)
    return convert(value, hint)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _parse_json_object(text: str) -> Any:
    expected = """expected a JSON object, such as '{"max_position": 9}'"""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ValueError(f"{text!r} is not JSON ({error}): {expected}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{text!r}: {expected}")
    return value
