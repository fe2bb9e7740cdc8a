"""Goals of games: in words, and how much of them is reached, as ALFRED's tasks count it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from gym_cards.alfworld.engine.planner import Engine, Moment
from gym_cards.alfworld.games.dataset import data_folder
from gym_cards.alfworld.games.game import TREATMENTS
from gym_cards.alfworld.games.index import TRAJECTORY
from gym_cards.alfworld.games.streams import Stream

Goals = Literal["template", "human"]
GOALS: tuple[Goals, ...] = get_args(Goals)

_TELLS = "Your task is to: "

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


def check_goals(goals: Goals, games: str | None, data: str | os.PathLike[str] | None) -> None:
    """Checks that there are goals in people's words if they are asked for.

    Args:
        goals: "template" or "human".
        games: The kind of games to play; `None` for those of a data set, if there is one.
        data: The folder of a data set; `None` for the one that ALFWORLD_DATA names, if any.

    Raises:
        ValueError: If the games are not those of a data set.
    """
    if goals == "human" and (games is not None or data_folder(data) is None):
        played = "there is no data set" if games is None else f"games={games!r} plays others"
        raise ValueError(
            f"goals='human': only the games of a data set have goals in people's words, and "
            f"{played}; name one with data= or ALFWORLD_DATA and leave `games` out, or pass "
            "goals='template'"
        )


def annotation(trajectory: Mapping[str, Any], path: Path | None) -> str:
    """Returns a game's goal in people's words: one of its annotations.

    The game's own name decides which one, so that it is the same whenever the game is played.

    Args:
        trajectory: The contents of the game's `traj_data.json`.
        path: The game's `game.tw-pddl`.

    Raises:
        ValueError: If the game has no annotations.
    """
    found = (trajectory.get("turk_annotations") or {}).get("anns") or ()
    sentences = [str(one.get("task_desc") or "").strip() for one in found]
    sentences = [sentence for sentence in sentences if sentence]
    # The folders of the task and the trial, wherever the data set is.
    name = "/".join(path.parts[-3:-1]) if path else str(trajectory.get("task_id"))
    if not sentences:
        where = path.with_name(TRAJECTORY) if path else f"the trajectory {name}"
        raise ValueError(
            f"{where} has no goal in people's words: expected `task_desc` of one of "
            "`turk_annotations.anns`; pass goals='template'"
        )
    return Stream("goal", name).choose(sentences)


def with_goal(intro: Moment, sentence: str) -> Moment:
    """Returns a game's first answer with another goal.

    The sentence does not pass through the grammar, so that it may hold any characters.
    """
    before, tells, _ = intro.feedback.partition(_TELLS)
    return replace(intro, feedback=f"{before}{tells}{sentence}.")


def task_in(intro: str) -> str:
    """Returns the goal's sentence in alfworld's first answer."""
    return intro.partition(_TELLS)[2].strip().removesuffix(".")


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
