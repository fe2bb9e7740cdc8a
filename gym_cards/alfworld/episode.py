"""Episode of a household: the game, and the commands since its start, by which it is restored."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from gym_cards.alfworld.engine.planner import Moment
from gym_cards.alfworld.games.catalogue import Chosen
from gym_cards.alfworld.games.dataset import write_files
from gym_cards.alfworld.games.supply import Supply
from gym_cards.alfworld.house import House

_KEYS = {"game", "random", "turns", "options", "contents", "actions"}
# What a damaged snapshot may make of the commands that are replayed from it.
_DAMAGE = (AttributeError, LookupError, OSError, TypeError, ValueError, gym.error.Error)


class Episode:
    """Episodes of an environment, one after another.

    Args:
        games: Games to play.
        house: House to play them in.
        kind: Name of the environment with its arguments, which its snapshots carry.

    Attributes:
        intro: The engine's first answer, which tells the goal.
        playing: Whether an episode runs.
    """

    def __init__(self, games: Supply, house: House, kind: str) -> None:
        self._games = games
        self._house = house
        self._kind = kind
        self._chosen: Chosen | None = None
        self._now: Moment | None = None
        self._origin: dict[str, Any] = {}
        self._commands: list[str] = []
        self.intro = ""
        self.playing = False

    @property
    def now(self) -> Moment:
        """The engine's last answer.

        Raises:
            ResetNeeded: If no game was started yet.
        """
        if self._now is None:
            raise gym.error.ResetNeeded("the game has no state yet: call reset() first")
        return self._now

    @property
    def game(self) -> Chosen:
        """The game.

        Raises:
            ResetNeeded: If no game was started yet.
        """
        _ = self.now
        assert self._chosen is not None
        return self._chosen

    def start(self, rng: np.random.Generator, described: Chosen | None) -> None:
        """Starts the next game, or the one that options described.

        Args:
            rng: The environment's random numbers.
            described: The game; `None` for the next.
        """
        options = None if described is None else {"game": described.name}
        state = copy.deepcopy(rng.bit_generator.state)
        origin: dict[str, Any] = {"random": state, "turns": self._games.turns, "options": options}
        chosen = self._games.next(rng) if described is None else described
        # A game that cannot be started leaves the present one as it is.
        self._now = self._house.start(chosen.files, chosen.path)
        self._chosen, self._origin = chosen, origin
        self.intro = self._now.feedback
        self._origin["contents"] = self._contents()
        self._commands = []
        self.playing = True

    def play(self, command: str) -> None:
        """Plays a command.

        Raises:
            ResetNeeded: If no episode runs.
        """
        if not self.playing:
            raise gym.error.ResetNeeded(
                "step() was called without a running episode: call reset() before the first step "
                "and after every end of an episode"
            )
        self._now = self._house.step(command)
        self._commands.append(command)
        self.playing = not self._now.won

    def save_game(self, folder: Path) -> Path:
        """Writes the game's files to a folder, and returns the path of its `game.tw-pddl`."""
        return write_files(self.game.files, folder)

    def snapshot(self) -> dict[str, Any]:
        """Returns everything that decides how the game continues, as plain values."""
        _ = self.now
        origin = copy.deepcopy(self._origin)
        return {"game": self._kind, **origin, "actions": list(self._commands)}

    def restore(self, snapshot: Mapping[str, Any], rng: np.random.Generator) -> None:
        """Returns to the state of a snapshot; has no effect if it raises an error.

        Args:
            snapshot: What `snapshot` returned.
            rng: The environment's random numbers, which are set too.

        Raises:
            ValueError: If it is not a snapshot of these games.
        """
        if not isinstance(snapshot, Mapping) or set(snapshot) != _KEYS:
            raise ValueError(
                f"{snapshot!r:.200} is not a snapshot: expected what `snapshot` of an environment "
                "returned"
            )
        if snapshot["game"] != self._kind:
            raise ValueError(
                f"the snapshot is of {snapshot['game']!r}: expected one of {self._kind!r}, which "
                "is this environment with these arguments and games"
            )
        before = None if self._now is None else self.snapshot()
        playing, turns = self.playing, self._games.turns
        state = rng.bit_generator.state
        try:
            self._replay(snapshot, rng)
        except _DAMAGE as error:
            self._now = None
            self.playing = False
            if before is not None:
                self._replay(before, rng)
                self.playing = playing
            self._games.turns = turns
            rng.bit_generator.state = state
            raise ValueError(f"the snapshot is damaged: {error!r}") from error

    def _replay(self, snapshot: Mapping[str, Any], rng: np.random.Generator) -> None:
        options = snapshot["options"]
        described = None if options is None else self._games.described(options)
        rng.bit_generator.state = snapshot["random"]
        self._games.turns = snapshot["turns"]
        self.start(rng, described)
        if self._origin["contents"] != snapshot["contents"]:
            raise ValueError(f"the game {self.game.name} is not what it was: its files differ")
        for command in snapshot["actions"]:
            if not isinstance(command, str):
                raise TypeError(f"{command!r} is not a command")
            self.play(command)

    def _contents(self) -> str:
        """Returns a digest of the game at its start."""
        problem = self.game.files.game.get("pddl_problem")
        start = json.dumps([problem, self.now.feedback, self.now.commands])
        return hashlib.sha256(start.encode()).hexdigest()[:16]
