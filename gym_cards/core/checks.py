"""Checks of what users pass: arguments, actions, seeds, options and cards."""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np

from gym_cards.cards import Card


def whole(value: object) -> int | None:
    """Returns a whole number as a plain integer, and `None` for anything else."""
    # Python counts booleans among the integers, and older releases of NumPy count theirs too.
    if isinstance(value, bool | np.bool_):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def check_action(action: object, names: Sequence[str]) -> int:
    """Returns an action as a plain index.

    Python's and NumPy's whole numbers are actions, and so are their arrays without dimensions.

    Raises:
        ValueError: If it is no whole number, a boolean among them, or there is no such action.
    """
    index = whole(action)
    if index is None or not 0 <= index < len(names):
        listed = ", ".join(f"{i}: {name!r}" for i, name in enumerate(names))
        raise ValueError(
            f"{action!r:.200} is not an action: expected an index out of {listed}; pass it as a "
            "whole number"
        )
    return index


def check_seed(seed: object) -> int | None:
    """Returns a seed of `reset` as a plain integer, or `None`.

    Raises:
        ValueError: If it is neither `None` nor a whole number of at least 0.
    """
    return None if seed is None else check_integer("seed", seed, least=0)


def closed_error(method: str) -> gym.error.ClosedEnvironmentError:
    """Returns the error for a method that was called after `close`."""
    return gym.error.ClosedEnvironmentError(
        f"{method} was called after close(): make a new environment with gymnasium.make or "
        "gymnasium.make_vec"
    )


def check_integer(name: str, value: object, least: int | None = None) -> int:
    """Returns a keyword argument or an option as a plain integer.

    Raises:
        ValueError: If it is not a whole number, or smaller than `least`.
    """
    expected = "a whole number" + ("" if least is None else f" of at least {least}")
    number = whole(value)
    if number is None or (least is not None and number < least):
        example = max(5, least or 0)
        raise ValueError(f"{name}={value!r:.200}: expected {expected}; pass one, such as {example}")
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


def check_mapping(options: object) -> Mapping[str, Any]:
    """Returns the options of `reset`, empty ones for `None`.

    Raises:
        ValueError: If they are neither a dictionary nor `None`.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ValueError(
            f"options={options!r:.200}: expected a dictionary, or None; leave `options` out for a "
            "random start"
        )
    return options


def check_options(options: Mapping[str, Any], names: Collection[str]) -> None:
    """Checks that the options of `reset` set the whole state and nothing else.

    Raises:
        ValueError: If an option is missing or unknown.
    """
    if set(options) != set(names):
        raise ValueError(
            f"options={dict(options)!r:.200}: expected a dictionary with exactly the keys "
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
    number = whole(value)
    if number is not None:
        return number
    return value.item() if isinstance(value, np.generic) else value
