"""Session of a game: deals, moves, hints and the score, without any window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from gym_cards.core.action_values import IntractableError
from gym_cards.play.hints import advice
from gym_cards.play.recording import Recorder

LARGE = 1000
"""The size of the pictures of gym_cards' games, large enough for most windows."""
MOST_BUTTONS, MOST_WORDS = 30, 20
"""The most moves that have buttons, and the most words among them; more are typed."""


class Choice(NamedTuple):
    """Move that the player may make.

    Attributes:
        name: Its text.
        action: The argument of the environment's `step`.
        legal: Whether the rules accept it now.
    """

    name: str
    action: int | str
    legal: bool


class Move(NamedTuple):
    """Move that was made, its reward, and the game's answer in words."""

    name: str
    reward: float
    answer: str


class Hint(NamedTuple):
    """Advice of the expert.

    Attributes:
        name: The move.
        reason: A sentence that gives the reason, as told to the player.
        chance: The probability of success under the best play, in games of chance that know it.
    """

    name: str
    reason: str
    chance: float | None = None


@dataclass
class Score:
    """Score of the episodes that were played to their end.

    Attributes:
        episodes: Their number.
        wins: The number of successes.
        total: The sum of their returns.
    """

    episodes: int = 0
    wins: int = 0
    total: float = 0.0

    @property
    def rate(self) -> float | None:
        """The share of successes; `None` before the first episode has ended."""
        return self.wins / self.episodes if self.episodes else None

    @property
    def mean_return(self) -> float | None:
        """The mean of the returns; `None` before the first episode has ended."""
        return self.total / self.episodes if self.episodes else None


@dataclass
class Game:
    """Environment to play.

    Attributes:
        env_id: Its id for `gymnasium.make`.
        kwargs: Keyword arguments of the environment; plain values, so that they can be recorded.
        seed: The seed of the first episode; the next ones count up from it.
    """

    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @property
    def title(self) -> str:
        """The id without namespace and version, such as "Points24"."""
        return self.env_id.rsplit("/", 1)[-1].rsplit("-v", 1)[0]


class Session:
    """Session of one player at one game, episode after episode.

    Attributes:
        score: The score of all episodes that have ended.
        moves: The moves of the episode.
        hint: The expert's advice, if it was asked for since the last move.
        opening: The expert's first move, if it is known.
        finished: Whether the episode has ended.
        won: Whether it was a success.
        truncated: Whether it was truncated.
        rules: The rules, in words.
        has_hints: Whether there is an expert whose advice may be shown.
        hides_state: Whether the player gets only what an agent gets that sees pictures.
        seed: The episode's seed.

    Args:
        game: The game, which has to offer `task_description`, `action_names` and, in every info,
            `state` and `is_success`. Hints need `expert()`, or `demonstrate()` where the expert
            knows more than pictures show.
        recorder: The recorder of the episodes, if any.
        hide_state: Whether to keep from the player what the picture is to tell: the state, the
            game's answers in words, which moves the rules refuse, and hints.

    Raises:
        gymnasium.error.Error: If the environment cannot be made.
        ValueError: If the game does not accept the keyword arguments or lacks what a player needs.
    """

    def __init__(
        self, game: Game, recorder: Recorder | None = None, *, hide_state: bool = False
    ) -> None:
        self.game = game
        self.hides_state = hide_state
        self.score = Score()
        self.moves: list[Move] = []
        self.hint: Hint | None = None
        self.opening: Hint | None = None
        self.finished = False
        self.won = False
        self.truncated = False
        self._recorder = recorder
        self._info: dict[str, Any] = {}
        self._env = _make(game)
        missing = [
            name
            for name in ("task_description", "action_names")
            if not self._env.has_wrapper_attr(name)
        ]
        if missing:
            raise ValueError(
                f"{game.env_id} cannot be played by hand: expected the attributes "
                f"{' and '.join(missing)}; choose a game of gym_cards, or add them"
            )
        self.rules: str = self._env.get_wrapper_attr("task_description")
        self.has_hints: bool = not hide_state and self._env.has_wrapper_attr("expert")
        self.seed = game.seed
        self._start(game.seed)

    @property
    def is_textual(self) -> bool:
        """True if moves are commands in words that change from step to step."""
        return self._env.get_wrapper_attr("action_names") is None

    @property
    def is_typed(self) -> bool:
        """True if moves are typed or chosen from a list, because there are too many buttons."""
        names = self._env.get_wrapper_attr("action_names")
        if names is None or len(names) > MOST_BUTTONS:
            return True
        return sum(len(name) > 2 for name in names) > MOST_WORDS

    @property
    def recording(self) -> str | None:
        """The file of the recorded episodes."""
        return None if self._recorder is None else str(self._recorder.path)

    @property
    def picture(self) -> NDArray[np.uint8]:
        """The game's picture, uint8 of shape (height, width, 3), large if possible."""
        return self._picture

    @property
    def state(self) -> dict[str, str]:
        """The fields of what the picture shows; empty if they are hidden."""
        return {} if self.hides_state else dict(self._info["state"])

    @property
    def goal(self) -> str | None:
        """The episode's own goal, if it has one."""
        return self._info.get("task")

    @property
    def text(self) -> str | None:
        """The game's answer in words, if any may be shown, without its greeting and the goal."""
        text = self._info.get("observation_text")
        if text is None or self.hides_state:
            return None
        return " ".join(
            line for line in text.splitlines() if not line.startswith(("-=", "Your task is"))
        ).strip()

    @property
    def total(self) -> float:
        """The return of the episode so far."""
        return sum(move.reward for move in self.moves)

    @property
    def choices(self) -> list[Choice]:
        """All moves, legal or not; in a game of words the admissible commands.

        If the state is hidden, no move tells that the rules would refuse it.
        """
        if self.is_textual:
            commands = sorted(self._info["admissible_commands"], key=by_use)
            return [Choice(name, name, True) for name in commands]
        names = self._env.get_wrapper_attr("action_names")
        mask = np.ones(len(names), np.int8)
        if not self.hides_state:
            mask = self._info.get("action_mask", mask)
        return [
            Choice(name, action, bool(legal))
            for action, (name, legal) in enumerate(
                zip(names, mask, strict=True), self._first_action
            )
        ]

    @property
    def _first_action(self) -> int:
        return int(getattr(self._env.action_space, "start", 0))

    @property
    def dealer(self) -> list[str] | None:
        """The dealer's visible cards, if there is a dealer and they may be told."""
        cards = None if self.hides_state else self._info.get("Dealer Card")
        return None if cards is None else [label for _, label, _ in cards]

    @property
    def has_draws(self) -> bool:
        """Whether a return of 0 is no loss: even with a dealer, or a bet that is paid back."""
        return "Dealer Card" in self._info or self._info.get("Payout", 0) > 0

    @property
    def commands(self) -> list[str]:
        """The moves to choose from where they are typed, without those that would be refused."""
        return [choice.name for choice in self.choices if choice.legal]

    def new(self) -> None:
        """Starts the next episode; an unfinished one is abandoned and does not count."""
        self._keep_unfinished()
        self.seed += 1
        self._start(self.seed)

    def play(self, choice: Choice) -> None:
        """Plays a move.

        Raises:
            ValueError: If the episode is over, or the rules refuse the move.
        """
        if self.finished or not choice.legal:
            raise ValueError(
                f"{choice} cannot be played now: choose another, or start a new episode"
            )
        state = dict(self._info["state"])
        _, reward, terminated, truncated, self._info = self._env.step(choice.action)
        self._picture = self._render()
        self.hint = None
        self.moves.append(Move(choice.name, float(reward), self.text or ""))
        self._steps.append(
            {"state": state, "action": choice.action, "name": choice.name, "reward": float(reward)}
        )
        self.finished = bool(terminated or truncated)
        if self.finished:
            self.won = bool(self._info["is_success"])
            self.truncated = bool(truncated)
            self.score.episodes += 1
            self.score.wins += self.won
            self.score.total += self.total
            self._record(bool(terminated), bool(truncated))

    def ask(self) -> None:
        """Asks the expert for a `hint`, which is valid until the next move."""
        if self.has_hints and not self.finished:
            self.hint = self._expert()._replace(chance=self._chance())

    def close(self) -> None:
        """Ends the session; an unfinished episode is recorded as far as it went.

        A second call does nothing.
        """
        self._keep_unfinished()
        self._env.close()

    def _start(self, seed: int) -> None:
        _, self._info = self._env.reset(seed=seed)
        self._picture = self._render()
        self.moves = []
        self._steps: list[dict[str, Any]] = []
        self.hint = None
        self.finished = self.won = self.truncated = False
        # In games of words the first command says little.
        known = self.has_hints and not self.is_textual
        self.opening = self._expert() if known else None

    def _expert(self) -> Hint:
        """Returns advice that tells nothing that pictures have not shown."""
        fair = self._env.has_wrapper_attr("demonstrate")
        action, reason = self._env.get_wrapper_attr("demonstrate" if fair else "expert")()
        if not isinstance(action, str):
            names = self._env.get_wrapper_attr("action_names")
            action = names[int(action) - self._first_action]
        return Hint(action, advice(reason))

    def _render(self) -> NDArray[np.uint8]:
        return np.asarray(self._env.render(), np.uint8)

    def _chance(self) -> float | None:
        # Without a dealer nothing is left to chance: the expert's plan says everything, and exact
        # values of a formula may take long.
        if self.dealer is None or not self._env.has_wrapper_attr("exact"):
            return None
        try:
            return float(self._env.get_wrapper_attr("exact")().success_probability)
        except IntractableError:
            return None

    def _keep_unfinished(self) -> None:
        if self._steps and not self.finished:
            self._record(False, False)
            self._steps = []

    def _record(self, terminated: bool, truncated: bool) -> None:
        if self._recorder is not None:
            self._recorder.append(
                {
                    "env": self.game.env_id,
                    "kwargs": dict(self.game.kwargs),
                    "seed": self.seed,
                    "state_hidden": self.hides_state,
                    "steps": self._steps,
                    "terminated": terminated,
                    "truncated": truncated,
                    "success": bool(self._info["is_success"]),
                }
            )


def _make(game: Game) -> gym.Env[Any, Any]:
    """Makes the environment, with large pictures if it is one of ours that can draw them.

    The size of the picture changes nothing else, so that it is not recorded.
    """
    sizes: list[dict[str, Any]] = [{}]
    if game.env_id.startswith("gym_cards/") and "size" not in game.kwargs:
        sizes.insert(0, {"size": LARGE})
    for size in sizes:
        try:
            return gym.make(
                game.env_id,
                render_mode="rgb_array",
                disable_env_checker=True,
                **size,
                **game.kwargs,
            )
        except TypeError as error:
            # Gymnasium appends the id and the arguments once more.
            refused = error
            reason = str(error).partition(" was raised from the environment creator")[0]
    raise ValueError(
        f"{game.env_id} cannot be made with {dict(game.kwargs)}: {reason}; its docstring lists "
        "its arguments"
    ) from refused


def by_use(command: str) -> tuple[bool, list[tuple[int, str]]]:
    """Returns the sort key of a command: what can be done here before walking, and 2 before 10."""
    words = [(int(word), "") if word.isdigit() else (-1, word) for word in command.split()]
    return command.startswith("go to "), words
