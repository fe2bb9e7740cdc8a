"""Checks of arguments that come from Python; those of options are in `vlm_agent.config.values`."""

from __future__ import annotations

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
