"""What every game has in common: the episode's frame, its infos, its pictures and its window."""

from __future__ import annotations

import functools
import operator
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from gym_cards.cards import Card
from gym_cards.core.action_values import ActionValues, check_gamma
from gym_cards.core.window import Window
from gym_cards.render.picture import Picture
from gym_cards.render.style import RenderStyle

Frame = NDArray[np.uint8]
ObsType = TypeVar("ObsType")

RENDER_MODES = ("human", "rgb_array")


def picture_space(style: RenderStyle) -> spaces.Space[Frame]:
    """The space of the pictures."""
    return spaces.Box(0, 255, (style.size, style.size, 3), np.uint8)


def batch_of_pictures(space: spaces.Box, number: int) -> spaces.Box:
    """The space of so many pictures at once, which equals what Gymnasium's `batch_space` gives.

    The bounds are views of one picture's, since four arrays as large as the batch would take many
    times its own memory.
    """
    batch = spaces.Box(0, 255, space.shape, np.uint8)
    batch._shape = (number, *space.shape)
    for name in ("low", "high", "bounded_below", "bounded_above"):
        setattr(batch, name, np.broadcast_to(getattr(space, name), batch.shape))
    return batch


def check_integer(name: str, value: object, least: int | None = None) -> int:
    """A keyword argument or an option as a plain integer.

    Raises:
        ValueError: If it is not a whole number, or smaller than `least`.
    """
    expected = "a whole number" + ("" if least is None else f" of at least {least}")
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        example = max(5, least or 0)
        raise ValueError(f"{name}={value!r}: expected {expected}; pass one, such as {example}")
    return number


def check_flag(name: str, value: object) -> bool:
    """The keyword argument as a plain boolean.

    Raises:
        ValueError: If it is neither true nor false.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r}: expected True or False; pass one of them")
    return bool(value)


def check_choice(name: str, value: object, choices: Sequence[str | None]) -> None:
    """Makes sure that a keyword argument is one of a few.

    Raises:
        ValueError: If it is not.
    """
    if not (value is None or isinstance(value, str)) or value not in choices:
        expected = ", ".join(map(repr, choices[:-1])) + f" or {choices[-1]!r}"
        raise ValueError(f"{name}={value!r}: expected {expected}; pass one of them")


def check_options(options: object, names: Collection[str]) -> None:
    """Makes sure that the options set the whole state and nothing else.

    Raises:
        ValueError: If they are no dictionary, or an option is missing or unknown.
    """
    if not isinstance(options, Mapping) or set(options) != set(names):
        given = dict(options) if isinstance(options, Mapping) else options
        raise ValueError(
            f"options={given!r}: expected a dictionary with exactly the keys "
            f"{', '.join(map(repr, names))}; leave `options` out for a random start"
        )


def check_cards(name: str, codes: object) -> tuple[Card, ...]:
    """The cards that an option names by their two-letter codes.

    Raises:
        ValueError: If it is no list of card codes.
    """
    if isinstance(codes, str) or not isinstance(codes, Sequence):
        raise ValueError(
            f"options[{name!r}]={codes!r}: expected a list of card codes such as ['HA', 'CT']"
        )
    return tuple(Card.parse(code) for code in codes)


class CardGameEnv(gym.Env[ObsType, np.int64], ABC, Generic[ObsType]):
    """An environment around the rules of one game, which a subclass holds.

    The subclass sets `action_space`, `observation_space`, `task_description`, `action_names` and
    `picture` in its constructor and defines the abstract methods. Everything that `reset` and
    `step` hand out is made anew, so that later steps do not change it.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # type: ignore[misc]

    task_description: str
    """The rules and the goal, as a person would be told."""
    action_names: tuple[str, ...]
    """The text of each action."""
    given: tuple[str, ...] = ()
    """The fields of the state that a prompt may tell."""
    picture: Picture
    """The picture of the state, kept up to date by every move."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)

        def place(name: str) -> int:
            """Where the method is taken from, in the order in which bases are asked."""
            return next(i for i, base in enumerate(cls.__mro__) if name in vars(base))

        # What a class or a base beside the game tells in its own way, the game's `_columns` would
        # not tell.
        if min(place("_published_info"), place("_state")) < place("_columns"):
            cls._columns = staticmethod(CardGameEnv._columns)  # type: ignore[method-assign]

    def __init__(self, render_mode: str | None, style: RenderStyle) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise ValueError(
                f"render_mode={render_mode!r}: expected None or one of {', '.join(RENDER_MODES)}; "
                "leave it out to run without rendering"
            )
        self.metadata = dict(self.metadata)  # type: ignore[misc]
        self.render_mode = render_mode
        self.style = style
        self._jitter: int | None = None
        self._return = 0.0
        self._started = False
        self._playing = False
        self._window: Window | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[ObsType, dict[str, Any]]:
        """Starts an episode, from a random state or from the one that the options describe."""
        self.begin(seed, options)
        if self.render_mode == "human":
            self.render()
        return self._observation(), self.info()

    def step(self, action: np.int64 | int) -> tuple[ObsType, float, bool, bool, dict[str, Any]]:
        """Plays one action."""
        reward, terminated, truncated = self.advance(action)
        if self.render_mode == "human":
            self.render()
        return self._observation(), reward, terminated, truncated, self.info()

    def begin(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Does what `reset` does, but hands nothing out."""
        # Looked at before anything changes, so that wrong options cost nothing.
        start = None if options is None or options == {} else self._parse(options)
        super().reset(seed=seed)
        if self.style.jitters:
            # Not drawn, so that every look has the same episodes; of the one before, too, since a
            # start that options describe draws nothing.
            state = repr(
                (self.np_random.bit_generator.state, None if seed is not None else self._jitter)
            )
            self._jitter = zlib.crc32(state.encode())
        self._start(start)
        self._return = 0.0
        self._started = self._playing = True
        self._draw()

    def advance(self, action: np.int64 | int) -> tuple[float, bool, bool]:
        """Does what `step` does, but hands out only the reward, the end and the cut."""
        index = self.index_of(action)
        if not self._playing:
            raise gym.error.ResetNeeded(
                "step() was called without a running episode: call reset() before the first step "
                "and after every end of an episode"
            )
        return self.advance_by(index)

    def advance_by(self, index: int) -> tuple[float, bool, bool]:
        """Does what `advance` does, with an action that the caller knows to be one, in an episode.

        A vector environment looks at all actions at once.
        """
        reward, terminated, truncated = self._play(index)
        self._return += reward
        self._playing = not (terminated or truncated)
        return reward, terminated, truncated

    def info(self) -> dict[str, Any]:
        """What `reset` and `step` tell about the state, made anew."""
        info = self._published_info()
        info["state"] = self._state()
        info["given"] = self.given
        info["is_success"] = self._return > 0
        info["action_mask"] = self._action_mask().copy()
        return info

    @staticmethod
    def infos(games: Sequence[CardGameEnv[Any]]) -> dict[str, Any]:
        """What `info` tells of games of one kind, key by key.

        Returns:
            A value for each game: in lists, for the state in a dictionary of lists, and for the
            action mask in an array of shape (games, actions).
        """
        columns = type(games[0])._columns(games)
        columns["given"] = [game.given for game in games]
        columns["is_success"] = [game._return > 0 for game in games]
        masks: list[Any] = [game._action_mask() for game in games]
        # Bytes are joined in a fraction of the time that arrays take.
        joined = bytearray().join(masks)
        columns["action_mask"] = np.frombuffer(joined, np.int8).reshape(len(games), -1)
        return columns

    def render(self) -> Frame | None:
        """The picture in the mode "rgb_array"; in the mode "human" it is shown in a window."""
        if self.render_mode is None:
            gym.logger.warn(
                "render() was called without a render mode: pass render_mode='rgb_array' or "
                "render_mode='human' to gymnasium.make"
            )
            return None
        self._require_start()
        if self.render_mode == "rgb_array":
            return self._frame()
        if self._window is None:
            title = self.spec.id if self.spec else type(self).__name__
            self._window = Window(title, self.metadata["render_fps"])
        self._window.show(self._frame())
        return None

    def close(self) -> None:
        """Closes the window, where there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def snapshot(self) -> dict[str, Any]:
        """Everything that decides how the game goes on, the random numbers to come included.

        Returns:
            Plain values, which `json.dumps` takes. The count of a `TimeLimit` around the game is
            not among them, for it is the wrapper's.
        """
        self._require_start()
        return {
            "game": self._kind(),
            "state": self._save(),
            "return": self._return,
            "playing": self._playing,
            "jitter": self._jitter,
            "random": self.np_random.bit_generator.state,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Goes back to the state of a snapshot, of this game or of one with equal arguments.

        Raises:
            ValueError: If it is no snapshot of this game.
        """
        keys = {"game", "state", "return", "playing", "jitter", "random"}
        if not isinstance(snapshot, Mapping) or set(snapshot) != keys:
            raise ValueError(
                f"{snapshot!r:.200} is no snapshot: expected what `snapshot` of a game returned"
            )
        if snapshot["game"] != self._kind():
            raise ValueError(
                f"the snapshot is of {snapshot['game']!r}: expected one of {self._kind()!r}, which "
                "is this game with these arguments"
            )
        before, random = self.__dict__.copy(), self.np_random.bit_generator.state
        try:
            self._load(snapshot["state"])
            self._return = float(snapshot["return"])
            self._playing = bool(snapshot["playing"])
            self._jitter = snapshot["jitter"]
            self.np_random.bit_generator.state = snapshot["random"]
            self._draw()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            self.__dict__.update(before)
            self.np_random.bit_generator.state = random
            if self._started:
                self._draw()
            raise ValueError(f"the snapshot is damaged: {error!r}") from error
        self._started = True

    @abstractmethod
    def expert(self) -> tuple[int, str]:
        """What an optimal player does now, and a sentence saying why."""

    def exact(self, gamma: float = 1.0) -> ActionValues:
        """What every action is worth under optimal play, and the best chance of success.

        After the end of an episode nothing is worth anything, and it was a success or not.

        Args:
            gamma: The discount, 0 to 1.

        Raises:
            ResetNeeded: If there is no state yet.
            ValueError: If `gamma` is out of range.
        """
        self._require_start()
        if not self._playing:
            check_gamma(gamma)
            return ActionValues((0.0,) * len(self.action_names), float(self._return > 0))
        return self._exact(gamma)

    @abstractmethod
    def _exact(self, gamma: float) -> ActionValues:
        """What `exact` tells of a running episode."""

    @abstractmethod
    def explain(self, action: np.int64 | int) -> str:
        """A sentence that leads to the action, in the words of `expert`, be it good or bad.

        It says nothing false about the state, so that it fits the moves of a poor player too.
        """

    @abstractmethod
    def _parse(self, options: Mapping[str, Any]) -> Any:
        """What the options of `reset` say of the state, for `_start`.

        Raises:
            ValueError: If they describe no state.
        """

    @abstractmethod
    def _start(self, parsed: Any) -> None:
        """Sets the state to the one that was parsed; to a random one for `None`."""

    @abstractmethod
    def _play(self, action: int) -> tuple[float, bool, bool]:
        """Applies the action, draws what it changes, and returns reward, end and cut."""

    @abstractmethod
    def _draw(self) -> None:
        """Draws the whole state."""

    @abstractmethod
    def _save(self) -> dict[str, Any]:
        """The state as plain values."""

    @abstractmethod
    def _load(self, saved: Mapping[str, Any]) -> None:
        """Sets the state to one that was saved."""

    def _kind(self) -> str:
        """The game, and a checksum of its arguments."""
        told = repr((self.task_description, self.style, self._settings()))
        return f"{type(self).__name__}-{zlib.crc32(told.encode()):08x}"

    def _settings(self) -> tuple[object, ...]:
        """The arguments that neither the description nor the look tells."""
        return ()

    def _frame(self) -> Frame:
        """A copy of the picture."""
        return self.picture.frame.copy()

    def _observation(self) -> ObsType:
        """What the player sees, which is the picture if the game does not say otherwise."""
        return self._frame()  # type: ignore[return-value]

    @abstractmethod
    def _state(self) -> dict[str, str]:
        """What the picture shows, field by field."""

    @abstractmethod
    def _published_info(self) -> dict[str, Any]:
        """The keys that the published environment's infos have."""

    @staticmethod
    def _columns(games: Sequence[Any]) -> dict[str, Any]:
        """What `_published_info` and `_state` tell of games of this kind, key by key.

        A game may find faster ways to this.
        """
        columns = columns_of([game._published_info() for game in games])
        columns["state"] = columns_of([game._state() for game in games])
        return columns

    def _action_mask(self) -> NDArray[np.int8]:
        """1 for every action that the rules do not refuse now; whoever hands it out copies it."""
        return _nothing_refused(len(self.action_names))

    def _require_start(self) -> None:
        """Makes sure that there is a state to speak of."""
        if not self._started:
            raise gym.error.ResetNeeded("the game has no state yet: call reset() first")

    def index_of(self, action: object) -> int:
        """The action as a plain index."""
        try:
            index = operator.index(action)  # type: ignore[arg-type]
        except TypeError:
            index = -1
        if not 0 <= index < len(self.action_names):
            names = ", ".join(f"{i}: {name!r}" for i, name in enumerate(self.action_names))
            raise ValueError(f"{action!r} is not an action: expected an index out of {names}")
        return index

    def __getstate__(self) -> dict[str, Any]:
        # A window belongs to its process; a copy of the game opens its own.
        return {**self.__dict__, "_window": None}


def columns_of(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Infos of some games, which all have the same keys, key by key."""
    columns: dict[str, Any] = {}
    for key, example in infos[0].items():
        column = [info[key] for info in infos]
        columns[key] = columns_of(column) if isinstance(example, dict) else column
    return columns


@functools.cache
def _nothing_refused(actions: int) -> NDArray[np.int8]:
    mask = np.ones(actions, np.int8)
    mask.flags.writeable = False
    return mask
