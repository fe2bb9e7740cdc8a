"""Games on disk, in the layout of the downloaded data set.

`<data>/json_2.1.1/<split>/<task>-<Obj>-None-<Recep>-<scene>/<trial>/` holds `game.tw-pddl`, the
game, and `traj_data.json`, its task.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from gym_cards.alfworld.games.alfred import SPLITS, Split
from gym_cards.alfworld.games.game import Game, game_file, trajectory_file
from gym_cards.alfworld.games.index import GAME, TRAJECTORY, task_types_of
from gym_cards.alfworld.packages import DEFAULT_DATA, named_data

LAYOUT = "json_2.1.1"


@dataclass(frozen=True)
class GameFiles:
    """Contents of a game's two files."""

    game: Mapping[str, Any]
    trajectory: Mapping[str, Any]


def files_of(game: Game) -> GameFiles:
    """Returns the files of a generated game."""
    return GameFiles(game_file(game), trajectory_file(game))


def write_game(game: Game, folder: Path) -> Path:
    """Writes a game below the folder of its split, and returns the path of its `game.tw-pddl`."""
    return write_files(files_of(game), folder / game.name)


def write_files(files: GameFiles, place: Path) -> Path:
    """Writes a game's files to a folder, and returns the path of its `game.tw-pddl`."""
    place.mkdir(parents=True, exist_ok=True)
    _write(place / TRAJECTORY, json.dumps(files.trajectory, indent=4))
    _write(place / "initial_state.pddl", files.game["pddl_problem"])
    _write(place / GAME, json.dumps(files.game))
    return place / GAME


def _write(path: Path, text: str) -> None:
    """Writes a file atomically, so that no other process or thread reads half of it."""
    half = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    half.write_text(text, "utf-8")
    half.replace(path)


def read_game(path: Path) -> GameFiles:
    """Reads the files of a game of a data set, by the path of its `game.tw-pddl`."""
    return GameFiles(
        json.loads(path.read_text("utf-8")),
        json.loads((path.parent / TRAJECTORY).read_text("utf-8")),
    )


def data_folder(data: str | os.PathLike[str] | None) -> Path | None:
    """Returns the folder of the data set to use, or `None` if there is none.

    Args:
        data: The folder; `None` for the one that ALFWORLD_DATA names, if any.

    Raises:
        FileNotFoundError: If the folder holds no data set.
        ValueError: If it is not a path.
    """
    given = named_data() if data is None else data
    if given is not None and not isinstance(given, (str, os.PathLike)):
        raise ValueError(f"data={data!r}: expected the path of a folder, or None; pass one of them")
    if not given:
        return None
    folder = Path(given).expanduser()
    if (folder / LAYOUT).is_dir():
        return folder
    # Importing alfworld sets the variable to this folder, which is empty.
    if data is None and folder == DEFAULT_DATA.expanduser():
        return None
    named = "the variable ALFWORLD_DATA" if data is None else "the argument data"
    raise FileNotFoundError(
        f"{named} names {folder}: expected a folder that holds {LAYOUT}. Download it with "
        "`alfworld-download`, write one with `python -m gym_cards.alfworld.generate`, or pass "
        "games='alfred' or games='generated' to play without one"
    )


@lru_cache(maxsize=16)
def find_games(folder: Path, split: Split, task_types: tuple[str, ...]) -> Sequence[Path]:
    """Returns the games of a split that alfworld would play, in the order of their paths.

    Raises:
        FileNotFoundError: If there is none.
    """
    place = folder / LAYOUT / split
    known = task_types_of(place)
    names = sorted((name.split("/") for name, kind in known.items() if kind in task_types))
    found = tuple(place.joinpath(*name, GAME) for name in names)
    if not found:
        raise FileNotFoundError(
            f"{place} holds no solvable game of the types {', '.join(task_types)}: expected a "
            f"split out of {', '.join(SPLITS)} of a data set of alfworld"
        )
    return found
