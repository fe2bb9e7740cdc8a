"""The commands `sft` and `ppo`: training runs with recipes and checkpoints."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from vlm_agent.config.command_line import OptionParser
from vlm_agent.config.files import left_out, packaged_configs, read_options
from vlm_agent.config.model import quiet_transformers
from vlm_agent.config.options import description_of
from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.values import expand_home
from vlm_agent.core.run_directory import LENGTH, run_of
from vlm_agent.training.ppo_config import PPOConfig

Config = TypeVar("Config", bound=SFTConfig | PPOConfig)

_ABOUT = """{about}

Options are taken from the command line, then from the recipes that --config names, then from the \
defaults.

Recipes in the package: {recipes}."""


class Resumption(NamedTuple):
    """An interrupted run to continue.

    Attributes:
        place: Directory of the run or of one of its checkpoints.
        changes: What may be given again or changed: `trust_remote_code`, and the run's length.
    """

    place: str
    changes: dict[str, Any]


def sft(words: Sequence[str]) -> None:
    """Fine-tunes a model on demonstrations."""
    asked = parse_training(SFTConfig, "sft", words, SFTConfig.check_source)
    quiet_transformers()
    from vlm_agent.training.sft.trainer import resume_sft, train_sft

    _run("sft", asked, train_sft, resume_sft)


def ppo(words: Sequence[str]) -> None:
    """Trains a policy by reinforcement learning."""
    asked = parse_training(PPOConfig, "ppo", words)
    quiet_transformers()
    from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo

    _run("ppo", asked, train_ppo, resume_ppo)


def parse_training(
    kind: type[Config],
    command: str,
    words: Sequence[str],
    check: Callable[[Config], None] | None = None,
) -> Config | Resumption:
    """Parses the options of a training command: a configuration, or a run to continue.

    Args:
        kind: Class of the configuration.
        command: "sft" or "ppo".
        words: The words of the command line.
        check: Raises a `ValueError` if a configuration lacks what only Python can give otherwise.

    Raises:
        FileNotFoundError: If there is no recipe of a name.
        ValueError: If a recipe is wrong, or other options are given with `--resume`.
    """
    about = _ABOUT.format(about=description_of(kind), recipes=", ".join(packaged_configs()))
    parser = OptionParser(kind, f"vlm-agent {command}", about)
    parser.add(
        "Run",
        "--config",
        action="append",
        metavar="NAME",
        help="Recipe to read options from: a YAML file, the directory of a run, or the name of a "
        "packaged recipe. Can be repeated; later recipes take precedence.",
    )
    parser.add(
        "Run",
        "--resume",
        metavar="DIR",
        help="Continue the run in DIR from its latest checkpoint, or from the checkpoint that DIR "
        f"is, with the run's own options; only {_flag(LENGTH[command])}, to extend it, and "
        "--trust-remote-code may be given with it.",
    )
    given, own = parser.parse(words)
    if "resume" in own:
        changes = {
            name: given.pop(name)
            for name in ("trust_remote_code", LENGTH[command])
            if name in given
        }
        others = [_flag(name) for name in [*given, *sorted(own)] if name != "resume"]
        if others:
            raise ValueError(
                f"{', '.join(others)} with --resume: a run continues with its own options, which "
                "its run.json holds; leave that out, or start a new run with other options and "
                f"--model {own['resume']}"
            )
        return Resumption(expand_home(own["resume"]), changes)
    options: dict[str, Any] = {}
    for source in own.get("config", ()):
        options.update(read_options(kind, source, command))
    for name in left_out(kind, options, given):
        print(f"vlm-agent: {name} of the recipe is not used, and left out", file=sys.stderr)
    config = parser.build({**options, **given})
    if check is not None:
        try:
            check(config)
        except ValueError as error:
            parser.error(str(error))
    return config


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _run(
    command: str,
    asked: Config | Resumption,
    train: Callable[[Config], Any],
    resume: Callable[..., Any],
) -> None:
    """Starts or continues a run, and says where it is saved or how it can be continued."""
    from vlm_agent.training.saving.checkpoints import holds_checkpoint

    directory = run_of(asked.place) if isinstance(asked, Resumption) else Path(asked.out)
    try:
        if isinstance(asked, Resumption):
            resume(asked.place, **asked.changes)
        else:
            train(asked)
    except (KeyboardInterrupt, OSError):
        if holds_checkpoint(directory):
            print(f"\ncontinue with: vlm-agent {command} --resume {directory}", file=sys.stderr)
        raise
    print(f"saved in {directory}")
