"""Backends of the environment: their interface, and the one that draws alfworld's facts."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

from gym_cards.alfworld import experts
from gym_cards.alfworld.engine.planner import Engine, Moment
from gym_cards.alfworld.games.dataset import GameFiles
from gym_cards.alfworld.games.floor_plans import floor_of
from gym_cards.alfworld.games.goals import (
    Goal,
    Goals,
    annotation,
    success_rate,
    task_in,
    with_goal,
)
from gym_cards.alfworld.sight import FIELDS, describe, look, room_of
from gym_cards.alfworld.view import View, draw
from gym_cards.core.env import Frame


class House(Protocol):
    """Backend that plays one game after another.

    Attributes:
        fields: Names of the fields of the state.
    """

    fields: ClassVar[tuple[str, ...]]

    def start(self, files: GameFiles, path: Path | None) -> Moment:
        """Starts the game with these files, whose `game.tw-pddl` is at the path, if anywhere."""

    def step(self, command: str) -> Moment:
        """Plays a command; one that cannot be done has no effect."""

    def frame(self) -> Frame:
        """Returns the picture of what the agent sees."""

    def state(self) -> dict[str, str]:
        """Returns what the picture shows, field by field."""

    def success_rate(self) -> float:
        """Returns the share of the goal's conditions that hold now."""

    def expert(self, privileged: bool) -> tuple[str, str]:
        """Returns a good command, and a sentence that gives the reason."""

    def close(self) -> None:
        """Frees the resources."""


class TextHouse:
    """House that the text engine simulates, with pictures drawn from its facts.

    Args:
        view: As in `gym_cards.alfworld.view.draw`.
        size: The pictures' width and height in pixels.
        goals: Whose words tell the goals.
        show_goal: Whether the pictures show the goal.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """

    fields: ClassVar[tuple[str, ...]] = FIELDS

    def __init__(
        self, view: View, size: int, goals: Goals = "template", show_goal: bool = False
    ) -> None:
        self._goals = goals
        self._show_goal = show_goal
        self._engine = Engine()
        self._view: View = view
        self._size = size

    def start(self, files: GameFiles, path: Path | None) -> Moment:
        """Starts a game; the path only names it."""
        told = annotation(files.trajectory, path) if self._goals == "human" else None
        self._moment = self._engine.start(files.game)
        if told is not None:
            self._moment = with_goal(self._moment, told)
        self._shown = task_in(self._moment.feedback) if self._show_goal else ""
        self._room = room_of(self._engine, floor_of(files.trajectory))
        self._goal = Goal.read(files.trajectory)
        self._memory = experts.Memory()
        self._look()
        return self._moment

    def step(self, command: str) -> Moment:
        """Plays a command; one that cannot be done has no effect."""
        self._moment = self._engine.step(command)
        self._look()
        return self._moment

    def frame(self) -> Frame:
        """Returns the picture of the scene."""
        return draw(self.scene, view=self._view, size=self._size, goal=self._shown)

    def state(self) -> dict[str, str]:
        """Returns the agent's place, what it sees there, and what it holds."""
        return describe(self.scene)

    def success_rate(self) -> float:
        """Returns the share of the goal's conditions that hold now."""
        return success_rate(self._engine, self._goal)

    def expert(self, privileged: bool) -> tuple[str, str]:
        """Returns the command of a player who knows everything, or what pictures have shown."""
        memory = self._memory
        if privileged:
            memory = experts.all_knowing(self._engine, self._room)
        return experts.play(self._goal, memory, self._moment.commands)

    def close(self) -> None:
        """Leaves the engine to the next house."""
        self._engine.close()

    def _look(self) -> None:
        self.scene = look(self._engine, self._room)
        """The scene that the agent sees."""
        self._memory.see(self.scene)
