"""Dataclasses of options: their base, which checks every value, and what their docstrings say.

A class of options is a dataclass that derives from `Options`. The type of a field says which values
it takes, bounds included (`samples: PositiveInt = 4096`). The docstring explains every field, under
`Args: GROUP` headings that are also the groups of `--help`.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vlm_agent.config.values import POSITIONAL, REQUIRED, convert, unwrap

_UNTITLED = "Options"


class Options:
    """Base of a dataclass of options; checks and converts every value when it is made.

    Raises:
        ValueError: If a value is not of its option's type, or out of bounds; names the option, its
            value, and what was expected.
    """

    def __post_init__(self) -> None:
        """Checks the values; a subclass with a check of its own calls this one first."""
        unused = self.unused(vars(self))
        for name, hint in option_types(type(self)).items():
            if name in unused:
                continue
            try:
                value = convert(getattr(self, name), hint)
            except ValueError as error:
                raise ValueError(f"{name}={error}") from None
            object.__setattr__(self, name, value)  # a frozen dataclass has no other way
        for name, reason in self.without_effect(vars(self)).items():
            raise ValueError(f"{name}={getattr(self, name)!r} {reason}")

    @classmethod
    def unused(cls, options: Mapping[str, Any]) -> frozenset[str]:
        """Returns the options that have no value, because others leave no use for them.

        Args:
            options: Options by name; one that is missing has its default.
        """
        return frozenset()

    @classmethod
    def without_effect(cls, options: Mapping[str, Any]) -> dict[str, str]:
        """Returns options that were changed although others leave no use for them.

        A configuration with one of them is refused; of a recipe it is left out.

        Args:
            options: Options by name; one that is missing has its default.

        Returns:
            By name, the end of an error message: why it is of no use, and what to do.
        """
        return {}


@dataclass(frozen=True)
class Option:
    """An option as `--help` shows it.

    Attributes:
        name: The dataclass field's name.
        hint: Its type, with bounds.
        group: The heading of the docstring that it stands under.
        help: What the docstring says about it.
        default: Its default, or `dataclasses.MISSING` for a required option.
    """

    name: str
    hint: Any
    group: str
    help: str
    default: Any

    @property
    def is_positional(self) -> bool:
        """True if its value is given by position on the command line."""
        return POSITIONAL in unwrap(self.hint)[1]

    @property
    def is_required(self) -> bool:
        """True if it has no default that is of use."""
        return self.default is dataclasses.MISSING or REQUIRED in unwrap(self.hint)[1]

    @property
    def flag(self) -> str:
        """Its spelling on the command line; of a positional one, its placeholder."""
        return self.name.upper() if self.is_positional else f"--{self.name.replace('_', '-')}"


def option_types(kind: type[Any]) -> dict[str, Any]:
    """Returns the names of a dataclass's options and their types, with bounds."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def options_of(kind: type[Any]) -> list[Option]:
    """Returns a dataclass's options, group by group: its own groups first, then inherited ones."""
    entries: dict[str, tuple[str, str]] = {}
    for base in kind.__mro__:
        for group, name, text in _read_docstring(base.__doc__ or ""):
            entries.setdefault(name, (group, text))
    fields = {field.name: field for field in dataclasses.fields(kind)}
    types = option_types(kind)
    groups = list(dict.fromkeys(group for group, _ in entries.values()))
    order = sorted(entries, key=lambda name: groups.index(entries[name][0]))
    return [
        Option(
            name,
            types[name],
            *entries.get(name, (_UNTITLED, "")),
            _default(fields[name]),
        )
        for name in dict.fromkeys([*order, *fields])
        if name in fields
    ]


def plain_options(config: Options) -> dict[str, Any]:
    """Returns the options of a configuration as plain values, without those that are not in use."""
    options = dataclasses.asdict(config)  # type: ignore[call-overload]
    unused = config.unused(options)
    return {name: value for name, value in options.items() if name not in unused}


def description_of(kind: type[Any]) -> str:
    """Returns a class's docstring up to its options."""
    text = inspect.cleandoc(kind.__doc__ or "")
    return re.split(r"^Args:", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns " (did you mean 'NAME'?)" for the nearest name, or an empty string."""
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _read_docstring(docstring: str) -> list[tuple[str, str, str]]:
    """Returns group, name and text of each entry under the `Args` headings of a docstring."""
    entries: list[tuple[str, str, str]] = []
    group: str | None = None
    for line in inspect.cleandoc(docstring).splitlines():
        if heading := re.fullmatch(r"Args:\s*(.*)", line):
            group = heading[1] or _UNTITLED
        elif line and not line.startswith(" "):
            group = None
        elif group is not None and (entry := re.fullmatch(r" {4}(\w+): (.+)", line)):
            entries.append((group, entry[1], entry[2]))
        elif group is not None and line:
            _, name, text = entries[-1]
            entries[-1] = (group, name, f"{text} {line.strip()}")
    return entries
