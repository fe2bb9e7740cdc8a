"""The episodes of several environments, as numbered tasks of splits.

A task is an environment and the random seed of an episode, or the position of a game in the
environment's list of games. Tasks of training and of evaluation have the seeds that `vlm-agent ppo`
and `vlm-agent eval` use, which never coincide.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium as gym

from vlm_agent.config.options import did_you_mean
from vlm_agent.core.environments import make_env
from vlm_agent.core.protocol import task_of
from vlm_agent.core.seeding import episode_seeds, training_seeds
from vlm_agent.core.types import Task

SplitType = Literal["train", "test"]
TRAIN_TASKS = 10_000
TEST_TASKS = 1_000


@dataclass(frozen=True)
class Episodes:
    """One split: the numbered episodes of one environment.

    Attributes:
        name: Name of the split, `ENV:train`, `ENV:test` or `ENV:games`.
        type: Whether its episodes are for training or for evaluation.
        env: Id of the environment.
        seeds: Random seed of each episode.
        games: Names of the games, if each episode is a game of the environment's list.
    """

    name: str
    type: SplitType
    env: str
    seeds: Sequence[int]
    games: tuple[str, ...] | None = None


@dataclass(frozen=True)
class EpisodeTask:
    """One episode of a split.

    Attributes:
        id: Name of the task, `SPLIT#INDEX`.
        split: Name of the split.
        index: Position in the split.
        env: Id of the environment.
        seed: Random seed of the episode.
        game: Name of the game, if the split is the environment's list of games.
    """

    id: str
    split: str
    index: int
    env: str
    seed: int
    game: str | None = None

    @property
    def options(self) -> dict[str, Any] | None:
        """Options of `reset`, which choose the game."""
        return None if self.game is None else {"game": self.index}


class Suite:
    """Environments and the splits of their episodes.

    Args:
        envs: Ids of environments; a name without a slash that is not an id, such as gym_cards,
            stands for all ids that the package of this name registers.
        env_kwargs: Keyword arguments of all environments.
        seed: Random seed from which those of the episodes are derived.

    Attributes:
        tasks: Description and actions of each environment, by its id.
        splits: The splits by their names.
        left_out: Ids of named packages that could not be made here, such as those whose data is not
            installed, and why.

    Raises:
        ValueError: If an id is not known, an environment does not follow the protocol, or a package
            registers none.
    """

    def __init__(
        self, envs: Sequence[str], env_kwargs: Mapping[str, Any] | None = None, *, seed: int = 0
    ) -> None:
        self.env_kwargs = dict(env_kwargs or {})
        self.tasks: dict[str, Task] = {}
        self.splits: dict[str, Episodes] = {}
        self.left_out: dict[str, str] = {}
        self._train = list(itertools.islice(training_seeds(seed), TRAIN_TASKS))
        self._test = list(episode_seeds("evaluation", seed, TEST_TASKS))
        self._seed = seed
        for name in envs:
            if "/" in name or name in gym.registry:
                self._add(name)
                continue
            for each in registered_ids(name):
                try:
                    self._add(each)
                except (ValueError, OSError, ImportError) as error:
                    self.left_out[each] = str(error)
        if not self.tasks:
            raise ValueError(f"none of the environments can be made: {self.left_out}")

    @property
    def default_env(self) -> str:
        """The first environment."""
        return next(iter(self.tasks))

    def check_env(self, env: str) -> str:
        """Returns an environment's id as it is.

        Raises:
            ValueError: If it is not in the suite.
        """
        if env not in self.tasks:
            raise ValueError(
                f"no environment {env!r} here{did_you_mean(env, self.tasks)}: expected one of the "
                f"{len(self.tasks)}, such as {self.default_env!r}"
            )
        return env

    def split(self, name: str) -> Episodes:
        """Returns a split.

        Raises:
            ValueError: If there is no split of this name.
        """
        if name not in self.splits:
            raise ValueError(
                f"no split {name!r} here{did_you_mean(name, self.splits)}: expected one of the "
                f"{len(self.splits)}, such as {next(iter(self.splits))!r}"
            )
        return self.splits[name]

    def task(self, split: str, index: int) -> EpisodeTask:
        """Returns one episode of a split.

        Raises:
            IndexError: If the split has no such episode.
            ValueError: If there is no split of this name.
        """
        found = self.split(split)
        if not 0 <= index < len(found.seeds):
            raise IndexError(
                f"index={index}: split {split!r} has tasks 0 to {len(found.seeds) - 1}"
            )
        game = None if found.games is None else found.games[index]
        return EpisodeTask(f"{split}#{index}", split, index, found.env, found.seeds[index], game)

    def _add(self, env: str) -> None:
        made = make_env(env, **self.env_kwargs)
        try:
            task = task_of(made)
            try:
                games = made.get_wrapper_attr("game_names")
            except AttributeError:
                games = None
        finally:
            made.close()
        self.tasks[env] = task
        splits = [
            Episodes(f"{env}:train", "train", env, self._train),
            Episodes(f"{env}:test", "test", env, self._test),
        ]
        if games:
            seeds = episode_seeds("evaluation", self._seed, len(games))
            splits.append(Episodes(f"{env}:games", "test", env, seeds, tuple(games)))
        self.splits.update({split.name: split for split in splits})


def registered_ids(package: str) -> list[str]:
    """Returns the ids of environments that a package registers when it is imported.

    Raises:
        ValueError: If there is no such package, or it registers none.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"no environment {package!r}: expected an id, such as gym_cards/NumberLine-v0, or a "
            f"package that registers environments ({error})"
        ) from error
    found = [name for name in gym.registry if name.startswith(f"{package}/")]
    if not found:
        raise ValueError(f"the package {package} registers no environments")
    return found
