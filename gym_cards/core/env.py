"""Base class of the card games: episodes, infos, pictures, snapshots and action values."""

from __future__ import annotations

import functools
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from gym_cards.core.action_values import ActionValues, check_gamma
from gym_cards.core.checks import (
    check_action,
    check_mapping,
    check_seed,
    closed_error,
    plain_options,
)
from gym_cards.core.keys import NamedActions
from gym_cards.core.search import search
from gym_cards.core.snapshots import put_back, take
from gym_cards.core.window import Window
from gym_cards.render.picture import Picture

Frame = NDArray[np.uint8]
ObsType = TypeVar("ObsType")

Fields = Mapping[str, Callable[[Any], Any]]
"""Functions that take the game, by the name of what they return."""

RENDER_MODES = ("human", "rgb_array")


class CardGameEnv(NamedActions, gym.Env[ObsType, np.int64], ABC, Generic[ObsType]):
    """A card game that is shown as a picture.

    A game passes its picture and its actions to this constructor, lists the fields of its state in
    `state_fields`, and defines `_start`, `_play` and `_draw`. Seeding, rendering, infos, snapshots,
    action values, an expert and batches follow from these; a game that knows better ways overrides
    `_exact`, `expert` or `_explain`. `_start` must set everything that moves change, so that an
    episode depends on nothing but the random numbers, the options and the actions.

    Args:
        picture: Drawn by `_draw`, and by `_play` where a move changes it.
        action_names: The text of each action.
        task_description: The rules and the goal, as a person would be told.
        render_mode: `None`, "rgb_array" or "human".
        observation_space: The space of `_observation`; by default that of the picture.

    Attributes:
        lazy_observations: Whether `reset` and `step` return a black picture and draw nothing, for
            an agent that looks at few of them, by `current_observation`; `False` at first.

    Raises:
        ValueError: If there is no such render mode.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # type: ignore[misc]

    state_fields: ClassVar[Fields]
    """The text of each field of `info["state"]`, which describe what the picture shows."""
    info_fields: ClassVar[Fields] = {}
    """Further entries of the infos; each value is a new one."""
    given: ClassVar[tuple[str, ...]] = ()
    """The fields of the state that a prompt may contain."""

    def __init__(
        self,
        picture: Picture,
        action_names: Sequence[str],
        task_description: str,
        render_mode: str | None = None,
        observation_space: spaces.Space[Any] | None = None,
    ) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(
                f"render_mode={render_mode!r}: expected None or one of {', '.join(RENDER_MODES)}; "
                "leave it out to run without rendering"
            )
        self.metadata = dict(self.metadata)  # type: ignore[misc]
        self.render_mode = render_mode
        self.picture = picture
        self.style = picture.style
        self.action_names = tuple(action_names)
        self.task_description = task_description
        self.action_space = spaces.Discrete(len(self.action_names))
        shown: spaces.Space[Any] = spaces.Box(0, 255, picture.frame.shape, np.uint8)
        self.observation_space = observation_space or shown
        self._jitter: int | None = None
        self._return = 0.0
        self._started = False
        self._playing = False
        self._closed = False
        self._origin: dict[str, Any] = {}
        self._actions: list[int] = []
        self._window: Window | None = None
        self.lazy_observations = False
        self._undrawn = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        """Starts an episode, from a random state or from the one that the options describe.

        Args:
            seed: A whole number of at least 0; `None` continues the random numbers.
            options: A dictionary that sets the state; `None` or an empty one for a random state.

        Raises:
            ValueError: If the seed or the options are something else; nothing has changed then.
            ClosedEnvironmentError: If the game was closed.
        """
        self.begin(seed, options)
        if self.render_mode == "human":
            self.render()
        return self._returned(), self.info()

    def step(self, action: np.int64 | int) -> tuple[ObsType, float, bool, bool, dict[str, Any]]:
        """Plays one action.

        Args:
            action: The index of one of `action_names`, a whole number and no boolean.

        Raises:
            ValueError: If it is something else; nothing has changed then.
            ResetNeeded: If no episode is running.
            ClosedEnvironmentError: If the game was closed.
        """
        reward, terminated, truncated = self.advance(action)
        if self.render_mode == "human":
            self.render()
        return self._returned(), reward, terminated, truncated, self.info()

    def current_observation(self) -> ObsType:
        """Returns the observation of the current state, also if observations are lazy."""
        self._require_start()
        return self._observation()

    def begin(self, seed: int | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Does what `reset` does, but returns nothing."""
        if self._closed:
            raise closed_error("reset()")
        # Checked before anything changes, so that what is wrong has no effect.
        seed, options = check_seed(seed), check_mapping(options)
        parsed = self._parse(options) if options else None
        super().reset(seed=seed)
        random = self.np_random.bit_generator.state
        if self.style.jitters:
            # Derived rather than drawn, so that a style does not change which episodes a seed
            # gives. The jitter before is part of it because options draw nothing.
            last = None if seed is not None else self._jitter
            self._jitter = zlib.crc32(repr((random, last)).encode())
        plain = plain_options(options) if options else None
        self._origin = {"random": random, "options": plain, "jitter": self._jitter}
        self._set_off(parsed)

    def advance(self, action: np.int64 | int) -> tuple[float, bool, bool]:
        """Does what `step` does, but returns only the reward and whether the episode ended."""
        if self._closed:
            raise closed_error("step()")
        index = self.index_of(action)
        if not self._playing:
            raise gym.error.ResetNeeded(
                "step() was called without a running episode: call reset() before the first step "
                "and after every end of an episode"
            )
        return self.advance_by(index)

    def advance_by(self, index: int) -> tuple[float, bool, bool]:
        """Does what `advance` does, without checking the action or that an episode runs.

        A vector environment checks the actions of all games at once.
        """
        self._undrawn |= self.lazy_observations
        reward, terminated, truncated = self._play(index)
        if not self.lazy_observations:
            self._catch_up()
        self._actions.append(index)
        self._return += reward
        self._playing = not (terminated or truncated)
        return reward, terminated, truncated

    def info(self) -> dict[str, Any]:
        """Returns the information on the state that `reset` and `step` return.

        Raises:
            ResetNeeded: If the game was never reset.
            ClosedEnvironmentError: If the game was closed.
        """
        self._require_start()
        info: dict[str, Any] = {}
        state: dict[str, str] = {}
        # Loops are faster here than comprehensions, each of which is a call.
        for name, value in self.info_fields.items():
            info[name] = value(self)
        for name, value in self.state_fields.items():
            state[name] = value(self)
        info["state"] = state
        info["given"] = self.given
        info["is_success"] = self._return > 0
        info["action_mask"] = self._action_mask().copy()
        return info

    def render(self) -> Frame | None:
        """Returns the picture in the mode "rgb_array"; shows it in a window in the mode "human"."""
        if self._closed:
            raise closed_error("render()")
        if self.render_mode is None:
            gym.logger.warn(
                "render() was called without a render mode: pass render_mode='rgb_array' or "
                "render_mode='human' to gymnasium.make"
            )
            return None
        self._require_start()
        if self.render_mode == "rgb_array":
            return self._rendered()
        if self._window is None:
            title = self.spec.id if self.spec else type(self).__name__
            self._window = Window(title, self.metadata["render_fps"])
        self._window.show(self._rendered())
        return None

    def close(self) -> None:
        """Closes the game, and the window if there is one; a second call does nothing."""
        self._closed = True
        if self._window is not None:
            self._window.close()
            self._window = None

    def snapshot(self) -> dict[str, Any]:
        """Returns everything that decides how the game continues, including its random numbers.

        It holds the episode's start and the actions since, which `restore` replays.

        Returns:
            Plain values that `json.dumps` accepts. The step count of a `TimeLimit` around the game
            is not among them, because it belongs to the wrapper.
        """
        self._require_start()
        return take(self)

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Returns to the state of a snapshot of this game, or of one with equal arguments.

        Raises:
            ValueError: If it is not a snapshot of this game.
        """
        if self._closed:
            raise closed_error("restore()")
        put_back(self, snapshot)

    def exact(self, gamma: float = 1.0) -> ActionValues:
        """Returns what every action is worth under optimal play, and the best chance of success.

        After the end of an episode every action is worth 0, and the chance of success is 0 or 1.

        Args:
            gamma: The discount, 0 to 1.

        Raises:
            ResetNeeded: If the game was never reset.
            ValueError: If `gamma` is out of range.
            IntractableError: If the values cannot be computed in reasonable time.
        """
        self._require_start()
        gamma = check_gamma(gamma)
        if not self._playing:
            return ActionValues((0.0,) * len(self.action_names), float(self._return > 0))
        return self._exact(gamma)

    def expert(self) -> tuple[int, str]:
        """Returns the action of an optimal player, and a sentence that gives the reason."""
        action = self.exact().optimal_actions[0]
        return action, self.explain(action)

    def explain(self, action: np.int64 | int) -> str:
        """Returns a sentence that leads to the action, good or bad, in the words of `expert`.

        It says nothing false about the state, so that it also fits the moves of a poor player.

        Raises:
            ResetNeeded: If the game was never reset.
            ValueError: If there is no such action.
        """
        self._require_start()
        return self._explain(self.index_of(action))

    def index_of(self, action: object) -> int:
        """Returns an action as a plain index.

        Raises:
            ValueError: If it is not a whole number, or there is no such action.
        """
        return check_action(action, self.action_names)

    @abstractmethod
    def _start(self, parsed: Any) -> None:
        """Sets the state to what `_parse` returned, or to a random one for `None`."""

    @abstractmethod
    def _play(self, action: int) -> tuple[float, bool, bool]:
        """Applies an action and draws what it changes, unless the picture is `_undrawn`.

        Returns:
            The reward, and whether the episode was terminated or truncated.
        """

    @abstractmethod
    def _draw(self) -> None:
        """Draws the whole state."""

    def _parse(self, options: Mapping[str, Any]) -> Any:
        """Returns what the options of `reset` say of the state, for `_start`.

        Raises:
            ValueError: If they describe no state.
        """
        raise ValueError(
            f"options={options!r}: expected None, because {type(self).__name__} takes no options"
        )

    def _exact(self, gamma: float) -> ActionValues:
        """Returns what `exact` returns while an episode runs.

        This searches all continuations. It is right for games whose state is all in the picture and
        whose moves draw no random numbers, and quick for those that end after a few moves.
        """
        return search(self, gamma)

    def _explain(self, action: int) -> str:
        shown = ", ".join(f"{name} {value}" for name, value in self.info()["state"].items())
        return f"{shown}, so I choose {self.action_names[action]}"

    def _settings(self) -> tuple[object, ...]:
        """Returns the arguments that neither the task description nor the style depends on."""
        return ()

    def _observation(self) -> ObsType:
        return self._frame()  # type: ignore[return-value]

    @property
    def _shows_frame(self) -> bool:
        """Whether observations are the picture itself, which a batch draws where it returns it."""
        space, frame = self.observation_space, self.picture.frame
        return (
            type(self)._observation is CardGameEnv._observation
            and isinstance(space, spaces.Box)
            and (space.shape, space.dtype) == (frame.shape, frame.dtype)
        )

    def action_masks(self) -> NDArray[np.bool_]:
        """Returns the action mask as booleans, as MaskablePPO of sb3-contrib asks for it.

        Raises:
            ResetNeeded: If the game was never reset.
            ClosedEnvironmentError: If the game was closed.
        """
        self._require_start()
        return self._action_mask().astype(np.bool_)

    def _action_mask(self) -> NDArray[np.int8]:
        """Returns 1 for each action that the rules accept now, else 0; callers copy it."""
        return _all_accepted(len(self.action_names))

    def _returned(self) -> ObsType:
        """Returns the observation for `reset` and `step`."""
        if self.lazy_observations and self._shows_frame:
            return np.zeros_like(self.picture.frame)  # type: ignore[return-value]
        return self._observation()

    def _catch_up(self) -> None:
        """Draws the state, if moves were made without drawing."""
        if self._undrawn:
            self._draw()
            self._undrawn = False

    def _frame(self) -> Frame:
        """Returns a copy of the picture."""
        self._catch_up()
        return self.picture.frame.copy()

    def _rendered(self) -> Frame:
        """Returns the picture for `render`; by default that of the observation."""
        return self._frame()

    def _kind(self) -> str:
        """Returns the name of the game and a checksum of its arguments."""
        arguments = repr((self.task_description, self.style, self._settings()))
        return f"{type(self).__name__}-{zlib.crc32(arguments.encode()):08x}"

    def _set_off(self, parsed: Any) -> None:
        self._start(parsed)
        self._actions = []
        self._return = 0.0
        self._started = self._playing = True
        self._undrawn = True
        if not self.lazy_observations:
            self._catch_up()

    def _require_start(self) -> None:
        if self._closed:
            raise closed_error("a method that needs the state")
        if not self._started:
            raise gym.error.ResetNeeded("the game has no state yet: call reset() first")

    def __getstate__(self) -> dict[str, Any]:
        # A window belongs to its process; a copy of the game opens its own.
        return {**self.__dict__, "_window": None}


@functools.cache
def _all_accepted(actions: int) -> NDArray[np.int8]:
    mask = np.ones(actions, np.int8)
    mask.flags.writeable = False
    return mask
