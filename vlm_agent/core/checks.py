"""Checks of arguments that come from Python; those of options are in `vlm_agent.config.values`."""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vlm_agent.core.inspection.faults import shown
from vlm_agent.core.types import Observation


def check_integer(name: str, value: Any, least: int) -> int:
    """Returns a whole number as a plain integer.

    Raises:
        ValueError: If it is no whole number, a boolean among them, or below `least`.
    """
    try:
        # Python counts booleans among the integers, and older releases of NumPy count theirs too.
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(
            f"{name}={value!r:.80}: expected a whole number of at least {least}, such as "
            f"{max(5, least)}"
        )
    return number


def check_kwargs(name: str, value: Any) -> dict[str, Any]:
    """Returns keyword arguments as a plain dictionary, empty for `None`.

    Raises:
        ValueError: If they are not a mapping from names.
    """
    if value is None:
        return {}
    check_kind(
        name, value, Mapping, "a dictionary of keyword arguments, such as {'max_position': 9}"
    )
    if unnamed := [each for each in value if not isinstance(each, str)]:
        raise ValueError(f"{name} has the key {shown(unnamed[0])}: expected names, as text")
    return dict(value)


def plain_kwargs(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns keyword arguments as JSON can hold them, with plain numbers in place of NumPy's.

    Raises:
        ValueError: If JSON cannot hold one of them; names it.
    """
    plain = {name: _plain(value) for name, value in kwargs.items()}
    for name, value in plain.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} is {shown(value)}, which JSON cannot hold: expected numbers, texts, "
                "booleans, None, or lists and dictionaries of these"
            ) from None
    return plain


def plain_number(name: str, value: Any) -> float | None:
    """Returns a number, such as one of NumPy or torch, as a plain one; `None` as it is.

    Raises:
        ValueError: If it is none.
    """
    number = _plain(value)
    if number is not None and not isinstance(number, int | float):
        raise ValueError(f"{name} is {shown(value)}: expected a number, or None")
    return number


def _plain(value: Any) -> Any:
    """Returns a value with plain numbers in place of scalars of NumPy and torch."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    is_scalar = getattr(value, "ndim", None) == 0 and hasattr(value, "item")
    return value.item() if is_scalar else value


def check_kind(name: str, value: Any, kind: Any, expected: str) -> None:
    """Checks that a value is of a type.

    Args:
        name: Name of the argument.
        value: Its value.
        kind: The type, or several, as for `isinstance`.
        expected: What was expected, and how to get it; the end of the message.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name}={shown(value)}: expected {expected}")


def batch_size(observations: Any) -> int:
    """Returns the number of observations of a batch.

    Raises:
        ValueError: If it is no list of observations, such as one by itself.
    """
    check_kind("observations", observations, Sequence, "a list of observations; of one, a list too")
    for each in observations:
        made = "a list of observations, each as observe(task, picture, info) returns it"
        check_kind("observations", each, Observation, made)
    return len(observations)


def check_path(name: str, value: Any, expected: str) -> None:
    """Checks that a value is text or a path; arguments and errors as for `check_kind`."""
    check_kind(name, value, str | os.PathLike, expected)
