"""Lists of games: of a data set, of ALFRED, or generated."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

from gym_cards.alfworld.games.alfred import Split
from gym_cards.alfworld.games.alfred_games import played_tasks, reconstruct
from gym_cards.alfworld.games.dataset import (
    LAYOUT,
    GameFiles,
    data_folder,
    files_of,
    find_games,
    read_game,
)
from gym_cards.alfworld.games.game import TaskType
from gym_cards.alfworld.games.generator import generate, task_type_counts
from gym_cards.alfworld.games.streams import Stream
from gym_cards.core.checks import check_integer

Games = Literal["alfred", "generated"]
GAMES: tuple[Games, ...] = get_args(Games)


class Chosen(NamedTuple):
    """Game to play.

    Attributes:
        files: Its contents.
        name: Its name, by which it can be chosen again.
        path: Its `game.tw-pddl`, if it is on disk.
    """

    files: GameFiles
    name: str
    path: Path | None = None


class Catalogue(Protocol):
    """List of games.

    Attributes:
        are_generated: Whether games that are not in it can be generated too.
    """

    are_generated: bool

    @property
    def paths(self) -> Sequence[Path] | None:
        """The `game.tw-pddl` of each; `None` if they are not on disk."""

    @property
    def names(self) -> Sequence[str]:
        """Their names, in a fixed order."""

    def get(self, index: int) -> Chosen:
        """Returns a game by its position in the list."""


class DataSet:
    """Games of a data set of alfworld, in the order of their paths.

    Args:
        folder: Folder that holds `json_2.1.1`.
        split: Split to play.
        task_types: Types of tasks to play.

    Raises:
        FileNotFoundError: If there is none.
    """

    are_generated = False

    def __init__(self, folder: Path, split: Split, task_types: tuple[TaskType, ...]) -> None:
        self.paths = find_games(folder, split, task_types)
        place = folder / LAYOUT / split
        self.names = tuple(str(path.parent.relative_to(place)) for path in self.paths)

    def get(self, index: int) -> Chosen:
        """Returns a game by its position in the list."""
        return Chosen(read_game(self.paths[index]), self.names[index], self.paths[index])


class AlfredGames:
    """ALFRED's own tasks, reconstructed; by type, scene and trial.

    Args:
        split: Split to play.
        task_types: Types of tasks to play.

    Raises:
        ValueError: If there is none.
    """

    are_generated = False
    paths = None

    def __init__(self, split: Split, task_types: tuple[TaskType, ...]) -> None:
        self._tasks = played_tasks(split, task_types)
        self.names = tuple(task.name for task in self._tasks)

    def get(self, index: int) -> Chosen:
        """Returns a game by its position in the list."""
        return Chosen(files_of(reconstruct(self._tasks[index])), self.names[index])


class GeneratedGames:
    """Generated games whose seeds count up from 0, their types drawn by ALFRED's statistics.

    Args:
        split: Split to play.
        task_types: Types of tasks to play.
        count: Number of games.
    """

    are_generated = True
    paths = None

    def __init__(self, split: Split, task_types: tuple[TaskType, ...], count: int) -> None:
        self._split: Split = split
        counts = {kind: n for kind, n in task_type_counts().items() if kind in task_types}
        self._types = [Stream("types", split, seed).draw(counts) for seed in range(count)]
        self.names = tuple(f"{kind}-{seed}" for seed, kind in enumerate(self._types))

    def get(self, index: int) -> Chosen:
        """Returns a game by its position in the list."""
        return generated(self._split, self._types[index], index)


class Selection:
    """Games of a list, evenly spread over it.

    Args:
        games: The list.
        count: Number of games to keep, at most that of the list.

    Raises:
        ValueError: If there are fewer games.
    """

    def __init__(self, games: Catalogue, count: int) -> None:
        total = len(games.names)
        if count > total:
            raise ValueError(f"num_games={count}: expected at most {total}, the number of games")
        self.are_generated = games.are_generated
        self._games = games
        self._kept = [i * total // count for i in range(count)]
        self.names = tuple(games.names[index] for index in self._kept)
        self.paths = games.paths and tuple(games.paths[index] for index in self._kept)

    def get(self, index: int) -> Chosen:
        """Returns a game by its position in the selection."""
        return self._games.get(self._kept[index])


def list_games(
    split: Split,
    task_types: tuple[TaskType, ...],
    games: Games | None = None,
    data: str | os.PathLike[str] | None = None,
    count: int | None = None,
) -> Catalogue | None:
    """Returns the list of games to play; `None` for endless generated ones.

    Args:
        split: Split to play.
        task_types: Types of tasks to play.
        games: Kind of games; `None` for those of a data set, if there is one, else ALFRED's in the
            validation splits and generated ones in the others.
        data: Folder of a data set; `None` for the one that ALFWORLD_DATA names, if any.
        count: Number of games to play; `None` for all.

    Raises:
        FileNotFoundError: If the folder holds no such games.
        ValueError: If both `games` and `data` are given, or there are fewer games.
    """
    if games is not None and data is not None:
        raise ValueError(
            f"games={games!r} and data={data!r}: expected one of them; leave the other out"
        )
    if count is not None:
        count = check_integer("num_games", count, 1)
    folder = data_folder(data) if games is None else None
    found: Catalogue
    if folder is not None:
        found = DataSet(folder, split, task_types)
    elif games == "alfred" or (games is None and split.startswith("valid")):
        found = AlfredGames(split, task_types)
    else:
        return GeneratedGames(split, task_types, count) if count else None
    return found if count is None else Selection(found, count)


def generated(split: Split, task_type: TaskType, seed: int) -> Chosen:
    """Returns the generated game of a split, a task type and a seed."""
    return Chosen(files_of(generate(split, task_type, seed)), f"{task_type}-{seed}")
