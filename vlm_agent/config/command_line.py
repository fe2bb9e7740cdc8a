"""The command line of a dataclass of options: parser, help and error messages."""

from __future__ import annotations

import argparse
import json
import textwrap
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Literal, NoReturn, TypeVar

from vlm_agent.config.options import Option, description_of, did_you_mean, options_of
from vlm_agent.config.values import from_text, unwrap

Config = TypeVar("Config")

_METAVARS = {int: "INT", float: "FLOAT", str: "TEXT"}


class OptionParser(Generic[Config]):
    """Parses the options of a command into its dataclass.

    Mistakes end the program with status 2 and one line on stderr, as `argparse` does.

    Args:
        kind: The dataclass; see `vlm_agent.config.options`.
        prog: The command, as users write it.
        description: Text of the help before the options; by default the class's docstring.
    """

    def __init__(self, kind: type[Config], prog: str, description: str | None = None) -> None:
        self._kind = kind
        self._options = {option.name: option for option in options_of(kind)}
        required = [option for option in self._options.values() if option.is_required]
        self._parser = _Parser(
            prog=prog,
            usage=" ".join(["%(prog)s", *map(_usage, required), "[options]"]),
            description=description or description_of(kind),
            formatter_class=_Formatter,
            argument_default=argparse.SUPPRESS,
            allow_abbrev=False,
            add_help=False,
        )
        self._groups: dict[str, Any] = {}
        self._own: list[str] = []
        for option in self._options.values():
            self._add_option(option)

    def add(self, group: str, *flags: str, **details: Any) -> None:
        """Adds an option of the command that the dataclass does not hold.

        Args:
            group: Heading that it is listed under.
            flags: Its spellings.
            details: As for `argparse.ArgumentParser.add_argument`.
        """
        self._own.append(self._group(group).add_argument(*flags, **details).dest)

    def parse(self, words: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parses words; only what they give is returned, without defaults.

        Returns:
            The dataclass's options by name, converted and checked one by one, and the options that
            were added.
        """
        # Last, so that its group follows those of the options that were added.
        self.add("Help", "--help", "-h", action="help", help="Show this message and exit.")
        found, unknown = self._parser.parse_known_args(list(words))
        if unknown:
            self.error(self._unknown(unknown[0]))
        given = vars(found)
        own = {name: given.pop(name) for name in self._own if name in given}
        return {name: self._value(name, value) for name, value in given.items()}, own

    def build(self, options: Mapping[str, Any]) -> Config:
        """Makes the dataclass from the options that were given, the rest being defaults."""
        missing = [
            option.flag
            for option in self._options.values()
            if option.is_required and option.name not in options
        ]
        if missing:
            self.error(f"missing {', '.join(missing)}")
        try:
            return self._kind(**options)
        except ValueError as error:
            self.error(str(error))

    def error(self, message: str) -> NoReturn:
        """Ends the program with a mistake, in one line."""
        self._parser.error(message)

    def _add_option(self, option: Option) -> None:
        kind, _, _ = unwrap(option.hint)
        details: dict[str, Any] = {"help": _help(option).replace("%", "%%")}
        if kind is bool:
            details["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is tuple:
            details.update(nargs="*", action="extend", metavar=_metavar(kind))
        else:
            details.update(nargs="?" if option.is_positional else None, metavar=_metavar(kind))
        if option.is_positional:
            details["metavar"] = option.flag
        flag = option.name if option.is_positional else option.flag
        self._group(option.group).add_argument(flag, **details)

    def _group(self, title: str) -> Any:
        if title not in self._groups:
            self._groups[title] = self._parser.add_argument_group(title)
        return self._groups[title]

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, bool):
            return value
        try:
            words = value if isinstance(value, list) else [value]
            return from_text(words, self._options[name].hint)
        except ValueError as error:
            self.error(f"{name}={error}")

    def _unknown(self, word: str) -> str:
        name = word.partition("=")[0]
        if not name.startswith("-"):
            return f"unexpected argument {word!r}"
        return f"unknown option {name}{did_you_mean(name, self._parser.flags())}"


class _Parser(argparse.ArgumentParser):
    def flags(self) -> list[str]:
        return [flag for flag in self._option_string_actions if flag.startswith("--")]

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; `{self.prog} --help` lists the options\n")


class _Formatter(argparse.HelpFormatter):
    """Wraps paragraphs of the description one by one, and breaks no word at its hyphens."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n\n".join(
            textwrap.fill(" ".join(paragraph.split()), width, break_on_hyphens=False)
            for paragraph in text.split("\n\n")
        )


def _usage(option: Option) -> str:
    return option.flag if option.is_positional else f"{option.flag} {option.name.upper()}"


def _metavar(kind: Any) -> str:
    if typing.get_origin(kind) is tuple:
        return _metavar(unwrap(typing.get_args(kind)[0])[0])
    if typing.get_origin(kind) is Literal:
        return f"{{{','.join(map(str, typing.get_args(kind)))}}}"
    return "JSON" if typing.get_origin(kind) is dict else _METAVARS[kind]


def _help(option: Option) -> str:
    if option.is_required:
        return f"{option.help} (required)"
    if option.default is None or option.default in ({}, ()):
        return option.help
    return f"{option.help} (default: {_shown(option.default)})"


def _shown(value: Any) -> str:
    """Returns a default as the command line takes it."""
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
