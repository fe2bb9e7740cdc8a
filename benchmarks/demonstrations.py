"""Demonstrations per second, and the share of fine-tuning's time that waits for them.

    python benchmarks/demonstrations.py
    python benchmarks/demonstrations.py --games Points24 --samples 4000 --repeats 5

Demonstrations are made on one thread: the first thousand of a process, in which hands are solved
for the first time, and then as medians of interleaved repeats with their range. Fine-tuning is that
of the embedded model on one thread of torch, half of it lessons in reasoning, with and without a
thread that prepares batches.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import torch

from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.data.demonstrations import Demonstrator
from vlm_agent.data.prefetch import Wanted
from vlm_agent.training.sft.trainer import train_sft

GAMES = ("NumberLine", "EZPoints", "Points24", "Blackjack")


def demonstrate(demonstrator: Demonstrator, count: int, wanted: Wanted) -> float:
    """Returns the demonstrations made per second, over at least so many."""
    started, made = time.perf_counter(), 0
    for batch in demonstrator.batches(itertools.repeat(wanted)):
        made += len(batch)
        if made >= count:
            break
    return made / (time.perf_counter() - started)


def waiting(game: str, samples: int, prefetch_batches: int) -> tuple[float, float]:
    """Returns the share of fine-tuning's time that waits for data, and samples/s without it."""
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder, "sft"))
        half = samples // 2
        train_sft(
            SFTConfig(
                env=f"gym_cards/{game}-v0",
                out=out,
                samples=half,
                reasoning_samples=half,
                prefetch_batches=prefetch_batches,
                checkpoint_every=0,
            )
        )
        rows = read_metrics(out)
    worked = sum(1 / row["time/samples_per_second"] for row in rows)
    waited = sum(
        row["time/data_share"] / (1 - row["time/data_share"]) / row["time/samples_per_second"]
        for row in rows
    )
    return waited / (waited + worked), len(rows) / worked


def summary(values: list[float], digits: int = 0) -> str:
    """Returns a median with its range."""
    median, low, high = statistics.median(values), min(values), max(values)
    return f"{median:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--games", nargs="+", default=list(GAMES))
    parser.add_argument("--count", type=int, default=2000, help="demonstrations of a repeat")
    parser.add_argument("--samples", type=int, default=1600, help="of a fine-tuning; 0 for none")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'demonstrations/s':18} {'first 1,000':>12} {'text only':>26} {'with pictures':>26}")
    for game in options.games:
        demonstrator = Demonstrator(f"gym_cards/{game}-v0")
        first = demonstrate(demonstrator, 1000, "texts")
        rates: dict[Wanted, list[float]] = {"texts": [], "pictures": []}
        for _ in range(options.repeats):
            for wanted, found in rates.items():
                found.append(demonstrate(demonstrator, options.count, wanted))
        text, drawn = (summary(found) for found in rates.values())
        print(f"{game:18} {first:12,.0f} {text:>26} {drawn:>26}")
    if not options.samples:
        return
    print(
        f"{'fine-tuning':18} {'prefetch_batches':>16} {'% of time waiting':>26} {'samples/s':>26}"
    )
    for game in options.games:
        results: dict[int, list[tuple[float, float]]] = {0: [], 2: []}
        for _ in range(options.repeats):
            for prefetch_batches, each in results.items():
                each.append(waiting(game, options.samples, prefetch_batches))
        for prefetch_batches, each in results.items():
            shares, speeds = zip(*each, strict=True)
            share = summary([100 * value for value in shares], 1)
            print(f"{game:18} {prefetch_batches:16} {share:>26} {summary(list(speeds)):>26}")


if __name__ == "__main__":
    main()
