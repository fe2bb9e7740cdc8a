"""The command line: `python -m baselines.train --env gym_cards/NumberLine-v0`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from baselines.config import CONFIGS, Algorithm, BaselineConfig, read_config, tuned
from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.options import description_of
from vlm_agent.config.values import expand_home
from vlm_agent.core.system.signals import sigterm_interrupts

_PROGRAM = "python -m baselines.train"
_INSTALL = 'pip install "gym-cards[baselines]"'


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        config, resume = parse(words)
        from baselines.training import train

        with sigterm_interrupts():
            score = train(config, resume=resume)
    except ModuleNotFoundError as error:
        print(f"baselines: {error.name} is not installed; run: {_INSTALL}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "\nbaselines: interrupted; continue with --resume and the run's directory",
            file=sys.stderr,
        )
        return 130
    except (ValueError, OSError) as error:
        print(f"baselines: {error}", file=sys.stderr)
        # Options, or a directory that they name, are wrong; other errors are the system's.
        return 2 if isinstance(error, (ValueError, FileNotFoundError, FileExistsError)) else 1
    low, high = score.success_interval
    print(
        f"success {score.success_rate:.1%} [{low:.1%}, {high:.1%}], return "
        f"{score.mean_return:.2f} in {score.episodes} episodes; saved in {config.directory}"
    )
    return 0


def parse(words: Sequence[str]) -> tuple[BaselineConfig, bool]:
    """Parses the command line; defaults depend on the environment.

    Returns:
        The configuration, and whether it is that of a run to resume.

    Raises:
        OSError: If there is no run to resume.
        ValueError: If there is no such algorithm, an option is wrong, or the options of the run to
            resume cannot be read.
    """
    # The algorithm first, because it determines what other options there are.
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--algorithm", default="ppo")
    algorithm: Algorithm = finder.parse_known_args(list(words))[0].algorithm
    if algorithm not in CONFIGS:
        raise ValueError(f"algorithm={algorithm!r}: expected one of {', '.join(CONFIGS)}")
    kind = CONFIGS[algorithm]
    parser = OptionParser(
        kind,
        "python -m baselines.train",
        f"{description_of(kind)}\n\nDefaults are those of unknown environments; the games' own are "
        "in baselines/config.py.",
    )
    parser.add(
        "Run",
        "--algorithm",
        metavar=f"{{{','.join(CONFIGS)}}}",
        help=f"Algorithm, which determines the other options; these are those of {algorithm}.",
    )
    parser.add(
        "Run",
        "--resume",
        metavar="DIR",
        help="Continue the run in DIR from its last checkpoint, with the run's own options; only "
        "--total-steps and --device may be given with it.",
    )
    given, own = parser.parse(words)
    if "resume" not in own:
        return parser.build({**tuned(given.get("env", ""), algorithm), **given}), False
    others = sorted({*given, *own} - {"resume", "total_steps", "device"})
    if others:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise ValueError(
            f"{names} with --resume: a run continues with its own options; leave that out"
        )
    directory = expand_home(own["resume"])
    return read_config(Path(directory), **{**given, "out": directory}), True


if __name__ == "__main__":
    sys.exit(main())
