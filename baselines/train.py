"""The command line: `python -m baselines.train --env gym_cards/NumberLine-v0`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baselines.config import CONFIGS, Algorithm, BaselineConfig, from_record, tuned
from baselines.runs import CONFIG_FILE
from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.options import Options, description_of
from vlm_agent.config.values import PositiveInt

_PROGRAM = "python -m baselines.train"
_INSTALL = 'pip install "gym-cards[baselines]"'


@dataclass(kw_only=True)
class ResumeConfig(Options):
    """Resumes a run from its last checkpoint.

    Args:
        resume: Directory of the run.
        total_steps: Total number of training steps; by default as configured.
    """

    resume: str
    total_steps: PositiveInt | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        from baselines.training import train
    except ModuleNotFoundError as error:
        print(f"baselines: {error.name} is not installed; run: {_INSTALL}", file=sys.stderr)
        return 1
    try:
        if any(word.split("=")[0] == "--resume" for word in words):
            parser = OptionParser(ResumeConfig, _PROGRAM)
            options = parser.build(parser.parse(words)[0])
            file = Path(options.resume) / CONFIG_FILE
            config = from_record(json.loads(file.read_text(encoding="utf-8")))
            config = replace(config, out=options.resume)
            if options.total_steps is not None:
                config = replace(config, total_steps=options.total_steps)
            score = train(config, resume=True)
        else:
            config = parse(words)
            score = train(config)
    except KeyboardInterrupt:
        print(
            "\nbaselines: interrupted; continue with --resume and the run's directory",
            file=sys.stderr,
        )
        return 130
    except (ValueError, OSError) as error:
        print(f"baselines: {error}", file=sys.stderr)
        return 1
    low, high = score.success_interval
    print(
        f"success {score.success_rate:.1%} [{low:.1%}, {high:.1%}], return "
        f"{score.mean_return:.2f} in {score.episodes} episodes; saved in {config.directory}"
    )
    return 0


def parse(words: Sequence[str]) -> BaselineConfig:
    """Parses the command line; defaults depend on the environment.

    Raises:
        ValueError: If there is no such algorithm, or an option is out of range.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--algorithm", default="ppo")
    finder.add_argument("--env", default="")
    found, _ = finder.parse_known_args(list(words))
    algorithm: Algorithm = found.algorithm
    defaults = tuned(found.env, algorithm)
    kind = CONFIGS[algorithm]
    about = (
        f"{description_of(kind)}\n\nEach algorithm has its own options; defaults depend on the "
        "environment. --resume DIR continues a run; only --total-steps may be given with it."
    )
    if defaults:
        shown = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in defaults.items())
        about += f"\n\nDefaults for {found.env}: {shown}"
    parser = OptionParser(kind, _PROGRAM, about)
    parser.add("Run", "--algorithm", metavar="NAME", help=f"{', '.join(CONFIGS)} (default: ppo)")
    given, _ = parser.parse(words)
    return parser.build({**defaults, **given})


if __name__ == "__main__":
    sys.exit(main())
