import math
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from vlm_agent.config.values import (
    Bounds,
    Fraction,
    NonEmpty,
    NonNegativeFloat,
    NonNegativeInt,
    PathText,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    ProperFraction,
    convert,
    from_text,
)


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (None, float | None, None),
        (1, float | None, 1.0),
        ("1e-5", PositiveFloat, 1e-5),
        (3, PositiveInt | None, 3),
        ("language", tuple[str, ...], ("language",)),
        (["a", "b"], NonEmpty[str], ("a", "b")),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        (Path("a/b"), str, "a/b"),
        ({"a": 1}, dict[str, Any], {"a": 1}),
        ("x", Literal["x", "y"], "x"),
        (True, bool, True),
    ],
)
def test_values_of_every_type(value, hint, expected):
    converted = convert(value, hint)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        ("many", int, "'many': expected a whole number"),
        (True, int, "True: expected a whole number"),
        (True, float, "True: expected a number"),
        (1.5, int, "1.5: expected a whole number"),
        ("high", float, "'high': expected a number"),
        (1, bool, "1: expected true or false"),
        (None, str, "None: expected text"),
        ("z", Literal["x", "y"], "'z': expected one of 'x', 'y'"),
        (3, tuple[str, ...], "3: expected a list"),
        (["z"], tuple[Literal["x"], ...], "'z': expected one of 'x'"),
        ([], NonEmpty[str], "(): expected at least one"),
        ([], NonEmpty[Literal["x", "y"]], "(): expected at least one of x, y"),
        (3, dict[str, Any], "3: expected names and their values"),
        (0, PositiveInt, "0: expected at least 1"),
        (-1, NonNegativeInt, "-1: expected 0 or above"),
        (0, PositiveFloat, "0.0: expected a number above 0"),
        (math.nan, PositiveFloat, "nan: expected a number above 0"),
        (math.inf, PositiveFloat, "inf: expected a number above 0"),
        (-math.inf, float, "-inf: expected a finite number"),
        ("nan", float, "nan: expected a finite number"),
        ("1e999", float | None, "inf: expected a finite number"),
        (10**400, float, f"{10**400}: expected a number"),
        ([1.0, math.inf], tuple[float, ...], "inf: expected a finite number"),
        (1.5, Fraction, "1.5: expected a number from 0 to 1"),
        (0, PositiveFraction, "0.0: expected a number above 0 to 1"),
        (1, ProperFraction, "1.0: expected a number from 0 to below 1"),
        (70_000, Annotated[int, Bounds(0, 65_535)], "70000: expected a number from 0 to 65535"),
    ],
)
def test_wrong_values_are_named_with_what_was_expected(value, hint, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        convert(value, hint)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("words", "hint", "expected"),
    [
        (["5"], PositiveInt, 5),
        (["10_240"], int, 10_240),
        (["-3"], int, -3),
        (["1e-5"], float, 1e-5),
        (["None"], str | None, None),
        (["None"], str, "None"),
        (["5"], str, "5"),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        (["1", "2"], tuple[int, ...], (1, 2)),
        (['{"a": [1]}'], dict[str, Any], {"a": [1]}),
        (["x"], Literal["x", "y"], "x"),
    ],
)
def test_words_of_the_command_line(words, hint, expected):
    assert from_text(words, hint) == expected


@pytest.mark.parametrize(
    ("word", "hint", "message"),
    [
        ("many", int, "'many': expected a whole number"),
        ("1.5", PositiveInt, "'1.5': expected a whole number"),
        ("0", PositiveInt, "0: expected at least 1"),
        ("[1]", dict[str, Any], "'[1]': expected a JSON object"),
        ("{", dict[str, Any], "'{' is not JSON"),
        ('{"a": NaN}', dict[str, Any], "'{\"a\": NaN}' is not JSON (NaN is no number of JSON)"),
        ("inf", NonNegativeFloat, "inf: expected 0 or above"),
    ],
)
def test_wrong_words(word, hint, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        from_text([word], hint)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("~/runs/a", "HOME/runs/a"),
        ("~", "HOME"),
        ("sb3:~/runs/a", "sb3:HOME/runs/a"),
        ("a/~/b", "a/~/b"),
        ("a~", "a~"),
        ("https://host/~me", "https://host/~me"),
        ("api:org/model", "api:org/model"),
    ],
)
def test_the_home_folder_is_written_as_a_tilde(path, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    expected = expected.replace("HOME", "/home/me")
    assert convert(path, PathText) == expected
    assert from_text([path], PathText | None) == expected
    assert convert([path], NonEmpty[PathText]) == (expected,)
