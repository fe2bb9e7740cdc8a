"""Goals of games, and how much of them is reached, as ALFRED's tasks count it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gym_cards.alfworld.engine.planner import Engine
from gym_cards.alfworld.games.game import TREATMENTS

_TREATED = {"clean": "isclean", "heat": "ishot", "cool": "iscool"}


@dataclass(frozen=True)
class Goal:
    """Goal of a game.

    Attributes:
        task_type: One of the six types.
        target: The type of the thing that it is about.
        parent: The type of furniture to bring it to; "" if it is to be looked at.
        lamp: The type of the lamp to look at it with; "" otherwise.
    """

    task_type: str
    target: str
    parent: str
    lamp: str

    @classmethod
    def read(cls, trajectory: Mapping[str, Any]) -> Goal:
        """Returns the goal in a game's `traj_data.json`."""
        parameters = trajectory["pddl_params"]
        return cls(
            trajectory["task_type"],
            parameters["object_target"] or "",
            parameters["parent_target"] or "",
            parameters["toggle_target"] or "",
        )

    @property
    def count(self) -> int:
        """The number of things to bring."""
        return 2 if self.task_type == "pick_two_obj_and_place" else 1

    @property
    def treatment(self) -> str | None:
        """The command that the thing needs before it is brought: clean, heat or cool."""
        known = TREATMENTS.get(self.task_type)
        return known[0] if known else None


def success_rate(engine: Engine, goal: Goal) -> float:
    """Returns the share of the goal's conditions that hold now.

    Following `alfworld.env.tasks`, without slicing. Bring one: it is in place. Bring two: each
    counts, in the piece of furniture that has most of them. Look in light: it is held, and the
    lamp here is on. Clean, heat and cool: one is in place, one is treated, and one is both.
    """
    targets = _of_type(engine, "objecttype", goal.target)
    if goal.lamp:
        held = any(fact[2] in targets for fact in engine.named("holds"))
        return (held + _lit(engine, goal.lamp)) / 2
    parents = _of_type(engine, "receptacletype", goal.parent)
    placed = [
        (thing, place)
        for _, thing, place in engine.named("inreceptacle")
        if thing in targets and place in parents
    ]
    if goal.count == 2:
        most = max((sum(where == place for _, where in placed) for place in parents), default=0)
        return min(most, 2) / 2
    if goal.treatment is None:
        return float(bool(placed))
    done = {fact[1] for fact in engine.named(_TREATED[goal.treatment])} & targets
    both = any(thing in done for thing, _ in placed)
    return (bool(placed) + bool(done) + both) / 3


def _of_type(engine: Engine, predicate: str, kind: str) -> set[str]:
    return {fact[1] for fact in engine.named(predicate) if fact[2] == f"{kind.lower()}type"}


def _lit(engine: Engine, lamp: str) -> bool:
    """Returns whether a lamp of the type is on where the agent stands."""
    (here,) = (fact[2] for fact in engine.named("atlocation"))
    places = {fact[1] for fact in engine.named("receptacleatlocation") if fact[2] == here}
    on = {fact[1] for fact in engine.named("istoggled")} & _of_type(engine, "objecttype", lamp)
    return any(thing in on and place in places for _, thing, place in engine.named("inreceptacle"))
