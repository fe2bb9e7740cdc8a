"""Games that an environment plays, and which of them is next."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from gym_cards.alfworld.games.alfred import Split
from gym_cards.alfworld.games.catalogue import Chosen, Games, generated, list_games
from gym_cards.alfworld.games.dataset import read_game
from gym_cards.alfworld.games.game import TASK_TYPES, TaskType
from gym_cards.alfworld.games.generator import task_type_counts
from gym_cards.core.checks import check_integer

Order = Literal["shuffled", "fixed"]
ORDERS: tuple[Order, ...] = get_args(Order)

_SEEDS = 2**31


class Supply:
    """Games to play: a list, of which each is played once before any again, or endless ones.

    Args:
        split: Split to play.
        task_types: Types of tasks to play.
        games: Kind of games, as in `list_games`.
        data: Folder of a data set, as in `list_games`.
        count: Number of games; `None` for all, or for endless generated ones.
        order: Order of a list.

    Raises:
        FileNotFoundError: If the folder holds no such games.
        ValueError: If there are no such games.
    """

    def __init__(
        self,
        split: Split,
        task_types: tuple[TaskType, ...],
        games: Games | None = None,
        data: str | os.PathLike[str] | None = None,
        count: int | None = None,
        order: Order = "shuffled",
    ) -> None:
        self._split: Split = split
        self._task_types = task_types
        self._list = list_games(split, task_types, games, data, count)
        self._turns = None if self._list is None else Turns(len(self._list.names), order)

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of all games, in the order of their positions; `None` if they are endless."""
        return None if self._list is None else tuple(self._list.names)

    @property
    def paths(self) -> Sequence[Path] | None:
        """The `game.tw-pddl` of every game, in the same order; `None` if they are not on disk."""
        return None if self._list is None else self._list.paths

    @property
    def turns(self) -> list[int] | None:
        """Positions that are left in the present cycle, the last first; `None` without a list."""
        return None if self._turns is None else list(self._turns.left)

    @turns.setter
    def turns(self, left: list[int] | None) -> None:
        if self._turns is None or left is None:
            if self._turns is not None or left is not None:
                raise ValueError(f"turns={left!r}: expected a list of positions exactly for a list")
            return
        if not all(type(turn) is int and 0 <= turn < self._turns.count for turn in left):
            raise ValueError(f"turns={left!r}: expected positions below {self._turns.count}")
        self._turns.left = list(left)

    def restart(self) -> None:
        """Starts a new cycle of a list with the next game."""
        if self._turns is not None:
            self._turns.left = []

    def next(self, rng: np.random.Generator) -> Chosen:
        """Returns the next game; without a list, a random one.

        Args:
            rng: Generator that shuffles or draws.
        """
        if self._list is None or self._turns is None:
            return generated(self._split, *_any_generated(self._task_types, rng))
        return self._list.get(self._turns.next(rng))

    def described(self, options: Mapping[str, Any]) -> Chosen:
        """Returns the game that the options of `reset` describe.

        Raises:
            ValueError: If they describe none.
        """
        generates = self._list is None or self._list.are_generated
        given = set(options) if isinstance(options, Mapping) else set()
        if given == {"game"}:
            return self._named(options["game"], generates)
        if given == {"task_type", "game_seed"} and generates:
            if options["task_type"] not in TASK_TYPES:
                raise ValueError(
                    f"options['task_type']={options['task_type']!r}: expected one of "
                    f"{', '.join(map(repr, TASK_TYPES))}; pass one of them"
                )
            seed = check_integer("options['game_seed']", options["game_seed"], 0)
            return generated(self._split, options["task_type"], seed)
        expected = (
            "the keys 'task_type' and 'game_seed', or the key 'game'"
            if generates
            else "the key 'game' alone, because these games are not generated"
        )
        raise ValueError(
            f"options={options!r}: expected {expected}; leave `options` out for the next game"
        )

    def _named(self, game: object, generates: bool) -> Chosen:
        """Returns the game with a name, a position in the list, or a path."""
        names = () if self._list is None else self._list.names
        if self._list is not None and not isinstance(game, (str, Path)):
            index = check_integer("options['game']", game, 0)
            if index >= len(names):
                raise ValueError(
                    f"options['game']={index}: expected at most {len(names) - 1}, the position of "
                    "the last game"
                )
            return self._list.get(index)
        if self._list is not None and game in names:
            return self._list.get(names.index(game))
        if generates and isinstance(game, str):
            named = re.fullmatch(r"(\w+)-(\d+)", game, re.ASCII)
            for task_type in TASK_TYPES:
                if named and named[1] == task_type:
                    return generated(self._split, task_type, int(named[2]))
        path = Path(game) if isinstance(game, (str, Path)) else None
        if path is None or not path.is_file():
            listed = "" if self._list is None else "a name in game_names, its position, or "
            raise ValueError(
                f"options['game']={game!r}: there is no such game; expected {listed}the path of a "
                "game.tw-pddl with its traj_data.json next to it"
            )
        return Chosen(read_game(path), str(path.absolute()), path)


class Turns:
    """Whose turn it is: every position of a list once, then all of them again.

    Args:
        count: Length of the list.
        order: "fixed", from the first to the last; or "shuffled", with a new order for each cycle.

    Attributes:
        left: The positions that are left in this cycle, the last first.
    """

    def __init__(self, count: int, order: Order) -> None:
        self.count = count
        self._order: Order = order
        self.left: list[int] = []

    def next(self, rng: np.random.Generator) -> int:
        """Returns the next position.

        Args:
            rng: Generator that shuffles.
        """
        if not self.left:
            cycle = range(self.count)
            self.left = rng.permutation(cycle).tolist() if self._order == "shuffled" else [*cycle]
            self.left.reverse()
        return self.left.pop()


def _any_generated(
    task_types: Sequence[TaskType], rng: np.random.Generator
) -> tuple[TaskType, int]:
    """Returns the type, drawn by ALFRED's statistics, and the seed of a generated game."""
    counts = {kind: n for kind, n in task_type_counts().items() if kind in task_types}
    ends = np.cumsum([*counts.values()])
    drawn = int(np.searchsorted(ends, rng.integers(ends[-1]), side="right"))
    return [*counts][drawn], int(rng.integers(_SEEDS))
