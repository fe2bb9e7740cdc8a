"""Game at its start: its room, things and goal, its files, and a walkthrough."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from gym_cards.alfworld import packages
from gym_cards.alfworld.games.alfred import LAMP, Split, folder_of
from gym_cards.alfworld.games.floor_plans import FloorPlan, Furniture, constants, contents_allowed
from gym_cards.alfworld.games.streams import Stream
from gym_cards.alfworld.ids import AGENT, number, place_id, spell
from gym_cards.alfworld.scene import Pose

TaskType = Literal[
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
]
TASK_TYPES: tuple[TaskType, ...] = get_args(TaskType)


def check_task_types(task_types: Sequence[TaskType]) -> tuple[TaskType, ...]:
    """Returns types of tasks as a tuple.

    Raises:
        ValueError: If they are not a list of at least one, each of `TASK_TYPES`.
    """
    listed = isinstance(task_types, Collection) and not isinstance(task_types, str)
    types = tuple(task_types) if listed else ()
    if not types or not all(each in TASK_TYPES for each in types):
        raise ValueError(
            f"task_types={task_types!r}: expected a list of some of {', '.join(TASK_TYPES)}"
        )
    return types


TREATMENTS: Mapping[str, tuple[str, str, str]] = {
    "pick_clean_then_place_in_recep": ("clean", "Cleanable", "SinkBasin"),
    "pick_heat_then_place_in_recep": ("heat", "Heatable", "Microwave"),
    "pick_cool_then_place_in_recep": ("cool", "Coolable", "Fridge"),
}
"""The tasks that treat a thing: the command, the table of what allows it, and the furniture."""

LAMP_STANDS = ("Desk", "SideTable", "Dresser", "CoffeeTable", "DiningTable", "TVStand", "Shelf")
"""The furniture that the lamp may stand on."""

_ABLE = ("Cleanable", "Heatable", "Coolable", "Sliceable", "Toggleable")


@dataclass(frozen=True)
class Placed:
    """Thing, and the furniture that it is in or on at the start."""

    identity: str
    kind: str
    where: Furniture


@dataclass(frozen=True)
class Game:
    """Game at its start.

    Attributes:
        split: The split of its scene.
        task_type: The type of its task.
        trial: The name of its trajectory, or of its seed.
        plan: The room.
        things: The things in it.
        target: The type of the thing to find.
        parent: The type of furniture to bring it to; "" if it is to be looked at.
        start: The agent's place.
        task: The goal in words.
    """

    split: Split
    task_type: TaskType
    trial: str
    plan: FloorPlan
    things: tuple[Placed, ...]
    target: str
    parent: str
    start: Pose
    task: str

    @property
    def name(self) -> str:
        """The folder of the game in a data set: `<task>-<Obj>-None-<Recep>-<scene>/<trial>`."""
        return folder_of(self.task_type, self.target, self.parent, self.plan.number, self.trial)


def sentence(stream: Stream, task_type: TaskType, target: str, parent: str) -> str:
    """Returns a goal in words, by one of ALFRED's templates."""
    templates = packages.load("alfworld.gen.goal_library").gdict[task_type]["templates"]
    text: str = stream.choose(templates)
    return text.format(obj=target.lower(), recep=parent.lower(), toggle=LAMP.lower(), mrecep="")


def start_poses(plan: FloorPlan) -> list[Pose]:
    """Returns the poses at which no furniture can be used, for the agent to start in."""
    used = {place_id(piece.stand) for piece in plan.furniture}
    poses = (Pose(x, z, rotation, 30) for x, z in plan.floor for rotation in range(4))
    return [pose for pose in poses if place_id(pose) not in used]


def game_file(game: Game) -> dict[str, Any]:
    """Returns the contents of `game.tw-pddl`, as alfworld reads it."""
    folder = packages.package_folder() / "data"
    grammar = (folder / "alfred.twl2").read_text("utf-8")
    return {
        "pddl_domain": (folder / "alfred.pddl").read_text("utf-8"),
        "grammar": grammar.replace("UNKNOWN GOAL", game.task),
        "pddl_problem": problem(game),
        "solvable": True,
        "walkthrough": walkthrough(game),
    }


def trajectory_file(game: Game) -> dict[str, Any]:
    """Returns the contents of `traj_data.json`: the fields that alfworld reads without Unity."""
    looks = game.task_type == "look_at_obj_in_light"
    return {
        "task_id": game.trial,
        "task_type": game.task_type,
        "pddl_params": {
            "mrecep_target": "",
            "object_sliced": False,
            "object_target": game.target,
            "parent_target": game.parent,
            "toggle_target": LAMP if looks else "",
        },
        "scene": {
            "floor_plan": f"FloorPlan{game.plan.number}",
            "scene_num": game.plan.number,
        },
        "turk_annotations": {"anns": [{"task_desc": f"{game.task}.", "high_descs": []}]},
    }


def problem(game: Game) -> str:
    """Returns the game as a PDDL problem of alfworld's domain."""
    tables, allowed = constants(), contents_allowed()
    furniture, things = game.plan.furniture, game.things
    kinds = sorted(set(tables.OBJECTS_SET) - set(allowed))
    places = sorted({place_id(piece.stand) for piece in furniture} | {place_id(game.start)})
    objects = [
        f"{AGENT} - agent",
        *(f"{kind}Type - otype" for kind in kinds),
        *(f"{kind}Type - rtype" for kind in allowed),
        *(f"{spell(thing.identity)} - object" for thing in things),
        *(f"{spell(piece.identity)} - receptacle" for piece in furniture),
        *(f"{spell(place)} - location" for place in places),
    ]
    start = [
        f"(canContain {kind}Type {thing}Type)"
        for kind in allowed
        for thing in sorted(allowed[kind])
    ]
    for piece in furniture:
        name = spell(piece.identity)
        start.append(f"(receptacleType {name} {piece.kind}Type)")
        start.append(f"(receptacleAtLocation {name} {spell(place_id(piece.stand))})")
        if piece.openable:
            start.append(f"(openable {name})")
    for thing in things:
        name = spell(thing.identity)
        start.append(f"(objectType {name} {thing.kind}Type)")
        start.append(f"(inReceptacle {name} {spell(thing.where.identity)})")
        start.append(f"(objectAtLocation {name} {spell(place_id(thing.where.stand))})")
        start += [f"({fact} {name})" for fact in _properties(thing.kind)]
    start.append(f"(atLocation {AGENT} {spell(place_id(game.start))})")
    library = packages.load("alfworld.gen.goal_library")
    goal = library.gdict[game.task_type]["pddl"].format(
        obj=game.target, recep=game.parent, toggle=LAMP, mrecep=""
    )
    lines = "\n        ".join
    return (
        f"(define (problem plan_{re.sub('[^a-zA-Z0-9]', '_', game.name)})\n"
        f"    (:domain alfred)\n    (:objects\n        {lines(objects)}\n    )\n"
        # The closing bracket of the whole problem is the goal's last.
        f"    (:init\n        {lines(start)}\n    )\n{goal.replace('#', '-')}"
    )


def _properties(kind: str) -> Iterator[str]:
    """Returns the facts about a thing that follow from its type."""
    tables = constants()
    if kind != LAMP:
        yield "pickupable"
    if kind in tables.MOVABLE_RECEPTACLES_SET:
        yield "isReceptacleObject"
    for able in _ABLE:
        if kind in tables.VAL_ACTION_OBJECTS[able]:
            yield able[0].lower() + able[1:]


def walkthrough(game: Game) -> list[str]:
    """Returns commands that win the game from its start: fetch, treat, place."""
    everything: list[Placed | Furniture] = [*game.things, *game.plan.furniture]
    names = number([spell(item.identity) for item in everything])
    here: Pose | None = None
    opened: set[str] = set()
    commands: list[str] = []

    def name(item: Placed | Furniture) -> str:
        return names[spell(item.identity).lower()]

    def go(piece: Furniture) -> None:
        nonlocal here
        if piece.stand != here:
            commands.append(f"go to {name(piece)}")
            here = piece.stand

    def reach(piece: Furniture) -> None:
        go(piece)
        if piece.openable and piece.identity not in opened:
            commands.append(f"open {name(piece)}")
            opened.add(piece.identity)

    def first(kind: str) -> Furniture:
        return next(piece for piece in game.plan.furniture if piece.kind == kind)

    targets = sorted(
        (thing for thing in game.things if thing.kind == game.target),
        key=lambda thing: thing.where.kind == game.parent,
    )
    for target in targets[: 2 if game.task_type == "pick_two_obj_and_place" else 1]:
        reach(target.where)
        commands.append(f"take {name(target)} from {name(target.where)}")
        if game.task_type == "look_at_obj_in_light":
            lamp = next(thing for thing in game.things if thing.kind == LAMP)
            go(lamp.where)
            commands.append(f"use {name(lamp)}")
            continue
        if game.task_type in TREATMENTS:
            verb, _, treated_at = TREATMENTS[game.task_type]
            go(first(treated_at))
            commands.append(f"{verb} {name(target)} with {name(first(treated_at))}")
        reach(first(game.parent))
        commands.append(f"move {name(target)} to {name(first(game.parent))}")
    return commands
