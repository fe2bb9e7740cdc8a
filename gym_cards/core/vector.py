"""Base class of batched card games, which all draw into one observation buffer."""

from __future__ import annotations

import copy as copying
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array
from numpy.typing import NDArray

from gym_cards.core.checks import (
    check_flag,
    check_integer,
    check_mapping,
    check_seed,
    closed_error,
    whole,
)
from gym_cards.core.env import CardGameEnv
from gym_cards.core.infos import batch_infos, columns_of, columns_of_games, mask_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class CardGameVectorEnv(VectorEnv[Any, NDArray[np.int64], Any]):
    """Batch of card games of one kind.

    Each game has its own random generator: with the same seeds and actions it equals the single
    environment, picture by picture. Infos have the form of Gymnasium's `SyncVectorEnv`: arrays, and
    next to each `key` a mask `_key`.

    A game's batch is a subclass that names its `env_class`. `gym.make_vec` makes one, as in
    `gym.make_vec("gym_cards/Points24-v0", num_envs=64)`.

    Attributes:
        envs: The single environments.

    Args:
        num_envs: The number of games, at least 1.
        max_episode_steps: Episodes are truncated after this many steps; `None`, or -1 as in
            `gymnasium.make`, for no other limit than the game's own.
        copy: Whether `reset` and `step` return copies of the observations. Otherwise they return
            the buffer itself, which the next step changes. What a game draws when one of its own
            methods is called is in the buffer after a call of `observations`.
        autoreset_mode: When a finished game is reset: "NextStep", "SameStep" or "Disabled", or a
            Gymnasium `AutoresetMode`, which a spec cannot save as JSON. With "Disabled",
            `reset(options={"reset_mask": …})`, a bool array of shape (num_envs,), resets the games
            at the mask.
        kwargs: Keyword arguments of each game.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If the game has no such argument.
    """

    env_class: ClassVar[Callable[..., CardGameEnv[Any]]]
    """The class of the games."""
    metadata: dict[str, Any]
    spec: Any = None

    def __init__(
        self,
        num_envs: int = 1,
        *,
        max_episode_steps: int | None = None,
        copy: bool = True,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **kwargs: Any,
    ) -> None:
        self.num_envs = check_integer("num_envs", num_envs, least=1)
        if max_episode_steps == -1:
            max_episode_steps = None
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
                "render_mode='human': expected None or 'rgb_array', because a batch has no window; "
                "make a single environment to watch one"
            )
        first = self.env_class(**kwargs)
        self.envs = [first]
        for _ in range(self.num_envs - 1):
            self.envs.append(self.env_class(**kwargs))
            # Shared, because the bounds are as large as the picture.
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
        self._draws_in_place = first._shows_frame
        self.observation_space = (
            _batch_of_pictures(first.observation_space, self.num_envs)
            if self._draws_in_place and isinstance(first.observation_space, spaces.Box)
            else batch_space(first.observation_space, self.num_envs)
        )
        self._buffer: Any = create_empty_array(self.single_observation_space, self.num_envs)
        self._attach()
        # The first reset starts all games; from then on each has a state.
        self._begun = False

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
            seed: One seed for each game; a single one is that of the first game, and those of the
                others count up from it.
            options: Options of each game, and `"reset_mask"` to choose the games.

        Returns:
            Observations of all games, and infos of those that were reset.

        Raises:
            ValueError: If a seed or an option is wrong, or the seeds or the mask do not fit the
                number of games; nothing has changed then.
            ResetNeeded: If the mask leaves out a game that has no state yet.
            ClosedEnvironmentError: If the batch was closed.
        """
        if self.closed:
            raise closed_error("reset()")
        seeds = self._seeds(seed)
        options = dict(check_mapping(options))
        chosen = self._chosen(options.pop("reset_mask", None))
        if not self._begun and len(chosen) < self.num_envs:
            left_out = sorted(set(range(self.num_envs)) - set(chosen))
            raise gym.error.ResetNeeded(
                f"games {left_out} have no state yet: call reset() without a mask first"
            )
        for index in chosen:
            self.envs[index].begin(seeds[index], options)
        self._begun = True
        return self._observations(), self._infos(chosen)

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
            ValueError: If there is not one action for each game, or a game has no such action;
                nothing has changed then.
            ResetNeeded: If a game has no running episode and is not reset automatically.
            ClosedEnvironmentError: If the batch was closed.
        """
        if self.closed:
            raise closed_error("step()")
        chosen = self._checked(actions)
        rewards = [0.0] * self.num_envs
        terminations = [False] * self.num_envs
        truncations = [False] * self.num_envs
        last: dict[int, tuple[Any, dict[str, Any]]] = {}
        limit = self.max_episode_steps
        next_step = self.autoreset_mode is AutoresetMode.NEXT_STEP
        same_step = self.autoreset_mode is AutoresetMode.SAME_STEP
        for index, (game, action) in enumerate(zip(self.envs, chosen, strict=True)):
            if next_step and self._has_ended(game):
                game.begin()
                continue
            reward, terminated, truncated = game.advance_by(action)
            if limit is not None and len(game._actions) >= limit:
                truncated = True
            rewards[index] = reward
            if terminated or truncated:
                terminations[index], truncations[index] = terminated, truncated
                if same_step:
                    last[index] = game._observation(), game.info()
                    game.begin()
        batch = self._infos(range(self.num_envs))
        if last:
            ended = list(last)
            final = columns_of([info for _, info in last.values()])
            batch["final_info"] = batch_infos(final, ended, self.num_envs)
            batch["final_obs"] = np.full(self.num_envs, None, object)
            for index in ended:
                batch["final_obs"][index] = last[index][0]
            batch["_final_obs"] = mask_of(ended, self.num_envs)
            batch["_final_info"] = batch["_final_obs"].copy()
        return (
            self._observations(),
            np.array(rewards),
            np.array(terminations),
            np.array(truncations),
            batch,
        )

    def render(self) -> tuple[Any, ...]:
        """Returns the pictures of all games."""
        return tuple(game.render() for game in self.envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Calls a method of every game, or reads an attribute of this name."""
        found = [game.get_wrapper_attr(name) for game in self.envs]
        return tuple(one(*args, **kwargs) if callable(one) else one for one in found)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Returns an attribute of every game."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Sets an attribute of every game, to one value or to its own of a list or tuple."""
        if not isinstance(values, (list, tuple)):
            values = [values] * self.num_envs
        if len(values) != self.num_envs:
            raise ValueError(f"{len(values)} values for {self.num_envs} games: expected one each")
        for game, value in zip(self.envs, values, strict=True):
            game.set_wrapper_attr(name, value)

    def snapshot(self) -> dict[str, Any]:
        """Returns everything that decides how the games continue, as values for `json.dumps`."""
        return {"games": [game.snapshot() for game in self.envs]}

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Returns to the state of a snapshot of as many games with equal arguments.

        Raises:
            ValueError: If it is not a snapshot of this number of games of this kind.
        """
        games = snapshot.get("games") if isinstance(snapshot, Mapping) else None
        if not isinstance(games, list | tuple) or len(snapshot) > 1:
            raise ValueError(
                f"{snapshot!r:.200} is not a snapshot: expected what `snapshot` returned"
            )
        if len(games) != self.num_envs:
            raise ValueError(f"the snapshot is of {len(games)} games: expected {self.num_envs}")
        before = [game.snapshot() for game in self.envs] if self._begun else []
        try:
            for game, saved in zip(self.envs, games, strict=True):
                game.restore(saved)
        except ValueError:
            for game, own in zip(self.envs, before, strict=False):
                game.restore(own)
            raise
        self._begun = True

    def observations(self) -> Any:
        """Returns the present observations, as `step` returns them.

        Raises:
            ResetNeeded: If the games have no state yet.
            ClosedEnvironmentError: If the batch was closed.
        """
        if self.closed:
            raise closed_error("observations()")
        if not self._begun:
            raise gym.error.ResetNeeded("some games have no state yet: call reset() first")
        return self._observations()

    def close_extras(self, **kwargs: Any) -> None:
        """Closes the games."""
        # Gymnasium 1.1 also closes an environment whose constructor refused an argument.
        for game in getattr(self, "envs", ()):
            game.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__.copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copied game has a picture of its own; it draws into the copied buffer again.
        self._attach()

    def _attach(self) -> None:
        """Makes every game draw into its part of the buffer."""
        if self._draws_in_place:
            for index, game in enumerate(self.envs):
                game.picture.move_to(self._buffer[index])

    def _observations(self) -> Any:
        if not self._draws_in_place:
            seen = [game._observation() for game in self.envs]
            self._buffer = concatenate(self.single_observation_space, seen, self._buffer)
        return copying.deepcopy(self._buffer) if self.copy else self._buffer

    def _infos(self, indices: Sequence[int]) -> dict[str, Any]:
        games = [self.envs[index] for index in indices]
        return batch_infos(columns_of_games(games), indices, self.num_envs)

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, np.ndarray):
            seed = seed.tolist()
        if not isinstance(seed, Sequence) or isinstance(seed, (str, bytes)):
            first = check_integer("seed", seed, least=0)
            return range(first, first + self.num_envs)
        if len(seed) != self.num_envs:
            raise ValueError(
                f"{len(seed)} seeds for {self.num_envs} games: expected one for each, or a single "
                "number to count up from"
            )
        return [check_seed(one) for one in seed]

    def _chosen(self, mask: Any) -> list[int]:
        """Returns the games that a reset mask chooses."""
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
        """Returns the actions as plain integers after checking that all can be played.

        Raises:
            ValueError: If one is not an action, or there is not one for each game.
            ResetNeeded: If a game has to be reset first.
        """
        if isinstance(actions, (list, tuple)):
            # One by one, because NumPy would make numbers of the booleans among them.
            numbers = [whole(action) for action in actions]
            chosen = [number for number in numbers if number is not None]
            fits = len(chosen) == len(numbers) == self.num_envs
        else:
            array = np.asarray(actions)
            fits = array.shape == (self.num_envs,) and array.dtype.kind in "iu"
            chosen = array.tolist() if fits else []
        if not fits:
            raise ValueError(
                f"actions={actions!r:.200}: expected whole numbers of shape ({self.num_envs},), "
                "one for each game, and no booleans"
            )
        # Plain Python is faster here than NumPy, whose code is in no cache after a copy.
        if min(chosen) < 0 or max(chosen) >= len(self.action_names):
            for game, action in zip(self.envs, chosen, strict=True):
                game.index_of(action)
        if not self._begun:
            raise gym.error.ResetNeeded("some games have no state yet: call reset() first")
        # With same-step autoreset a game can have ended only if it was stepped or restored apart.
        resets = self.autoreset_mode is AutoresetMode.NEXT_STEP
        if not resets and any(map(self._has_ended, self.envs)):
            ended = [index for index, game in enumerate(self.envs) if self._has_ended(game)]
            raise gym.error.ResetNeeded(
                f"games {ended} have ended: reset them with reset(options={{'reset_mask': mask}}), "
                "where the mask is true for them, such as terminations | truncations"
            )
        return chosen

    def _has_ended(self, game: CardGameEnv[Any]) -> bool:
        """Returns whether the game's episode is over, by its rules or by the limit of steps.

        That is asked of the game, which may also be reset or stepped apart from the batch.
        """
        limit = self.max_episode_steps
        return not game._playing or (limit is not None and len(game._actions) >= limit)


def _batch_of_pictures(space: spaces.Box, number: int) -> spaces.Box:
    """Returns the space that Gymnasium's `batch_space` gives for pictures, in little memory.

    The bounds are views of one picture's: four arrays as large as the batch would take many times
    its memory.
    """
    batch = spaces.Box(0, 255, space.shape, np.uint8)
    batch._shape = (number, *space.shape)
    for name in ("low", "high", "bounded_below", "bounded_above"):
        setattr(batch, name, np.broadcast_to(getattr(space, name), batch.shape))
    return batch
