"""How fast the household environment is beside alfworld's own, what memory it takes, who wins.

    python benchmarks/alfworld.py                    # speed and memory
    python benchmarks/alfworld.py --json alfworld.json
    python benchmarks/alfworld.py --players 100      # random and both experts, games a task type
    python benchmarks/alfworld.py --check 500        # all are won by who knows everything

Machines differ, so what counts is the ratio within one run: steps/s of the environment, pictures
included, and of alfworld's `AlfredTWEnv`, which makes none, with the same commands in the same
games; measurements are interleaved, and medians are reported. On Python 3.13 `AlfredTWEnv` itself
fails, so that speed is compared on 3.11 or 3.12. Memory is measured in a fresh process.

Players and checks take minutes. `--results FILE` keeps every game that was played, and a run that
was stopped goes on there; games that other code played are played again. `--processes` shares the
games out, `--task-types` leaves some of them out.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import io
import json
import multiprocessing
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
from tqdm import tqdm

import gym_cards
from gym_cards.alfworld import packages
from gym_cards.alfworld.experts import WORST_CASE
from gym_cards.alfworld.games import dataset, generator
from gym_cards.alfworld.games.floor_plans import SPLITS, Split
from gym_cards.alfworld.games.generator import TASK_TYPES, TaskType
from gym_cards.alfworld.view import draw
from vlm_agent.core.json_lines import read_json_lines
from vlm_agent.evaluation.summary import wilson_interval

ID = "gym_cards/ALFWorld-v0"
STEPS = 30
PLAYERS = ("random", "unprivileged", "privileged")
CHECKS = ("privileged", "displaced")
"""From the start, and from where random commands have led."""
DISPLACEMENT = 20
LIMIT = 50


def make(**arguments: Any) -> gym.Env[Any, Any]:
    """The environment, without a time limit."""
    return gym.make(ID, disable_env_checker=True, max_episode_steps=-1, **arguments).unwrapped


# ----- speed --------------------------------------------------------------------------------------


def original(folder: Path) -> Any:
    """The package's own environment of the only game below a folder."""
    config = {
        "env": {
            "goal_desc_human_anns_prob": 0,
            "task_types": [1, 2, 3, 4, 5, 6],
            "domain_randomization": False,
            "expert_type": "handcoded",
        },
        "dataset": {"data_path": str(folder), "num_train_games": 0},
        "general": {"training_method": "dqn"},
        "rl": {"training": {"max_nb_steps_per_episode": 10_000}},
    }
    module = packages.load("alfworld.agents.environment.alfred_tw_env")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return module.AlfredTWEnv(config, train_eval="train").init_env(batch_size=1)


def compare(task_type: str, seed: int) -> dict[str, float]:
    """Steps and resets of both, in one game."""
    options = {"task_type": task_type, "game_seed": seed}
    env = make()
    start = time.perf_counter()
    _, info = env.reset(options=options)
    first = time.perf_counter() - start
    rng = random.Random(seed)
    commands: list[str] = []
    for _ in range(STEPS):
        commands.append(rng.choice(info["admissible_commands"]))
        *_, ended, _, info = env.step(commands[-1])
        if ended:
            break
    start = time.perf_counter()
    env.reset(options=options)
    again = time.perf_counter() - start
    start = time.perf_counter()
    for command in commands:
        env.step(command)
    ours = (time.perf_counter() - start) / len(commands)
    env.close()
    with tempfile.TemporaryDirectory() as folder:
        dataset.write_game(generator.generate("train", task_type, seed), Path(folder))  # type: ignore[arg-type]
        theirs = original(Path(folder))
        start = time.perf_counter()
        theirs.reset()
        loading = time.perf_counter() - start
        start = time.perf_counter()
        for command in commands:
            theirs.step([command])
        plain = (time.perf_counter() - start) / len(commands)
        theirs.close()
    return {
        "speedup": plain / ours,
        "steps_per_second": 1 / ours,
        "alfworld_steps_per_second": 1 / plain,
        "first_reset_seconds": first,
        "seen_reset_seconds": again,
        "alfworld_reset_seconds": loading,
    }


def speed() -> dict[str, float]:
    """Medians over one game of each task type."""
    rows = [compare(task_type, 0) for task_type in tqdm(TASK_TYPES, desc="speed")]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


# ----- memory -------------------------------------------------------------------------------------


def resident() -> float:
    """The process's resident memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def growth(resets: tuple[int, ...]) -> None:
    """Prints resident memory after so many resets of distinct games, with a few steps in each."""
    env = make()
    found: dict[int, float] = {}
    for count in tqdm(range(1, max(resets) + 1), desc="memory", unit="game"):
        _, info = env.reset(seed=count)
        for _ in range(3):
            *_, info = env.step(info["admissible_commands"][0])
        if count in resets:
            found[count] = resident()
    print(json.dumps(found))


def memory(resets: int) -> dict[str, float]:
    """Resident memory in a fresh process after a fifth of the resets, and after all."""
    fifth = max(1, resets // 5)
    result = subprocess.run(
        [sys.executable, __file__, "--growth", str(fifth), str(resets)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout)
    first, last = found[str(fifth)], found[str(resets)]
    return {"resets": resets, "mb_after_a_fifth": first, "mb_after_all": last}


# ----- pictures -----------------------------------------------------------------------------------


def pictures(seconds: float = 2.0) -> dict[str, float]:
    """Pictures a second of computing, of scenes seen for the first time, and seen before.

    Drawing takes one thread and waits for nothing, so that computing is what a machine with nothing
    else to do takes.
    """
    env = make()
    scenes = []
    for task_type in TASK_TYPES:
        _, info = env.reset(options={"task_type": task_type, "game_seed": 1})
        rng = random.Random(1)
        for _ in range(LIMIT):
            scenes.append(env._house.scene)  # type: ignore[attr-defined]
            *_, ended, _, info = env.step(rng.choice(info["admissible_commands"]))
            if ended:
                break
    env.close()
    size = 299  # Nothing of it was drawn above.
    start = time.process_time()
    for scene in scenes:
        draw(scene, size=size)
    first = len(scenes) / (time.process_time() - start)
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        for scene in scenes:
            draw(scene, size=size)
        count += len(scenes)
    again = count / (time.process_time() - start)
    return {"new_pictures_per_second": first, "seen_pictures_per_second": again}


# ----- players ------------------------------------------------------------------------------------


class Name(NamedTuple):
    """Names a game."""

    split: Split
    task_type: TaskType
    seed: int


Steps = Mapping[str, int | None]
"""For every player the steps that it won a game in, or `None` where it did not win."""


@functools.cache
def player_env(split: Split) -> Any:
    """The environment that a process plays in; its pictures are the cheapest there are."""
    return make(split=split, data=dataset.GENERATED, view="map", size=150)


def play(name: Name, player: str) -> int | None:
    """Plays one game; the steps that it took, or `None` where it is not won within the limit."""
    env = player_env(name.split)
    _, info = env.reset(options={"task_type": name.task_type, "game_seed": name.seed})
    rng = random.Random(name.seed)
    for _ in range(DISPLACEMENT if player == "displaced" else 0):
        if not info["won"]:
            *_, info = env.step(rng.choice(info["admissible_commands"]))
    for step in range(LIMIT + 1):
        if info["won"]:
            return step
        if player == "random":
            command = rng.choice(info["admissible_commands"])
        else:
            command, _ = env.expert(privileged=player != "unprivileged")
        *_, info = env.step(command)
    return None


def play_all(name: Name, players: Sequence[str]) -> tuple[Name, dict[str, int | None]]:
    """Has players play one game, which is translated once."""
    return name, {player: play(name, player) for player in players}


@functools.cache
def fingerprint() -> str:
    """Tells apart results of different code; how things are drawn does not change them."""
    folder = Path(gym_cards.__file__).parent / "alfworld"
    sources = [path for path in sorted(folder.glob("*.py")) if not path.name.startswith("view")]
    text = b"".join(path.read_bytes() for path in [*sources, Path(__file__)])
    return hashlib.sha256(text).hexdigest()[:12]


def played_before(path: Path) -> dict[Name, dict[str, int | None]]:
    """What is kept in a file of results, of this code."""
    found: dict[Name, dict[str, int | None]] = {}
    code = fingerprint()
    for _, line in read_json_lines(path) if path.is_file() else ():
        if line["code"] == code:
            found.setdefault(Name(*line["game"]), {}).update(line["steps"])
    return found


def play_games(
    names: Sequence[Name], players: Sequence[str], results: Path | None, processes: int
) -> dict[Name, Steps]:
    """Plays all games that are not among the results yet, and keeps each one there."""
    known = played_before(results) if results else {}
    missing = [name for name in names if not set(players) <= set(known.get(name, ()))]
    work = functools.partial(play_all, players=players)
    bar = tqdm(total=len(names), initial=len(names) - len(missing), desc="games", unit="game")
    with contextlib.ExitStack() as stack:
        stack.enter_context(bar)
        kept = stack.enter_context(appending(results)) if results else None
        done: Iterable[tuple[Name, dict[str, int | None]]] = map(work, missing)
        if processes > 1:
            context = multiprocessing.get_context("spawn")
            # Ctrl-C is for the process that hands out the games; leaving the pool ends the others.
            pool = stack.enter_context(
                context.Pool(processes, signal.signal, (signal.SIGINT, signal.SIG_IGN))
            )
            done = pool.imap_unordered(work, missing)
        for name, steps in done:
            known.setdefault(name, {}).update(steps)
            if kept:
                line = {"game": name, "steps": steps, "code": fingerprint()}
                kept.write(json.dumps(line) + "\n")
                kept.flush()
            bar.update()
    return {name: {player: known[name][player] for player in players} for name in names}


@contextlib.contextmanager
def appending(path: Path) -> Iterator[Any]:
    """A file to append lines to, the last of which may have been cut short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cut = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as lines:
        if cut:
            lines.write("\n")
        yield lines


def summary(found: Sequence[int | None]) -> dict[str, Any]:
    """Success and lengths of a player's games; what is not won counts as played to the limit."""
    won = [steps for steps in found if steps is not None]
    lengths = [LIMIT if steps is None else steps for steps in found]
    return {
        "games": len(found),
        "won": len(won),
        "success": len(won) / len(found),
        "interval": wilson_interval(len(won), len(found)),
        "mean_steps": statistics.fmean(lengths),
        "most_steps": max(lengths),
    }


def by_task_type(played: Mapping[Name, Steps], player: str) -> dict[str, dict[str, Any]]:
    """A player's summary for every task type, and for all."""
    kinds = sorted({name.task_type for name in played}, key=TASK_TYPES.index)
    rows = {
        kind: summary([steps[player] for name, steps in played.items() if name.task_type == kind])
        for kind in kinds
    }
    return {**rows, "all": summary([steps[player] for steps in played.values()])}


def table(found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Success with its 95% interval, and mean steps, as a table of the docs."""
    lines = [f"| task type | {' | '.join(found)} |", "| --- |" + " --- |" * len(found)]
    for kind in next(iter(found.values())):
        cells = []
        for rows in found.values():
            row = rows[kind]
            low, high = (100 * bound for bound in row["interval"])
            cells.append(
                f"{100 * row['success']:.1f}% ({low:.1f} to {high:.1f}), {row['mean_steps']:.1f}"
            )
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def check(played: Mapping[Name, Steps]) -> dict[str, Any]:
    """Whether every game was won within the bound that is documented, and which were not."""
    return {
        "bound": WORST_CASE,
        "not_won": [
            {**name._asdict(), **steps}
            for name, steps in played.items()
            if any(steps[way] is None or steps[way] > WORST_CASE for way in CHECKS)  # type: ignore[operator]
        ],
        "from_the_start": by_task_type(played, "privileged"),
        "after_random_commands": by_task_type(played, "displaced"),
    }


def whole(least: int) -> Any:
    """Reads a whole number of at least so much."""

    def read(word: str) -> int:
        if not word.isdecimal() or int(word) < least:
            raise argparse.ArgumentTypeError(f"{word!r}: expected a whole number from {least} on")
        return int(word)

    return read


def main() -> int:
    """Runs the command; 1 if a check failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--resets", type=whole(5), default=1000, help="of the memory's measurement")
    parser.add_argument("--players", type=whole(1), metavar="GAMES", help="games of each task type")
    parser.add_argument("--check", type=whole(1), metavar="GAMES", help="games of each task type")
    parser.add_argument(
        "--split",
        choices=SPLITS,
        help="of the games: by default valid_unseen for --players, train for --check",
    )
    parser.add_argument("--task-types", nargs="+", choices=TASK_TYPES, default=TASK_TYPES)
    parser.add_argument("--processes", type=whole(1), default=1, help="that play games")
    parser.add_argument("--results", type=Path, help="file of games played, to go on from")
    parser.add_argument("--growth", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.growth:
        growth(tuple(options.growth))
        return 0
    failed = False
    if options.players or options.check:
        count, first = options.players or options.check, 10_000 if options.players else 20_000
        split = options.split or ("valid_unseen" if options.players else "train")
        names = [
            Name(split, kind, seed)
            for kind in options.task_types
            for seed in range(first, first + count)
        ]
        players = PLAYERS if options.players else CHECKS
        played = play_games(names, players, options.results, options.processes)
        if options.players:
            found: dict[str, Any] = {player: by_task_type(played, player) for player in PLAYERS}
            print(table(found))
        else:
            found = check(played)
            failed = bool(found["not_won"])
    else:
        found = {**speed(), **pictures()}
        print(json.dumps(found, indent=2), flush=True)
        found |= memory(options.resets)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
    return int(failed)


if __name__ == "__main__":
    # This file has the name of the package that it measures, and would be found in its place.
    sys.path.remove(str(Path(__file__).resolve().parent))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; with --results FILE the same command goes on from there")
