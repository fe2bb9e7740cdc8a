"""Recipes: options in YAML or JSON files, checked against the dataclass of a trainer.

A file holds options by name. Options in a section named after a command, `sft` or `ppo`, are for
that command only, so that one file can describe a whole experiment:

    env: gym_cards/NumberLine-v0
    sft:
      samples: 4096
    ppo:
      total_steps: 10240

`extends: NAME` reads another recipe first; a path is relative to the file. Recipes that come with
the package are named by their stem, such as `numberline`. The directory of a run stands for the
options that were saved with it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from vlm_agent.config.options import Options, did_you_mean, option_types
from vlm_agent.config.values import convert, expand_home, unwrap
from vlm_agent.core.run_directory import CONFIG_FILE

Config = TypeVar("Config", bound=Options)

SECTIONS = ("sft", "ppo")


def packaged_configs() -> list[str]:
    """Returns the names of the recipes that come with the package."""
    folder = resources.files("vlm_agent.config") / "recipes"
    return sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml"))


def load_config(kind: type[Config], source: str | Path, section: str, **changes: Any) -> Config:
    """Reads a recipe, with some of its options replaced.

    Args:
        kind: Dataclass of the trainer.
        source: A file, the directory of a run, or the name of a packaged recipe.
        section: "sft" or "ppo": the section to read if the file has sections.
        changes: Options that take precedence over those of the file.

    Raises:
        FileNotFoundError: If there is no such recipe.
        ValueError: If there is no such section, or the file holds an unknown option, or a value of
            another type or out of bounds.
        TypeError: If a required option is given nowhere.
    """
    if section not in SECTIONS:
        raise ValueError(f"section={section!r}: expected one of {SECTIONS}")
    options = read_options(kind, source, section)
    for name in left_out(kind, options, changes):
        warnings.warn(f"{source}: {name} is not used, and left out", stacklevel=2)
    return kind(**{**options, **changes})


def left_out(kind: type[Options], options: dict[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Removes options of recipes that a configuration would not use, and returns their names.

    A recipe is written for a task, and may be read with an algorithm that it was not written for,
    or without the adapter that it describes.

    Args:
        kind: Dataclass of the trainer.
        options: Those of recipes; changed in place.
        changes: Options that take precedence, which stay as they are.
    """
    merged = {**options, **changes}
    useless = kind.unused(merged) | kind.without_effect(merged).keys()
    names = sorted(useless & (options.keys() - changes.keys()))
    for name in names:
        del options[name]
    return names


def read_options(kind: type[Any], source: str | Path, section: str) -> dict[str, Any]:
    """Returns only the options that a recipe gives; arguments and errors as for `load_config`."""
    return _read(kind, source, section, Path(), ())


def _read(
    kind: type[Any], source: str | Path, section: str, folder: Path, extended_by: tuple[str, ...]
) -> dict[str, Any]:
    import yaml

    place, text = _find(source, folder)
    if place in extended_by:
        raise ValueError(f"{' extends '.join((*extended_by, place))}: a circle")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{place} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{place}: expected options by name, such as `seed: 1`")
    options: dict[str, Any] = {}
    if "extends" in content:
        base = content.pop("extends")
        folder = Path(place).parent
        options.update(_read(kind, base, section, folder, (*extended_by, place)))
    sections = {name: content.pop(name) or {} for name in SECTIONS if name in content}
    if sections and section not in sections and not content:
        raise ValueError(f"{place} has no section {section!r}, only {', '.join(sections)}")
    types = option_types(kind)
    for part in (content, sections.get(section, {})):
        if not isinstance(part, dict):
            raise ValueError(f"{place}: section {section!r} holds {part!r}, expected options")
        for name, value in part.items():
            if name not in types:
                raise ValueError(
                    f"{place}: unknown option {name!r} of `{section}`"
                    f"{did_you_mean(str(name), types)}"
                )
            if value is None and not unwrap(types[name])[2]:
                continue  # nothing is given: the default counts
            try:
                options[name] = convert(value, types[name])
            except ValueError as error:
                raise ValueError(f"{place}: {name}={error}") from None
    return options


def _find(source: str | Path, folder: Path) -> tuple[str, str]:
    """Returns where a recipe was found, and its text."""
    path = folder / expand_home(str(source))
    if path.is_dir():
        path = path / CONFIG_FILE
    if path.is_file():
        return str(path), path.read_text(encoding="utf-8")
    names = packaged_configs()
    if str(source) in names:
        file = resources.files("vlm_agent.config") / "recipes" / f"{source}.yaml"
        return f"recipe {source}", file.read_text(encoding="utf-8")
    raise FileNotFoundError(
        f"no recipe {str(source)!r}{did_you_mean(str(source), names)}: expected a file, the "
        f"directory of a run, or one of {', '.join(names)}"
    )
