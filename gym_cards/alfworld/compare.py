"""Command that compares the published games of alfworld with their reconstructions, game by game.

python -m gym_cards.alfworld.compare --split valid_seen
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gymnasium.error import DependencyNotInstalled

from gym_cards.alfworld.games.alfred import AlfredTask, Split, alfred_tasks
from gym_cards.alfworld.games.alfred_games import reconstruct
from gym_cards.alfworld.games.dataset import GameFiles, data_folder, files_of, find_games, read_game
from gym_cards.alfworld.games.game import TASK_TYPES
from gym_cards.alfworld.games.goals import Goal

SPLITS: tuple[Split, ...] = ("train", "valid_seen", "valid_unseen")
"""The splits of which ALFRED publishes tasks."""

_FACT = re.compile(r"\((receptacletype|objecttype|inreceptacle) (\S+) (\S+)\)")


class Shared(NamedTuple):
    """How far two collections agree, each thing as often as it is there.

    Attributes:
        both: Number of things in both.
        published: Number of things in the published game.
        here: Number of things in the reconstruction.
    """

    both: int
    published: int
    here: int

    @property
    def same(self) -> bool:
        """True if both hold the same."""
        return self.both == self.published == self.here

    def __str__(self) -> str:
        """Returns the numbers, short."""
        return f"{self.both} of {self.published}/{self.here}"


class Comparison(NamedTuple):
    """Comparison of a published game with its reconstruction.

    Attributes:
        objects: The things in the room, by type.
        receptacles: The furniture in the room, by type.
        places: The things and the furniture that they are in or on, by type of both.
        same_task: Whether scene, type of task, thing, furniture and lamp are the same.
        same_goal: Whether the goal's condition is the same, as PDDL.
        plan_lengths: Number of commands of both walkthroughs, the published one first.
    """

    objects: Shared
    receptacles: Shared
    places: Shared
    same_task: bool
    same_goal: bool
    plan_lengths: tuple[int, int]

    @property
    def same_plan_length(self) -> bool:
        """True if both walkthroughs have as many commands."""
        return self.plan_lengths[0] == self.plan_lengths[1]


def compare(published: GameFiles, here: GameFiles) -> Comparison:
    """Compares a published game with its reconstruction."""
    theirs, ours = (_Facts.read(one.game["pddl_problem"]) for one in (published, here))
    lengths = (len(published.game.get("walkthrough", ())), len(here.game["walkthrough"]))
    return Comparison(
        _shared(theirs.objects.values(), ours.objects.values()),
        _shared(theirs.receptacles.values(), ours.receptacles.values()),
        _shared(theirs.places(), ours.places()),
        _task(published) == _task(here),
        theirs.goal == ours.goal,
        lengths,
    )


class _Facts(NamedTuple):
    """What a PDDL problem says of a room."""

    objects: Mapping[str, str]
    receptacles: Mapping[str, str]
    inside: Sequence[tuple[str, str]]
    goal: Sequence[str]

    @classmethod
    def read(cls, problem: str) -> _Facts:
        room, _, goal = problem.lower().partition("(:goal")
        found: dict[str, list[tuple[str, str]]] = {}
        for predicate, first, second in _FACT.findall(" ".join(room.split())):
            found.setdefault(predicate, []).append((first, second.removesuffix("type")))
        return cls(
            dict(found.get("objecttype", ())),
            dict(found.get("receptacletype", ())),
            found.get("inreceptacle", ()),
            re.findall(r"[()]|[^\s()]+", goal),
        )

    def places(self) -> list[tuple[str, str]]:
        return [
            (self.objects.get(thing, thing), self.receptacles.get(place, place))
            for thing, place in self.inside
        ]


def _shared(published: Any, here: Any) -> Shared:
    theirs, ours = Counter(published), Counter(here)
    return Shared((theirs & ours).total(), theirs.total(), ours.total())


def _task(files: GameFiles) -> tuple[object, ...]:
    return (Goal.read(files.trajectory), files.trajectory.get("scene", {}).get("scene_num"))


# ----- the command --------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="python -m gym_cards.alfworld.compare",
        description="Compare the published games of alfworld with games='alfred', game by game: "
        "objects, receptacles, which object is where, task, goal, and the length of the "
        "walkthroughs.",
    )
    parser.add_argument("--split", choices=SPLITS, default="valid_seen")
    parser.add_argument(
        "--data",
        type=Path,
        help="folder of the published data set (default the one that ALFWORLD_DATA names)",
    )
    parser.add_argument("--json", type=Path, help="file for the comparison of every game")
    options = parser.parse_args(words)
    try:
        folder = data_folder(options.data)
        if folder is None:
            parser.error("expected --data, or ALFWORLD_DATA to name the published data set")
        listed = find_games(folder, options.split, TASK_TYPES)
        paths = {path.parent.name: path for path in listed}
        tasks = {task.trial: task for task in alfred_tasks(options.split)}
        found = _compare_all(paths, tasks)
    except (DependencyNotInstalled, FileNotFoundError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(
        f"{len(found)} games of {options.split} are in both, {len(listed) - len(found)} in the "
        f"data set alone, {len(tasks) - len(found)} here alone"
    )
    if found:
        print(f"\n{_table(list(found.values()))}")
    if options.json:
        rows = {trial: _plain(one) for trial, one in found.items()}
        options.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


def _compare_all(
    paths: Mapping[str, Path], tasks: Mapping[str, AlfredTask]
) -> dict[str, Comparison]:
    """Compares all games that both have, by trial, and prints a line for each."""
    found = {}
    for trial in sorted(paths.keys() & tasks.keys()):
        one = compare(read_game(paths[trial]), files_of(reconstruct(tasks[trial])))
        found[trial] = one
        print(
            f"{tasks[trial].name}: objects {one.objects}, receptacles {one.receptacles}, "
            f"places {one.places}, {'same' if one.same_task else 'other'} task, "
            f"{'same' if one.same_goal else 'other'} goal, "
            f"plan of {one.plan_lengths[0]}/{one.plan_lengths[1]} commands"
        )
    return found


def _table(found: Sequence[Comparison]) -> str:
    """Returns how often each aspect agrees, and how much of it over all games."""
    head = f"{'':12} {'games that agree':>20} {'in both':>8} {'published':>9} {'here':>8}"
    rows = [head]
    for name in ("objects", "receptacles", "places"):
        each: list[Shared] = [getattr(one, name) for one in found]
        both, published, here = (sum(numbers) for numbers in zip(*each, strict=True))
        agreed = _share([one.same for one in each])
        rows.append(f"{name:12} {agreed:>20} {both:8} {published:9} {here:8}")
    rows.append(f"{'task':12} {_share([one.same_task for one in found]):>20}")
    rows.append(f"{'goal':12} {_share([one.same_goal for one in found]):>20}")
    published, here = (
        sum(numbers) for numbers in zip(*(o.plan_lengths for o in found), strict=True)
    )
    agreed = _share([one.same_plan_length for one in found])
    rows.append(f"{'plan length':12} {agreed:>20} {'':8} {published:9} {here:8}")
    return "\n".join(rows)


def _share(agree: Sequence[bool]) -> str:
    return f"{sum(agree)} of {len(agree)} ({100 * sum(agree) / len(agree):.0f}%)"


def _plain(one: Comparison) -> dict[str, Any]:
    values = one._asdict()
    return {
        name: value._asdict() if isinstance(value, Shared) else value
        for name, value in values.items()
    }


if __name__ == "__main__":
    main()
