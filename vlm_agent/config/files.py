"""Configurations in files: YAML or JSON -> the options of a trainer, checked against its dataclass.

A file holds options by their names. Options that stand in a section named for a command, `sft` or
`ppo`, are for that command alone, so that one file may tell a whole experiment:

    env: gym_cards/NumberLine-v0
    sft:
      samples: 4096
    ppo:
      total_steps: 10240

An option `extends: NAME` reads the options of another configuration first; a path is taken from
where the file lies. Files that come with the package are named by their stem, such as `numberline`;
the directory of a run stands for the configuration that was saved with it.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar

from vlm_agent.core.run_directory import CONFIG_FILE

Config = TypeVar("Config")

SECTIONS = ("sft", "ppo")


def packaged_configs() -> list[str]:
    """The names of the configurations that come with the package."""
    folder = resources.files("vlm_agent.config") / "recipes"
    return sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_config(kind: type[Config], source: str | Path, section: str, **changes: Any) -> Config:
    """The configuration that a file holds, with some options given in its place.

    Args:
        kind: The dataclass of the trainer.
        source: A file, the directory of a run, or the name of a packaged configuration.
        section: "sft" or "ppo": the section that is read, if the file has sections.
        changes: Options that go before those of the file.

    Raises:
        FileNotFoundError: If there is no such configuration.
        ValueError: If the file holds an unknown option, or a value of another type.
        TypeError: If an option without default is given nowhere.
    """
    return kind(**{**read_options(kind, source, section), **changes})


def read_options(kind: type[Any], source: str | Path, section: str) -> dict[str, Any]:
    """The options that a file holds for a trainer; arguments and errors as for `load_config`."""
    return _read(kind, source, section, Path(), ())


def _read(
    kind: type[Any], source: str | Path, section: str, folder: Path, extended_by: tuple[str, ...]
) -> dict[str, Any]:
    """The same of a file that may lie in a folder, and that other files extend."""
    import yaml

    place, text = _find(source, folder)
    if place in extended_by:
        raise ValueError(f"{' extends '.join((*extended_by, place))}: a circle")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{place} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{place}: expected options by their names, such as `seed: 1`")
    options: dict[str, Any] = {}
    if "extends" in content:
        base = content.pop("extends")
        folder = Path(place).parent
        options.update(_read(kind, base, section, folder, (*extended_by, place)))
    sections = {name: content.pop(name) or {} for name in SECTIONS if name in content}
    if sections and section not in sections and not content:
        raise ValueError(f"{place} has no section {section!r}, only {', '.join(sections)}")
    hints = typing.get_type_hints(kind)
    for part in (content, sections.get(section, {})):
        if not isinstance(part, dict):
            raise ValueError(f"{place}: section {section!r} holds {part!r}, expected options")
        for name, value in part.items():
            if name not in hints:
                raise ValueError(
                    f"{place}: unknown option {name!r} of `{section}`{_nearest(name, hints)}"
                )
            try:
                options[name] = convert(value, hints[name])
            except ValueError as error:
                raise ValueError(f"{place}: {name}: {error}") from None
    return options


def convert(value: Any, kind: Any) -> Any:
    """A value as YAML or JSON gives it -> a value of an option's type.

    Raises:
        ValueError: Naming the value and what was expected.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (kind,) = (each for each in arguments if each is not type(None))
        return convert(value, kind)
    if origin is tuple:
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list):
            raise ValueError(f"{value!r}: expected a list")
        return tuple(convert(item, arguments[0]) for item in items)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r}: expected one of {', '.join(map(repr, arguments))}")
        return value
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ValueError(f"{value!r}: expected names and their values")
        return dict(value)
    if kind is float and isinstance(value, (int, str)) and not isinstance(value, bool):
        # YAML 1.1 takes 1e-5, without a point, for text.
        try:
            return float(value)
        except ValueError:
            raise ValueError(f"{value!r}: expected a number") from None
    if type(value) is not kind:
        raise ValueError(f"{value!r}: expected {_NAMES[kind]}")
    return value


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def plain_options(config: Any) -> dict[str, Any]:
    """Returns the options of a configuration as plain values, for a file.

    Options that are not in use, and have no value, are left out.
    """
    hints = typing.get_type_hints(type(config))
    return {
        name: value
        for name, value in dataclasses.asdict(config).items()
        if value is not None or type(None) in typing.get_args(hints[name])
    }


def required_options(kind: type[Any]) -> list[str]:
    """The options of a trainer that have no default."""
    missing = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(kind)
        if field.default is missing and field.default_factory is missing
    ]


def _find(source: str | Path, folder: Path) -> tuple[str, str]:
    """Where a configuration lies, and its text; paths are taken from a folder."""
    path = folder / source
    if path.is_dir():
        path = path / CONFIG_FILE
    if path.is_file():
        return str(path), path.read_text(encoding="utf-8")
    names = packaged_configs()
    if str(source) in names:
        file = resources.files("vlm_agent.config") / "recipes" / f"{source}.yaml"
        return f"configuration {source}", file.read_text(encoding="utf-8")
    raise FileNotFoundError(
        f"no configuration {str(source)!r}{_nearest(str(source), names)}: expected a file, the "
        f"directory of a run, or one of {', '.join(names)}"
    )


def _nearest(name: Any, names: Iterable[str]) -> str:
    found = difflib.get_close_matches(str(name), list(names), n=1, cutoff=0.4)
    return f" (did you mean {found[0]!r}?)" if found else ""
