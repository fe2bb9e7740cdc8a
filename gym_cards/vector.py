"""Many games stepped together, all drawing into one observation buffer."""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from gym_cards.blackjack import BlackjackEnv
from gym_cards.game import Game, batch_of_pictures, check_flag, check_integer, columns_of
from gym_cards.number_line import NumberLineEnv
from gym_cards.points import EZPointsEnv, Points24Env

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class VectorGame(VectorEnv[Any, NDArray[np.int64], Any]):
    """Games of one kind, stepped together.

    Every game has its own generator and goes its own way: with the same seeds and actions it is
    the single environment, picture by picture. Infos have the form of Gymnasium's `SyncVectorEnv`,
    arrays with a mask `_key` beside each `key`.

    `gym.make_vec("gym_cards/Points24-v0", num_envs=64)` makes one.

    Attributes:
        envs: The games, each an environment of its own.

    Args:
        game: The class of the games.
        num_envs: How many there are, at least 1.
        max_episode_steps: An episode is truncated after so many steps; `None` for no limit.
        copy: Whether `reset` and `step` hand out a copy of the observations. Without it they hand
            out the buffer itself, which the next step changes. What a game draws in a method of its
            own is in it once `observations` was called.
        autoreset_mode: When a finished game starts anew: in the step after, in the same step, or
            never by itself: "NextStep", "SameStep" or "Disabled", or a Gymnasium `AutoresetMode`,
            which no JSON of the spec can hold. Disabled, `reset(options={"reset_mask": …})`, a
            bool array of shape (num_envs,), resets the games at the mask.
        kwargs: Keyword arguments of each game.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If the game has no such argument.
    """

    metadata: dict[str, Any]
    spec: Any = None

    def __init__(
        self,
        game: Callable[..., Game[Any]],
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        copy: bool = True,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **kwargs: Any,
    ) -> None:
        self.num_envs = check_integer("num_envs", num_envs, least=1)
        if max_episode_steps is not None:
            max_episode_steps = check_integer("max_episode_steps", max_episode_steps, least=1)
        self.max_episode_steps = max_episode_steps
        self.copy = check_flag("copy", copy)
        modes = [mode.value for mode in AutoresetMode]
        if not isinstance(autoreset_mode, AutoresetMode) and autoreset_mode not in modes:
            raise ValueError(
                f"autoreset_mode={autoreset_mode!r}: expected one of {', '.join(map(repr, modes))}"
            )
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        if kwargs.get("render_mode") == "human":
            raise ValueError(
                "render_mode='human': expected None or 'rgb_array', for many games have no window; "
                "make a single environment to watch one"
            )
        first = game(**kwargs)
        self.envs = [first]
        for _ in range(self.num_envs - 1):
            self.envs.append(game(**kwargs))
            # One space for all, since its bounds are as large as the picture.
            self.envs[-1].observation_space = first.observation_space
        self.render_mode = first.render_mode
        self.metadata = {
            **first.metadata,
            "render_modes": ["rgb_array"],
            "autoreset_mode": self.autoreset_mode,
        }
        self.single_action_space = first.action_space
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.single_observation_space = first.observation_space
        if isinstance(first.observation_space, spaces.Box):
            self.observation_space = batch_of_pictures(first.observation_space, self.num_envs)
        else:
            self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self._buffer: Any = create_empty_array(self.single_observation_space, self.num_envs)
        self._draws_in_place = isinstance(self.single_observation_space, spaces.Box)
        self._attach()
        self._elapsed = [0] * self.num_envs
        self._finished = [False] * self.num_envs
        self._begun = np.zeros(self.num_envs, np.bool_)
        self._all_begun = False

    # The protocol's attributes, which all games share.

    @property
    def task_description(self) -> str:
        """The rules and the goal, as a person would be told."""
        return self.envs[0].task_description

    @property
    def action_names(self) -> tuple[str, ...]:
        """The text of each action."""
        return self.envs[0].action_names

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode in every game, or in those at a mask.

        Args:
            seed: One for each game; a single one is that of the first, and counts up from there.
            options: What each game takes; `"reset_mask"` beside it chooses the games.

        Returns:
            Observations of all games, and the infos of those that were reset.

        Raises:
            ValueError: If the seeds or the mask do not fit the number of games.
            ResetNeeded: If the mask leaves out a game that has no state yet.
        """
        seeds = self._seeds(seed)
        if options is not None and not isinstance(options, Mapping):
            raise ValueError(f"options={options!r}: expected a dictionary, or None")
        options = dict(options or {})
        chosen = self._chosen(options.pop("reset_mask", None))
        left_out = set(np.flatnonzero(~self._begun).tolist()) - set(chosen)
        if left_out:
            raise gym.error.ResetNeeded(
                f"games {sorted(left_out)} have no state yet: call reset() without a mask first"
            )
        for index in chosen:
            self.envs[index].begin(seeds[index], options)
            self._elapsed[index] = 0
            self._finished[index] = False
        self._begun[chosen] = True
        self._all_begun = True
        columns = Game.infos([self.envs[index] for index in chosen])
        return self._observations(), _batch_infos(columns, chosen, self.num_envs)

    def step(
        self, actions: NDArray[np.int64] | Sequence[int]
    ) -> tuple[Any, Floats, Bools, Bools, dict[str, Any]]:
        """Plays one action in every game.

        Args:
            actions: One for each game, shape (num_envs,).

        Returns:
            Observations, float64 rewards, terminations and truncations, each of shape (num_envs,),
            and infos. With same-step autoreset, `final_obs` and `final_info` hold the last
            observation and info of each episode that ended.

        Raises:
            ValueError: If there are not as many actions as games, or one is none of a game's.
            ResetNeeded: If a game has ended and is not to be reset by itself.
        """
        chosen = self._checked(actions)
        rewards = [0.0] * self.num_envs
        terminations = [False] * self.num_envs
        truncations = [False] * self.num_envs
        last: dict[int, tuple[Any, dict[str, Any]]] = {}
        limit, elapsed, finished = self.max_episode_steps, self._elapsed, self._finished
        next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        for index, (game, action) in enumerate(zip(self.envs, chosen, strict=True)):
            if next_step and finished[index]:
                game.begin()
                elapsed[index] = 0
                finished[index] = False
                continue
            reward, terminated, truncated = game.advance_by(action)
            elapsed[index] += 1
            if limit is not None and elapsed[index] >= limit:
                truncated = True
            rewards[index] = reward
            if terminated or truncated:
                terminations[index], truncations[index] = terminated, truncated
                if same_step:
                    last[index] = game._observation(), game.info()
                    game.begin()
                    elapsed[index] = 0
                else:
                    finished[index] = True
        batch = _batch_infos(Game.infos(self.envs), range(self.num_envs), self.num_envs)
        if last:
            ended = list(last)
            final = columns_of([info for _, info in last.values()])
            batch["final_info"] = _batch_infos(final, ended, self.num_envs)
            batch["final_obs"] = np.full(self.num_envs, None, object)
            for index in ended:
                batch["final_obs"][index] = last[index][0]
            batch["_final_obs"] = _mask(ended, self.num_envs)
            batch["_final_info"] = batch["_final_obs"].copy()
        return (
            self._observations(),
            np.array(rewards),
            np.array(terminations),
            np.array(truncations),
            batch,
        )

    def render(self) -> tuple[Any, ...]:
        """The pictures of all games."""
        return tuple(game.render() for game in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """What every game's method returns, or its attribute of this name is."""
        found = [game.get_wrapper_attr(name) for game in self.envs]
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Every game's attribute of this name."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Sets an attribute of every game: to one value, or each to its own of a list or tuple."""
        if not isinstance(values, (list, tuple)):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise ValueError(f"{len(values)} values for {self.num_envs} games: expected one each")
        for game, value in zip(self.envs, values, strict=True):
            game.set_wrapper_attr(name, value)

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides how the games go on, as plain values that `json.dumps` takes."""
        return {
            "games": [game.snapshot() for game in self.envs],
            "elapsed": list(self._elapsed),
            "finished": list(self._finished),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Goes back to the state of a snapshot, of as many games with equal arguments.

        Raises:
            ValueError: If it is no snapshot of so many games of this kind.
        """
        if not isinstance(snapshot, Mapping) or set(snapshot) != {"games", "elapsed", "finished"}:
            raise ValueError(f"{snapshot!r:.200} is no snapshot: expected what `snapshot` returned")
        if len(snapshot["games"]) != self.num_envs:
            raise ValueError(
                f"the snapshot is of {len(snapshot['games'])} games: expected {self.num_envs}"
            )
        before = [game.snapshot() for game in self.envs] if self._begun.all() else []
        try:
            for game, saved in zip(self.envs, snapshot["games"], strict=True):
                game.restore(saved)
        except ValueError:
            for game, own in zip(self.envs, before, strict=False):
                game.restore(own)
            raise
        self._begun[:] = self._all_begun = True
        self._elapsed = list(snapshot["elapsed"])
        self._finished = list(snapshot["finished"])

    def observations(self) -> Any:
        """The observations of the games as they are now, as `step` hands them out."""
        return self._observations()

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the games."""
        for game in self.envs:
            game.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copied game has a picture of its own; it draws into the copied buffer again.
        self._attach()

    def _attach(self) -> None:
        """Has every game draw into its part of the buffer."""
        if self._draws_in_place:
            for index, game in enumerate(self.envs):
                game.picture.move_to(self._buffer[index])

    def _observations(self) -> Any:
        if not self._draws_in_place:
            seen = [game._observation() for game in self.envs]
            self._buffer = concatenate(self.single_observation_space, seen, self._buffer)
        return copying.deepcopy(self._buffer) if self.copy else self._buffer

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool):
            return [int(seed) + index for index in range(self.num_envs)]
        if not isinstance(seed, (Sequence, np.ndarray)):
            raise ValueError(f"seed={seed!r}: expected None, a whole number, or a list of them")
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} games: expected one for each")
        return [None if one is None else check_integer("seed", one, 0) for one in seed]

    def _chosen(self, mask: Any) -> list[int]:
        """The games that a reset mask chooses."""
        if mask is None:
            return list(range(self.num_envs))
        if (
            not isinstance(mask, np.ndarray)
            or mask.dtype != np.bool_
            or mask.shape != (self.num_envs,)
            or not mask.any()
        ):
            raise ValueError(
                f"options['reset_mask']={mask!r}: expected a bool array of shape "
                f"({self.num_envs},) with at least one True"
            )
        return [int(index) for index in np.flatnonzero(mask)]

    def _checked(self, actions: NDArray[np.int64] | Sequence[int]) -> list[int]:
        """The actions as plain integers, once it is sure that every one can be played.

        Raises:
            ValueError: If one is not an action, or there is not one for each game.
            ResetNeeded: If a game has to be reset first.
        """
        array = np.asarray(actions)
        if array.shape != (self.num_envs,) or array.dtype.kind not in "iu":
            raise ValueError(
                f"actions={actions!r}: expected whole numbers of shape ({self.num_envs},), one for "
                "each game"
            )
        chosen: list[int] = array.tolist()
        # Plain Python takes less time here than NumPy, whose code is in no cache after a copy.
        if min(chosen) < 0 or max(chosen) >= len(self.action_names):
            for game, action in zip(self.envs, chosen, strict=True):
                game.index_of(action)
        if not self._all_begun:
            raise gym.error.ResetNeeded("some games have no state yet: call reset() first")
        if self.autoreset_mode is AutoresetMode.DISABLED and any(self._finished):
            raise gym.error.ResetNeeded(
                f"games {np.flatnonzero(self._finished).tolist()} have ended: reset them with "
                "reset(options={'reset_mask': terminations | truncations})"
            )
        return chosen


class NumberLineVectorEnv(VectorGame):
    """Many games of NumberLine; the arguments are those of `VectorGame` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(NumberLineEnv, num_envs, **kwargs)


class EZPointsVectorEnv(VectorGame):
    """Many games of EZPoints; the arguments are those of `VectorGame` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(EZPointsEnv, num_envs, **kwargs)


class Points24VectorEnv(VectorGame):
    """Many games of Points24; the arguments are those of `VectorGame` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(Points24Env, num_envs, **kwargs)


class BlackjackVectorEnv(VectorGame):
    """Many games of Blackjack; the arguments are those of `VectorGame` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(BlackjackEnv, num_envs, **kwargs)


def _mask(indices: Iterable[int], num_envs: int) -> Bools:
    mask = np.zeros(num_envs, np.bool_)
    mask[list(indices)] = True
    return mask


def _batch_infos(
    columns: Mapping[str, Any], indices: Sequence[int], num_envs: int
) -> dict[str, Any]:
    """The infos of some games, given key by key, as arrays with masks."""
    everywhere = len(indices) == num_envs
    keys, objects = _leaves(columns)
    # One array for all keys takes a fraction of the time that one for each takes.
    masks_of_keys = np.ones((keys, num_envs), np.bool_)
    if not everywhere:
        masks_of_keys[:] = _mask(indices, num_envs)
    masks = iter(masks_of_keys)
    values = np.fromiter(chain.from_iterable(objects), object, len(objects) * len(indices))
    rows = iter(values.reshape(-1, len(indices)))

    def batched(columns: Mapping[str, Any]) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        for key, column in columns.items():
            if isinstance(column, dict):
                batch[key] = batched(column)
            else:
                array = next(rows) if _holds_objects(column) else _as_array(column)
                batch[key] = array if everywhere else _spread(array, indices, num_envs)
            batch[f"_{key}"] = next(masks)
        return batch

    return batched(columns)


def _leaves(columns: Mapping[str, Any]) -> tuple[int, list[Sequence[Any]]]:
    """How many keys there are, those of nested infos included, and the columns of objects."""
    keys, objects = len(columns), []
    for column in columns.values():
        if isinstance(column, dict):
            nested, more = _leaves(column)
            keys += nested
            objects += more
        elif _holds_objects(column):
            objects.append(column)
    return keys, objects


def _holds_objects(column: Sequence[Any] | NDArray[Any]) -> bool:
    plain = (np.ndarray, bool, int, float)
    return not isinstance(column, np.ndarray) and not isinstance(column[0], plain)


def _as_array(column: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(column, np.ndarray):
        return column
    example = column[0]
    if isinstance(example, np.ndarray):
        return np.stack(column)
    return np.array(column, dtype=type(example))


def _spread(values: NDArray[Any], indices: Sequence[int], num_envs: int) -> NDArray[Any]:
    """Values of some games among those that Gymnasium puts for the others: None or zeros."""
    array = np.zeros((num_envs, *values.shape[1:]), values.dtype)
    if values.dtype == object:
        array[...] = None
    array[list(indices)] = values
    return array
