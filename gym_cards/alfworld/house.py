"""Where a game is played: what every backend of the environment does, and the one of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from gym_cards.alfworld import experts
from gym_cards.alfworld.engine.planner import Engine, Moment
from gym_cards.alfworld.games.dataset import GameFiles
from gym_cards.alfworld.games.floor_plans import floor_of
from gym_cards.alfworld.games.goals import Goal, success_rate
from gym_cards.alfworld.sight import describe, look, room_of
from gym_cards.alfworld.view import View, draw
from gym_cards.core.env import Frame


class House(Protocol):
    """Plays one game after another."""

    def start(self, files: GameFiles, path: Path) -> Moment:
        """Starts the game with these files, whose `game.tw-pddl` is at the path."""

    def step(self, command: str) -> Moment:
        """Does what a command says, or nothing where that cannot be done."""

    def frame(self) -> Frame:
        """The picture of what the agent sees."""

    def state(self) -> dict[str, str]:
        """What the picture shows, field by field."""

    def success_rate(self) -> float:
        """The share of the goal's conditions that hold now."""

    def expert(self, privileged: bool) -> tuple[str, str]:
        """A good command, and a sentence saying why."""

    def close(self) -> None:
        """Frees what the house holds."""


class TextHouse:
    """A house that exists in facts, and is drawn.

    Args:
        view: As `gym_cards.alfworld.view.draw` takes it.
        size: Of the pictures, in pixels.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """

    def __init__(self, view: View, size: int) -> None:
        self._engine = Engine()
        self._view: View = view
        self._size = size

    def start(self, files: GameFiles, path: Path) -> Moment:
        """Starts a game; the path is not looked at."""
        del path
        self._moment = self._engine.start(files.game)
        self._room = room_of(self._engine, floor_of(files.trajectory))
        self._goal = Goal.read(files.trajectory)
        self._memory = experts.Memory()
        self._look()
        return self._moment

    def step(self, command: str) -> Moment:
        """Does what a command says, or nothing where that cannot be done."""
        self._moment = self._engine.step(command)
        self._look()
        return self._moment

    def frame(self) -> Frame:
        """The picture of the scene."""
        return draw(self.scene, view=self._view, size=self._size)

    def state(self) -> dict[str, str]:
        """Where the agent is, what it sees there, and what it holds."""
        return describe(self.scene)

    def success_rate(self) -> float:
        """The share of the goal's conditions that hold now."""
        return success_rate(self._engine, self._goal)

    def expert(self, privileged: bool) -> tuple[str, str]:
        """A good command of a player who knows everything, or what pictures have shown."""
        memory = self._memory
        if privileged:
            memory = experts.all_knowing(self._engine, self._room)
        return experts.play(self._goal, memory, self._moment.commands)

    def close(self) -> None:
        """Leaves the engine to the next house."""
        self._engine.close()

    def _look(self) -> None:
        self.scene = look(self._engine, self._room)
        """What the agent sees now."""
        self._memory.see(self.scene)
