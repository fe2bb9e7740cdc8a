"""How fast the household environment is beside alfworld's own, what memory it takes, who wins.

    python benchmarks/alfworld.py                    # speed and memory
    python benchmarks/alfworld.py --json alfworld.json
    python benchmarks/alfworld.py --players 100      # random and both experts, games a task type
    python benchmarks/alfworld.py --check 500        # all are won by who knows everything

Machines differ, so what counts is the ratio within one run: steps/s of the environment, pictures
included, and of alfworld's `AlfredTWEnv`, which makes none, with the same commands in the same
games; measurements are interleaved, and medians are reported. On Python 3.13 `AlfredTWEnv` itself
fails, so that speed is compared on 3.11 or 3.12. Memory is measured in a fresh process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
from tqdm import tqdm

import gym_cards  # noqa: F401
from gym_cards.alfworld import dataset, games, packages
from gym_cards.alfworld.experts import WORST_CASE
from gym_cards.alfworld.games import TASK_TYPES

ID = "gym_cards/ALFWorld-v0"
STEPS = 30
PLAYERS = ("random", "unprivileged", "privileged")
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
        dataset.write_game(games.generate("train", task_type, seed), Path(folder))  # type: ignore[arg-type]
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
    for count in range(1, max(resets) + 1):
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
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(result.stdout)
    first, last = found[str(fifth)], found[str(resets)]
    return {"resets": resets, "mb_after_a_fifth": first, "mb_after_all": last}


# ----- players ------------------------------------------------------------------------------------


def play(env: Any, player: str, options: dict[str, Any]) -> tuple[bool, int]:
    """Plays one game; whether it was won within the limit, and the steps."""
    _, info = env.reset(options=options)
    rng = random.Random(options["game_seed"])
    for step in range(LIMIT):
        if info["won"]:
            return True, step
        if player == "random":
            command = rng.choice(info["admissible_commands"])
        else:
            command, _ = env.expert(privileged=player == "privileged")
        *_, info = env.step(command)
    return info["won"], LIMIT


def names(count: int, first: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Games of every task type, by name."""
    for task_type in TASK_TYPES:
        for seed in range(first, first + count):
            yield task_type, {"task_type": task_type, "game_seed": seed}


def players(count: int, split: str) -> dict[str, dict[str, dict[str, float]]]:
    """Success and lengths of every player's games in every task type."""
    env = make(split=split, view="map", size=150)
    results: dict[tuple[str, str], list[tuple[bool, int]]] = {}
    for task_type, options in tqdm(list(names(count, 10_000)), desc=split):
        for player in PLAYERS:
            results.setdefault((player, task_type), []).append(play(env, player, options))
    return {
        player: {
            task_type: {
                "success": sum(won for won, _ in results[player, task_type]) / count,
                "mean_steps": statistics.fmean(n for _, n in results[player, task_type]),
                "most_steps": max(n for _, n in results[player, task_type]),
            }
            for task_type in TASK_TYPES
        }
        for player in PLAYERS
    }


def check(count: int) -> dict[str, int]:
    """Has who knows everything win games from the start, and from where random commands led.

    Raises:
        RuntimeError: If a game is not won within the bound that is documented.
    """
    env = make(view="map", size=150)
    for task_type, options in tqdm(list(names(count, 20_000)), desc="check"):
        won, steps = play(env, "privileged", options)
        if not won or steps > WORST_CASE:
            raise RuntimeError(f"{task_type} {options}: not won in {WORST_CASE} steps")
        _, info = env.reset(options=options)
        rng = random.Random(options["game_seed"])
        for _ in range(20):
            if not info["won"]:
                *_, info = env.step(rng.choice(info["admissible_commands"]))
        for _ in range(WORST_CASE):
            if not info["won"]:
                *_, info = env.step(env.expert()[0])
        if not info["won"]:
            raise RuntimeError(f"{task_type} {options}: not won from where random commands led")
    return {"games": count * len(TASK_TYPES), "won": count * len(TASK_TYPES)}


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--resets", type=int, default=1000, help="of the memory's measurement")
    parser.add_argument("--players", type=int, metavar="GAMES", help="games of each task type")
    parser.add_argument("--split", default="valid_unseen", help="of the players' games")
    parser.add_argument("--check", type=int, metavar="GAMES", help="games of each task type")
    parser.add_argument("--growth", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.growth:
        growth(tuple(options.growth))
        return
    if options.players:
        found: dict[str, Any] = players(options.players, options.split)
    elif options.check:
        found = dict(check(options.check))
    else:
        found = dict(speed())
        print(json.dumps(found, indent=2), flush=True)
        found |= memory(options.resets)
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    # This file has the name of the package that it measures, and would be found in its place.
    sys.path.remove(str(Path(__file__).resolve().parent))
    main()
