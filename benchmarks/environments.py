"""Measures the speed of the card environments relative to copying their frames.

    python benchmarks/environments.py
    python benchmarks/environments.py --plain    # without the compiled canvas
    python benchmarks/environments.py --json environments.json

Machines differ, so compare ratios within one run: steps/s of each environment with random actions,
including resets, divided by the rate at which the same process copies its frame (for the vector
environments: its batch of frames). Everything is measured in CPU time and in wall time. The repeats
of all measurements are interleaved; the output shows medians of the rates, and medians of the
ratios within each repeat. The naive way decodes and resizes image files and draws a new frame at
every step. The vector environment without drawing plays, builds infos and copies frames; it bounds
what faster drawing could bring. Memory is measured in fresh processes.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import gym_cards  # noqa: F401

GAMES = (
    *("NumberLine", "EZPoints", "Points24", "Blackjack"),
    *("Memory", "SET", "VideoPoker", "FreeCell"),
)
NUM_ENVS = 64
COMPILED_CANVAS = "gym_cards.render._canvas"
GROWTH = (1, 4, 16, 64, 256, 1024)
FONT = Path(__file__).resolve().parents[1] / "assets" / "fonts" / "DejaVuSans.ttf"


class Rate(NamedTuple):
    """Units of work per second.

    Attributes:
        computing: Per second of this process's CPU time. The process has one thread and never
            waits, so this is the rate on an idle machine, except that other processes still
            compete for caches and memory bandwidth.
        wall: Per second of wall time.
    """

    computing: float
    wall: float


def rate(work: Callable[[int], int], count: int) -> Rate:
    """Rate of work that does at least `count` units and returns their number."""
    wall, computing = time.perf_counter(), time.process_time()
    done = work(count)
    computing, wall = time.process_time() - computing, time.perf_counter() - wall
    return Rate(done / computing, done / wall)


def copying(name: str, frames: int) -> Callable[[int], int]:
    """Returns a function that copies a frame of the game, or a batch of frames.

    The frames are drawn ones: an array of zeros that was never written to has no memory of its own,
    so copying it would read none.
    """
    batch, _ = gym.make_vec(f"gym_cards/{name}-v0", num_envs=frames).reset(seed=0)
    shown = batch[0] if frames == 1 else batch

    def work(count: int) -> int:
        for _ in range(-(-count // frames)):
            shown.copy()
        return -(-count // frames) * frames

    return work


def single(name: str) -> Callable[[int], int]:
    """Random steps of a single environment, with resets in between."""
    env = gym.make(f"gym_cards/{name}-v0", disable_env_checker=True)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(env.action_space.n, size=200_000).tolist()  # type: ignore[attr-defined]

    def work(count: int) -> int:
        env.reset()
        for action in actions[:count]:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return count

    return work


def vector(make: Callable[[], Any], num_envs: int) -> Callable[[int], int]:
    """Random steps of a vector environment; resetting a sub-environment counts as its step."""
    envs = make()
    envs.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = rng.integers(envs.single_action_space.n, size=(1024, num_envs))

    def work(count: int) -> int:
        steps = -(-count // num_envs)
        for step in range(steps):
            envs.step(actions[step % len(actions)])
        return steps * num_envs

    return work


def batched(name: str, num_envs: int = NUM_ENVS, **kwargs: Any) -> Callable[[int], int]:
    """Random steps of the vector environment of the game."""
    return vector(
        lambda: gym.make_vec(f"gym_cards/{name}-v0", num_envs=num_envs, **kwargs), num_envs
    )


def undrawn(name: str) -> Callable[[int], int]:
    """Random steps of the vector environment with drawing disabled."""

    def make() -> Any:
        envs: Any = gym.make_vec(f"gym_cards/{name}-v0", num_envs=NUM_ENVS)
        for game in envs.envs:
            for move in ("deal", "append", "hit", "show", "turn", "count", "mark", "draw"):
                setattr(game.picture, move, lambda *state: None)
        return envs

    return vector(make, NUM_ENVS)


def synchronous(name: str) -> Callable[[int], int]:
    """Random steps of Gymnasium's `SyncVectorEnv`."""
    return vector(
        lambda: gym.make_vec(f"gym_cards/{name}-v0", num_envs=NUM_ENVS, vectorization_mode="sync"),
        NUM_ENVS,
    )


def naive(name: str) -> Callable[[int], int]:
    """The environment's rules, with every frame drawn from image files and fonts."""
    env: Any = gym.make(f"gym_cards/{name}-v0", disable_env_checker=True).unwrapped
    # One PNG file per card, in memory.
    sheet = Image.open(str(resources.files("gym_cards.render") / "art" / "faces-270.png"))
    files = []
    for left in range(0, sheet.width, 270):
        file = io.BytesIO()
        sheet.crop((left, 0, left + 270, 378)).save(file, "PNG")
        files.append(file.getvalue())

    def draw(info: dict[str, Any]) -> np.ndarray[Any, Any]:
        picture = Image.new("RGB", (300, 300), (53, 101, 77))
        pen = ImageDraw.Draw(picture)
        font = ImageFont.truetype(str(FONT), 20)
        shown = {"NumberLine": 0, "Blackjack": 3, "Memory": 12, "SET": 12, "FreeCell": 24}
        count = shown[name] if name in shown else len(info["state"]["cards"].split())
        for place in range(count):
            face = Image.open(io.BytesIO(files[place % len(files)])).convert("RGBA")
            face = face.resize((60, 84), Image.Resampling.LANCZOS)
            picture.paste(face, (5 + 70 * (place % 6), 100 + 20 * (place // 6)), face)
        for row, text in enumerate(info["state"].values()):
            pen.text((10, 10 + 30 * row), text, fill=(255, 255, 255), font=font)
        return np.array(picture)

    def work(count: int) -> int:
        rng = np.random.default_rng(0)
        env.begin(seed=0)
        for _ in range(count):
            _, terminated, truncated = env.advance(int(rng.integers(env.action_space.n)))
            draw(env.info())
            if terminated or truncated:
                env.begin()
                draw(env.info())
        return count

    return work


def peak_memory(code: str) -> float:
    """Peak resident memory of a fresh process that runs the code, in MB."""
    script = f"import resource\n{code}\nprint(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return int(result.stdout.split()[-1]) * unit / 1e6


def peak_memories() -> dict[str, float]:
    """Peak memory by number of games, in MB.

    Measure this first: a child process also reports the memory that its parent had when forking.
    """
    base = "import gymnasium, numpy, PIL.Image"
    memories = {base: peak_memory(base)}
    for num_envs in (1, NUM_ENVS, 1024):
        code = (
            "import gymnasium, gym_cards\n"
            f"e = gymnasium.make_vec('gym_cards/Points24-v0', num_envs={num_envs}, copy=False)\n"
            "e.reset(seed=0)\n"
            f"for _ in range(20): e.step([0] * {num_envs})"
        )
        memories[f"{num_envs} games of Points24, copy=False"] = peak_memory(code)
    return memories


Rates = dict[str, list[Rate]]
"""The rates of one game by measurement, one per repeat."""


def measure(names: tuple[str, ...], repeats: int, budget: float) -> dict[str, Rates]:
    """Measures all rates of each game, interleaved."""
    table: dict[str, Rates] = {}
    for name in names:
        works = {
            "frame_copies": copying(name, 1),
            "single": single(name),
            "naive": naive(name),
            "batch_copies": copying(name, NUM_ENVS),
            "vector": batched(name),
            "vector_nocopy": batched(name, copy=False),
            "undrawn": undrawn(name),
            "sync": synchronous(name),
        }
        counts = {}
        for key, work in works.items():
            # The first pass decodes art and fills caches; the naive way has none.
            least = 16 if key == "naive" else 4 * NUM_ENVS
            work(least)
            counts[key] = max(least, int(budget * rate(work, least).computing))
        seen: Rates = {key: [] for key in works}
        for repeat in range(repeats):
            for key, work in works.items():
                seen[key].append(rate(work, counts[key]))
            print(f"\r{name}: repeat {repeat + 1} of {repeats}", end="", file=sys.stderr)
        print(file=sys.stderr)
        table[name] = seen
    return table


def median_rate(rates: list[Rate]) -> float:
    """Median rate per second of CPU time."""
    return statistics.median(one.computing for one in rates)


def median_ratio(ones: list[Rate], others: list[Rate]) -> Rate:
    """Median of the ratio of two rates within each repeat, in CPU and wall time."""
    pairs = list(zip(ones, others, strict=True))
    return Rate(
        statistics.median(one.computing / other.computing for one, other in pairs),
        statistics.median(one.wall / other.wall for one, other in pairs),
    )


def growth(name: str, budget: float) -> list[tuple[int, float, Rate]]:
    """Number of environments, steps/s and ratio to batch copies/s, for a growing number."""
    rows = []
    for num_envs in GROWTH:
        work, copies = batched(name, num_envs), copying(name, num_envs)
        work(num_envs)
        count = max(num_envs, int(budget * rate(work, 2 * num_envs).computing))
        pairs = [(rate(work, count), rate(copies, count)) for _ in range(3)]
        steps, copied = ([*column] for column in zip(*pairs, strict=True))
        rows.append((num_envs, median_rate(steps), median_ratio(steps, copied)))
    return rows


RATIOS = {
    "single_ratio": ("single", "frame_copies"),
    "vector_ratio": ("vector", "batch_copies"),
    "vector_nocopy_ratio": ("vector_nocopy", "batch_copies"),
    "undrawn_ratio": ("undrawn", "batch_copies"),
    "naive_speedup": ("single", "naive"),
    "sync_speedup": ("vector", "sync"),
}


def ratios_of(rates: Rates) -> dict[str, Rate]:
    """Ratios of one game."""
    return {key: median_ratio(rates[one], rates[other]) for key, (one, other) in RATIOS.items()}


def main() -> None:
    """Command-line entry point."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the ratios to this JSON file")
    parser.add_argument("--repeats", type=int, default=7, help="interleaved repeats (default 7)")
    parser.add_argument(
        "--seconds", type=float, default=0.2, help="duration of one measurement (default 0.2)"
    )
    parser.add_argument("--games", nargs="+", choices=GAMES, default=GAMES)
    parser.add_argument(
        "--plain", action="store_true", help="draw with the plain canvas, not the compiled one"
    )
    arguments = parser.parse_args()
    if arguments.plain:
        # Nothing has imported the canvas yet: registering the environments does not.
        sys.modules[COMPILED_CANVAS] = None  # type: ignore[assignment]
    memory = peak_memories()
    table = measure(tuple(arguments.games), arguments.repeats, arguments.seconds)

    print(
        "| | 1: steps/s | of frame copies | times naive drawing | 64: steps/s | of batch copies "
        "| without drawing | 64, copy=False: steps/s | of batch copies | times SyncVectorEnv |"
    )
    print("| --- " * 10 + "|")
    written: dict[str, dict[str, float]] = {}
    for name, rates in table.items():
        ratios = ratios_of(rates)
        written[f"gym_cards/{name}-v0"] = {
            **{key: ratio.computing for key, ratio in ratios.items()},
            **{f"{key}_wall": ratio.wall for key, ratio in ratios.items()},
        }
        single, vector, nocopy, undrawn = (
            f"{ratio.computing:.0%} ({ratio.wall:.0%})"
            for ratio in (ratios[key] for key in list(RATIOS)[:4])
        )
        print(
            f"| {name} | {median_rate(rates['single']):,.0f} | {single} "
            f"| {ratios['naive_speedup'].computing:.0f} | {median_rate(rates['vector']):,.0f} "
            f"| {vector} | {undrawn} | {median_rate(rates['vector_nocopy']):,.0f} | {nocopy} "
            f"| {ratios['sync_speedup'].computing:.1f} |"
        )
    used = "compiled" if sys.modules.get(COMPILED_CANVAS) else "plain"
    print(f"\nIn CPU time; in brackets in wall time. Canvas: {used}.")
    print("\nPeak memory of a process, in MB:")
    for what, megabytes in memory.items():
        print(f"- {what}: {megabytes:.0f}")
    print("\nPoints24 by number of environments:")
    for num_envs, steps, ratio in growth("Points24", arguments.seconds):
        shares = f"{ratio.computing:.0%} ({ratio.wall:.0%})"
        print(f"- {num_envs}: {steps:,.0f} steps/s, {shares} of batch copies")
    if arguments.json:
        arguments.json.write_text(json.dumps(written, indent=2) + "\n")


if __name__ == "__main__":
    main()
