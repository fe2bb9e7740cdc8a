"""Packs facts of ALFRED's tasks into the files that the environment reads.

python assets/pack_alfred.py FACTS

It prints how many things and tasks could not be placed.

FACTS is a folder with two files. `scenes.json`: for each split, the number of trajectories of each
scene. `tasks.json.gz`: a list of tasks, each with `split`, `trial`, `scene`, `task_type`, `object`,
`receptacle`, `movable`, `toggle`, `sliced`, `start` [x, z, rotation], and `objects`
[[type, x, height, z], ...] in metres, as ALFRED's json_2.1.0 (MIT licence) has them.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gym_cards.alfworld.games.alfred import (
    FILE,
    PLACES_FILE,
    SPLITS,
    Split,
    _facts,
    alfred_tasks,
    layouts,
)
from gym_cards.alfworld.games.alfred_games import can_be_won, in_place
from gym_cards.alfworld.games.floor_plans import floor_plan
from gym_cards.alfworld.games.placement import place_all, places


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("facts", type=Path)
    folder = parser.parse_args().facts
    scenes = json.loads((folder / "scenes.json").read_text("utf-8"))
    with gzip.open(folder / "tasks.json.gz", "rt", encoding="utf-8") as file:
        tasks = [task for task in json.load(file) if _is_played(task)]
    tasks.sort(key=lambda t: (t["split"], t["task_type"], t["scene"], t["trial"]))
    _write(scenes, tasks)
    won = {task.trial for split in SPLITS for task in alfred_tasks(split) if can_be_won(task)}
    _write(scenes, [task for task in tasks if task["trial"] in won])
    _count_places()
    for split in ("train", "valid_seen", "valid_unseen"):
        _report(split, sum(task["split"] == split for task in tasks))


def _is_played(task: Mapping[str, Any]) -> bool:
    """Returns whether alfworld can play a task.

    It leaves out slicing and receptacles that move. A floor lamp is in no receptacle, without which
    its domain has no way to use a lamp.
    """
    return not task["movable"] and not task["sliced"] and task["toggle"] != "FloorLamp"


def _write(scenes: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]) -> None:
    kinds = sorted({kind for task in tasks for kind, *_ in task["objects"]})
    numbers = {kind: number for number, kind in enumerate(kinds)}
    things = [
        (numbers[kind], *(round(100 * value) for value in position))
        for task in tasks
        for kind, *position in task["objects"]
    ]
    heads = [
        [
            *(task[name] for name in ("split", "trial", "scene", "task_type")),
            *(task[name] for name in ("object", "receptacle", "start")),
            len(task["objects"]),
        ]
        for task in tasks
    ]
    text = json.dumps({"scenes": scenes, "kinds": kinds, "tasks": heads}, separators=(",", ":"))
    for function in (_facts, alfred_tasks, layouts):
        function.cache_clear()
    np.savez_compressed(
        FILE,
        text=np.frombuffer(text.encode(), np.uint8),
        # A column after the other: alike numbers are packed best side by side.
        things=np.array(things, np.int16).T.copy(),
    )


def _count_places() -> None:
    """Writes how often furniture of each type holds things of each type."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for task in alfred_tasks("train"):
        room = counts.setdefault(floor_plan(task.scene).room, {})
        for thing in task.things:
            options = places(thing, task.scene)
            if options and options[0].is_sure:
                room.setdefault(thing.kind, Counter())[options[0].furniture.kind] += 1
    text = json.dumps(counts, sort_keys=True, indent=1)
    PLACES_FILE.write_text(text + "\n", "utf-8")


def _report(split: Split, total: int) -> None:
    tasks = alfred_tasks(split)
    found = [found for task in tasks for found in place_all(task, in_place(task.task_type))]
    sure = sum(each.place is not None and each.place.is_sure for each in found)
    lost = sum(each.place is None for each in found)
    moved = sum(each.moved for each in found)
    print(
        f"{split}: {len(tasks)} of {total} tasks can be won; of their {len(found)} things "
        f"{sure / len(found):.1%} are in furniture that is hardly in doubt, {lost} have none, and "
        f"{moved} were moved so that their task is not done at its start"
    )


if __name__ == "__main__":
    main()
