"""Command that writes generated games as a data set that any code for alfworld can read.

python -m gym_cards.alfworld.generate --out DIR --games 100
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from gymnasium.error import DependencyNotInstalled

from gym_cards.alfworld.engine.planner import Engine
from gym_cards.alfworld.games.alfred import SPLITS
from gym_cards.alfworld.games.dataset import LAYOUT, write_game
from gym_cards.alfworld.games.game import TASK_TYPES, game_file
from gym_cards.alfworld.games.generator import generate


def main(words: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        RuntimeError: If a game's walkthrough does not win it; it is then not written.
    """
    parser = argparse.ArgumentParser(
        prog="python -m gym_cards.alfworld.generate",
        description="Write games, generated from alfworld's floor plans, in the layout of its data "
        "set. Each is played through before it is written.",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder of the data set, to which ALFWORLD_DATA can be set",
    )
    parser.add_argument(
        "--games",
        type=int,
        default=10,
        help="number of games of each split and task type (default 10)",
    )
    parser.add_argument(
        "--first-seed",
        type=int,
        default=0,
        help="seed of the first game; the others count up from it",
    )
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--task-types", nargs="+", choices=TASK_TYPES, default=TASK_TYPES)
    options = parser.parse_args(words)
    if options.games < 1 or options.first_seed < 0:
        parser.error("expected --games of at least 1 and --first-seed of at least 0")
    try:
        engine = Engine()
    except DependencyNotInstalled as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    try:
        _write(options, engine)
    except OSError as error:
        parser.exit(1, f"{parser.prog}: {error}: expected a folder to write in; choose another\n")
    finally:
        engine.close()


def _write(options: argparse.Namespace, engine: Engine) -> None:
    from tqdm import tqdm

    seeds = range(options.first_seed, options.first_seed + options.games)
    names = list(product(options.splits, options.task_types, seeds))
    for split, task_type, seed in tqdm(names, desc="games"):
        game = generate(split, task_type, seed)
        files = game_file(game)
        moment = engine.start(files)
        for command in files["walkthrough"]:
            moment = engine.step(command)
        if not moment.won:
            raise RuntimeError(f"the walkthrough of {split} {game.name} does not win it")
        write_game(game, options.out / LAYOUT / split)


if __name__ == "__main__":
    main()
