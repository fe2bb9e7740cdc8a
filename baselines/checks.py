"""Options on the command line: JSON objects, and bounds of numbers."""

from __future__ import annotations

import json
from typing import Annotated, Any

from tyro.constructors import PrimitiveConstructorSpec


def parse_json_object(text: str) -> dict[str, Any]:
    """A JSON object, such as keyword arguments of an environment.

    Raises:
        ValueError: If the text is anything else.
    """
    expected = """expected a JSON object, such as '{"max_position": 9}'"""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{text!r} is not JSON ({error}): {expected}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{text!r}: {expected}")
    return value


JsonObject = Annotated[
    dict[str, Any],
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=lambda words: parse_json_object(words[0]),
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [json.dumps(value)],
    ),
]


def check_least(config: Any, least: int, *names: str) -> None:
    """Refuses options below a number.

    Raises:
        ValueError: Naming the first of them.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and value < least:
            raise ValueError(f"{name}={value}: expected at least {least}")


def check_positive(config: Any, *names: str) -> None:
    """Refuses options that are 0 or below; `None` stands for a default.

    Raises:
        ValueError: Naming the first of them.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name}={value}: expected a number above 0")


def check_share(config: Any, *names: str) -> None:
    """Refuses options outside 0 to 1.

    Raises:
        ValueError: Naming the first of them.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{name}={value}: expected a number from 0 to 1")


def check_not_negative(config: Any, *names: str) -> None:
    """Refuses options below 0; `None` stands for a default.

    Raises:
        ValueError: Naming the first of them.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= 0:
            raise ValueError(f"{name}={value}: expected 0 or above")
