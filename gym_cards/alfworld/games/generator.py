"""Generator of games from the floor plans that come with alfworld.

A split, a task type and a seed identify a game: the room, the things in it, the goal, and the goal
in words. Games are solvable by construction, and each has a walkthrough.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, get_args

from gym_cards.alfworld import packages
from gym_cards.alfworld.games.floor_plans import (
    FloorPlan,
    Furniture,
    Split,
    constants,
    contents_allowed,
    floor_plan,
    scenes,
)
from gym_cards.alfworld.games.streams import Stream
from gym_cards.alfworld.ids import AGENT, number, place_id, position_of, spell, thing_id
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

TREATMENTS: Mapping[str, tuple[str, str, str]] = {
    "pick_clean_then_place_in_recep": ("clean", "Cleanable", "SinkBasin"),
    "pick_heat_then_place_in_recep": ("heat", "Heatable", "Microwave"),
    "pick_cool_then_place_in_recep": ("cool", "Coolable", "Fridge"),
}
"""The tasks that treat a thing: the command, the table of what allows it, and the furniture."""

_LAMP = "DeskLamp"
_LAMP_STANDS = ("Desk", "SideTable", "Dresser", "CoffeeTable", "DiningTable", "TVStand", "Shelf")
_SMALL = {"CoffeeMachine", "HandTowelHolder", "StoveBurner", "ToiletPaperHanger", "TowelHolder"}
_LARGE = {"Bed", "CoffeeTable", "CounterTop", "Desk", "DiningTable", "Dresser"}
# The number of things of a kind in a room: often one, at most three, as in ALFRED.
_COUNTS = (1, 1, 1, 2)
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
        seed: Its number among the games of its split and task type.
        plan: The room.
        things: The things in it.
        target: The type of the thing to find.
        parent: The type of furniture to bring it to; "" if it is to be looked at.
        start: The agent's place.
        task: The goal in words.
    """

    split: Split
    task_type: TaskType
    seed: int
    plan: FloorPlan
    things: tuple[Placed, ...]
    target: str
    parent: str
    start: Pose
    task: str

    @property
    def name(self) -> str:
        """The folder of the game in a data set: `<task>-<Obj>-None-<Recep>-<scene>/<trial>`."""
        goal = f"{self.task_type}-{self.target}-None-{self.parent or _LAMP}-{self.plan.number}"
        return f"{goal}/trial_{self.seed}"


def generate(split: Split, task_type: TaskType, seed: int) -> Game:
    """Returns the game of a split, a task type and a seed.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """
    stream = Stream(split, task_type, seed)
    rooms = constants().GOALS_VALID[task_type]
    plans = [
        plan
        for plan in map(floor_plan, scenes(split))
        if plan.room in rooms and _goals(task_type, plan.number)
    ]
    needed = 2 if task_type == "pick_two_obj_and_place" else 1
    while True:
        plan = stream.choose(plans)
        goals = _goals(task_type, plan.number)
        target = stream.choose(sorted(goals))
        parent = stream.choose(goals[target])
        things = _furnish(stream, plan, target, parent, needed)
        # The furniture at which the goal's things can start may have too little room.
        if sum(thing.kind == target for thing in things) >= needed:
            break
    used = {place_id(piece.stand) for piece in plan.furniture}
    poses = (Pose(x, z, rotation, 30) for x, z in plan.floor for rotation in range(4))
    start = stream.choose([pose for pose in poses if place_id(pose) not in used])
    library = packages.load("alfworld.gen.goal_library")
    task = stream.choose(library.gdict[task_type]["templates"]).format(
        obj=target.lower(), recep=parent.lower(), toggle=_LAMP.lower(), mrecep=""
    )
    return Game(split, task_type, seed, plan, things, target, parent, start, task)


# ----- what a room allows -------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _goals(task_type: TaskType, scene: int) -> Mapping[str, Sequence[str]]:
    """Returns the types of things that a task may be about in a room, and where it may end.

    A thing starts elsewhere than it is to end, so that it needs furniture of two types.
    """
    allowed, tables, plan = contents_allowed(), constants(), floor_plan(scene)
    there = sorted({piece.kind for piece in plan.furniture})
    spots = {
        thing: [kind for kind in there if thing in allowed[kind]]
        for thing in plan.kinds
        if any(thing in allowed[kind] for kind in there)
    }
    if task_type == "look_at_obj_in_light":
        lit = _LAMP in plan.kinds and any(kind in _LAMP_STANDS for kind in there)
        return {thing: [""] for thing in spots} if lit else {}
    goals = {thing: list(kinds) for thing, kinds in spots.items() if len(kinds) > 1}
    if task_type in TREATMENTS:
        _, table, treated_at = TREATMENTS[task_type]
        if treated_at not in there:
            return {}
        able = tables.VAL_ACTION_OBJECTS[table]
        goals = {
            thing: [kind for kind in kinds if kind != treated_at]
            for thing, kinds in goals.items()
            if thing in able
        }
    if task_type == "pick_two_obj_and_place":
        goals = {
            thing: [kind for kind in kinds if kind not in _SMALL] for thing, kinds in goals.items()
        }
    return {thing: kinds for thing, kinds in goals.items() if kinds}


def _furnish(
    stream: Stream, plan: FloorPlan, target: str, parent: str, least: int
) -> tuple[Placed, ...]:
    """Puts things where they may be, at least `least` of the target and none of these at its goal.

    The type of the furniture is drawn first and then the piece, so that a room's many drawers do
    not hold most of what it has.
    """
    allowed = contents_allowed()
    room = {
        piece.identity: 1 if piece.kind in _SMALL else 10 if piece.kind in _LARGE else 4
        for piece in plan.furniture
    }
    things: list[Placed] = []

    def place(kind: str, pieces: Sequence[Furniture]) -> None:
        free = [piece for piece in pieces if room[piece.identity]]
        if not free:
            return
        stand = stream.choose(sorted({piece.kind for piece in free}))
        piece = stream.choose([piece for piece in free if piece.kind == stand])
        room[piece.identity] -= 1
        things.append(Placed(_identity(stream, kind, piece, things), kind, piece))

    # Things that a goal may need come first, so that there is room for them.
    for kind in sorted(plan.kinds, key=lambda kind: (kind != _LAMP, kind != target)):
        if kind == _LAMP:
            count = 1
            pieces = [piece for piece in plan.furniture if piece.kind in _LAMP_STANDS]
        else:
            count = max(stream.choose(_COUNTS), least if kind == target else 0)
            pieces = [
                piece
                for piece in plan.furniture
                if kind in allowed[piece.kind] and not (kind == target and piece.kind == parent)
            ]
        for _ in range(count):
            place(kind, pieces)
    return tuple(things)


def _identity(stream: Stream, kind: str, piece: Furniture, things: Sequence[Placed]) -> str:
    """Returns a unique id for a thing, with a place near its furniture's."""
    x, height, z = position_of(piece.identity)
    taken = {thing.identity for thing in things}
    while True:
        across, along = (0.01 * (stream.below(61) - 30) for _ in range(2))
        identity = thing_id(kind, (x + across, height + 0.05, z + along))
        if identity not in taken:
            return identity


# ----- the files of a game ------------------------------------------------------------------------


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
        "task_id": f"trial_{game.seed}",
        "task_type": game.task_type,
        "pddl_params": {
            "mrecep_target": "",
            "object_sliced": False,
            "object_target": game.target,
            "parent_target": game.parent,
            "toggle_target": _LAMP if looks else "",
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
        obj=game.target, recep=game.parent, toggle=_LAMP, mrecep=""
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
    if kind != _LAMP:
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

    targets = [thing for thing in game.things if thing.kind == game.target]
    for target in targets[: 2 if game.task_type == "pick_two_obj_and_place" else 1]:
        reach(target.where)
        commands.append(f"take {name(target)} from {name(target.where)}")
        if game.task_type == "look_at_obj_in_light":
            lamp = next(thing for thing in game.things if thing.kind == _LAMP)
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
