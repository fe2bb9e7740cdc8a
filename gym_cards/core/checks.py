"""Checks of what users pass: arguments, options and cards."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from gym_cards.cards import Card


def check_integer(name: str, value: object, least: int | None = None) -> int:
    """Returns a keyword argument or an option as a plain integer.

    Raises:
        ValueError: If it is not a whole number, or smaller than `least`.
    """
    expected = "a whole number" + ("" if least is None else f" of at least {least}")
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        example = max(5, least or 0)
        raise ValueError(f"{name}={value!r}: expected {expected}; pass one, such as {example}")
    return number


def check_flag(name: str, value: object) -> bool:
    """Returns a keyword argument as a plain boolean.

    Raises:
        ValueError: If it is neither true nor false.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r}: expected True or False; pass one of them")
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[str | None]) -> None:
    """Checks that a keyword argument is one of a few values.

    Raises:
        ValueError: If it is not.
    """
    if not (value is None or isinstance(value, str)) or value not in choices:
        expected = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
        raise ValueError(f"{name}={value!r}: expected {expected}; pass one of them")


def check_options(options: object, names: Collection[str]) -> None:
    """Checks that the options of `reset` set the whole state and nothing else.

    Raises:
        ValueError: If they are not a dictionary, or an option is missing or unknown.
    """
    if not isinstance(options, Mapping) or set(options) != set(names):
        given = dict(options) if isinstance(options, Mapping) else options
        raise ValueError(
            f"options={given!r}: expected a dictionary with exactly the keys "
            f"{', '.join(map(repr, names))}; leave `options` out for a random start"
        )


def check_cards(name: str, codes: object, count: int | None = None) -> tuple[Card, ...]:
    """Returns the cards that an option of `reset` lists by their two-letter codes.

    Raises:
        ValueError: If it is not a list of `count` card codes; of any number if `count` is `None`.
    """
    if isinstance(codes, str) or not isinstance(codes, Sequence):
        raise ValueError(
            f"options[{name!r}]={codes!r}: expected a list of card codes such as ['HA', 'CT']"
        )
    cards = tuple(Card.parse(code) for code in codes)
    if count is not None and len(cards) != count:
        raise ValueError(
            f"options[{name!r}]={codes!r}: expected {count} cards, got {len(cards)}; pass as many "
            "as the game deals"
        )
    return cards


def plain_options(value: Any) -> Any:
    """Returns options as values that `json.dumps` accepts."""
    if isinstance(value, Mapping):
        return {name: plain_options(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain_options(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value
