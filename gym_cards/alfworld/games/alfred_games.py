"""ALFRED's own tasks as games: the same rooms, goals and things, at reconstructed places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from gym_cards.alfworld.games.alfred import LAMP, AlfredTask, Split, alfred_tasks
from gym_cards.alfworld.games.floor_plans import FloorPlan, floor_plan
from gym_cards.alfworld.games.game import (
    LAMP_STANDS,
    Game,
    Placed,
    TaskType,
    sentence,
    start_poses,
)
from gym_cards.alfworld.games.placement import place_all
from gym_cards.alfworld.games.streams import Stream
from gym_cards.alfworld.ids import position_of, thing_id
from gym_cards.alfworld.scene import Pose


@lru_cache(maxsize=16)
def played_tasks(split: Split, task_types: tuple[TaskType, ...]) -> Sequence[AlfredTask]:
    """Returns ALFRED's tasks of a split and of some types, in a fixed order.

    Raises:
        ValueError: If there are none.
    """
    found = tuple(task for task in alfred_tasks(split) if task.task_type in task_types)
    if not found:
        raise ValueError(
            f"ALFRED has no tasks of the types {', '.join(task_types)} in {split} that are known "
            "here; pass games='generated'"
        )
    return found


def reconstruct(task: AlfredTask) -> Game:
    """Returns a task as a game, with every thing in the furniture that its position suggests.

    Things that no furniture in the room may hold are left out, since alfworld's domain has no way
    to reach them. The lamp is on a piece of furniture that may hold it, the same one in every task
    of a room.

    Raises:
        DependencyNotInstalled: If alfworld is missing.
    """
    task_type = cast(TaskType, task.task_type)
    plan = floor_plan(task.scene)
    things: list[Placed] = []
    taken: set[str] = set()
    for seen, place, _ in place_all(task, in_place(task_type)):
        if place is None:
            continue
        x, height, z = seen.position
        while (identity := thing_id(seen.kind, (x, height, z))) in taken:
            x += 0.01
        taken.add(identity)
        things.append(Placed(identity, seen.kind, place.furniture))
    stands = [piece for piece in plan.furniture if piece.kind in LAMP_STANDS]
    if LAMP in plan.kinds and stands:
        piece = Stream("lamp", task.scene).choose(stands)
        x, height, z = position_of(piece.identity)
        things.append(Placed(thing_id(LAMP, (x, height + 0.05, z)), LAMP, piece))
    return Game(
        task.split,
        task_type,
        task.trial,
        plan,
        tuple(things),
        task.target,
        task.parent,
        _start(task, plan),
        sentence(Stream(task.trial), task_type, task.target, task.parent),
    )


def _start(task: AlfredTask, plan: FloorPlan) -> Pose:
    """Returns the agent's pose, or the nearest one at which no furniture can be used."""
    x, z, rotation = task.start
    wanted = Pose(x, z, rotation // 90, 30)
    return min(
        start_poses(plan),
        key=lambda pose: (
            (pose.x - wanted.x) ** 2 + (pose.z - wanted.z) ** 2,
            (pose.rotation - wanted.rotation) % 4,
        ),
    )


def in_place(task_type: str) -> int | None:
    """Returns how many things of the type to find may be in place before a task is done.

    `None` for any number: being there is not enough.
    """
    return {"pick_and_place_simple": 0, "pick_two_obj_and_place": 1}.get(task_type)


def can_be_won(task: AlfredTask) -> bool:
    """Returns whether the room has as many things to find, in furniture, as the task needs."""
    needed = 2 if task.task_type == "pick_two_obj_and_place" else 1
    found = sum(
        seen.kind == task.target and place is not None
        for seen, place, _ in place_all(task, in_place(task.task_type))
    )
    if task.task_type == "look_at_obj_in_light":
        plan = floor_plan(task.scene)
        lit = LAMP in plan.kinds and any(piece.kind in LAMP_STANDS for piece in plan.furniture)
        return found >= needed and lit
    return found >= needed
