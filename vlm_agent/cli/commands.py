"""The commands of `vlm-agent`: their options, and what they print."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tyro
from numpy.typing import NDArray

from vlm_agent.cli.eval_command import run_eval
from vlm_agent.cli.players import player_of
from vlm_agent.config.eval import EvalConfig
from vlm_agent.config.files import packaged_configs, read_options, required_options
from vlm_agent.config.model import quiet_transformers
from vlm_agent.config.options import JsonObject
from vlm_agent.core.environments import make_env
from vlm_agent.core.expert import lesson
from vlm_agent.core.prompts import build_prompt, build_reply
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation
from vlm_agent.evaluation.players import resolve_policy
from vlm_agent.evaluation.tables import text_table

Config = TypeVar("Config")

# ----- sft, ppo, merge, demo ----------------------------------------------------------------------


def sft(words: Sequence[str]) -> None:
    """Fine-tunes a model."""
    from vlm_agent.config.sft import SFTConfig
    from vlm_agent.training.sft import resume_sft, train_sft

    _train("sft", words, SFTConfig, train_sft, resume_sft)


def ppo(words: Sequence[str]) -> None:
    """Trains a policy by reward."""
    from vlm_agent.config.ppo import PPOConfig
    from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo

    _train("ppo", words, PPOConfig, train_ppo, resume_ppo)


def merge(words: Sequence[str]) -> None:
    """Merges an adapter into its model."""
    from vlm_agent.cli.merge import MergeConfig
    from vlm_agent.cli.merge import merge as merge_policy

    config = _parse(MergeConfig, "merge", words)
    quiet_transformers()
    merge_policy(config)
    print(f"saved in {config.out}")


def demo(words: Sequence[str]) -> None:
    """Runs the demo."""
    from vlm_agent.cli.demo import DemoConfig, run_demo

    config = _parse(DemoConfig, "demo", words)
    quiet_transformers()
    result = run_demo(config)
    print(text_table([result.before, result.after]))
    print(f"curve, episodes, policies and result.json are in {config.out}")


# ----- eval ---------------------------------------------------------------------------------------


def eval_(words: Sequence[str]) -> None:
    """Measures policies."""
    config = _parse(EvalConfig, "eval", words)
    run_eval(config)


# ----- serve --------------------------------------------------------------------------------------


def serve(words: Sequence[str]) -> None:
    """Serves a policy until it is interrupted."""
    import threading

    from vlm_agent.models.loading import check_name
    from vlm_agent.models.policy import VLMPolicy
    from vlm_agent.serving.server import ServeConfig, serving

    config = _parse(ServeConfig, "serve", words)
    check_name(config.policy)
    quiet_transformers()
    policy = VLMPolicy.load(config.policy, options=config)
    name = str(config.name)
    with serving(policy, name, port=config.port, batch_size=config.batch_size) as url:
        print(f"{name} is served at {url} until Ctrl-C; in another terminal, for one:")
        print(f"  vlm-agent eval --policy api:{name} --api-base-url {url} --env ID", flush=True)
        threading.Event().wait()


# ----- report, export -----------------------------------------------------------------------------


def report(words: Sequence[str]) -> None:
    """Writes a page."""
    from vlm_agent.reporting import ReportConfig, write_report

    path = write_report(_parse(ReportConfig, "report", words))
    print(f"saved {path}, {path.stat().st_size / 2**20:.1f} MiB")


def export(words: Sequence[str]) -> None:
    """Writes fine-tuning data."""
    from vlm_agent.data.export import ExportConfig, export_episodes

    config = _parse(ExportConfig, "export", words)
    print(f"saved {export_episodes(config)} samples in {config.out}")


# ----- play ---------------------------------------------------------------------------------------


def play(words: Sequence[str]) -> None:
    """Opens a window."""
    from vlm_agent.reporting.viewer import PlayConfig, watch

    config = _parse(PlayConfig, "play", words)
    player = player_of(config.run, config)
    make_env(str(config.env), **config.env_kwargs).close()
    watch(config, resolve_policy(player))


# ----- show ---------------------------------------------------------------------------------------


@dataclass
class ShowConfig:
    """Prints what a model is given in an environment, and what an expert would reply.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        model: Directory or hub name of a model: then prompt and picture are those of its processor.
        picture: File for the picture, a PNG.
        seed: Of the episode.
        env_kwargs: Keyword arguments of the environment, as JSON.
        cot: Ask for the state and reasons before the action.
    """

    env: str
    model: str | None = None
    picture: str = "show.png"
    seed: int = 0
    env_kwargs: JsonObject = field(default_factory=dict)
    cot: bool = True


def show(words: Sequence[str]) -> None:
    """Shows what a model is given."""
    config = _parse(ShowConfig, "show", words)
    env = make_env(config.env, **config.env_kwargs)
    try:
        seed = episode_seeds("evaluation", config.seed, 1)[0]
        observation = observe(task_of(env), *env.reset(seed=seed))
        cot = config.cot
        prompt, picture = build_prompt(observation, cot=cot), observation.image
        if config.model is not None:
            prompt, picture, cot = _as_model_gets_it(config, observation)
        _save_png(picture, config.picture)
        print(f"--- prompt ---\n{prompt}")
        print(f"--- picture ---\n{config.picture}, {picture.shape[1]} x {picture.shape[0]} pixels")
        print("--- state (a policy never sees it) ---")
        for name, value in observation.state.items():
            print(f"{name}: {value}" + ("   (told by the prompt)" * (name in observation.given)))
        if env.has_wrapper_attr("expert"):
            action, reason = lesson(env, observation)
            print("--- an expert's reply ---")
            print(build_reply(observation, action, reason, cot=cot))
    finally:
        env.close()


def _as_model_gets_it(
    config: ShowConfig, observation: Observation
) -> tuple[str, NDArray[np.uint8], bool]:
    """Prompt in the model's chat template, picture after its processor, and whether it reasons."""
    from vlm_agent.models.policy import VLMPolicy

    quiet_transformers()
    policy = VLMPolicy.load(str(config.model), cot=None if config.cot else False)
    return policy.prompt(observation), policy.picture(observation), policy.cot


def _save_png(picture: NDArray[np.uint8], path: str) -> None:
    from PIL import Image

    Image.fromarray(picture).save(path, format="PNG")


# ----- common -------------------------------------------------------------------------------------


def _train(
    command: str,
    words: Sequence[str],
    config: type[Config],
    train: Callable[[Config], Any],
    resume: Callable[..., Any],
) -> None:
    """Starts a training, or goes on with one, and says where it is saved or how it goes on."""
    from vlm_agent.core.run_directory import run_of
    from vlm_agent.training.checkpoints import holds_checkpoint

    place, trusted = _place_to_resume(command, words)
    options: Any = _parse_with_files(config, command, words) if place is None else None
    directory = Path(options.out) if place is None else run_of(place)
    quiet_transformers()
    try:
        if place is None:
            train(options)
        else:
            resume(place, trust_remote_code=trusted)
    except (KeyboardInterrupt, OSError):
        if holds_checkpoint(directory):
            print(f"\ngo on with: vlm-agent {command} --resume {directory}", file=sys.stderr)
        raise
    print(f"saved in {directory}")


def _place_to_resume(command: str, words: Sequence[str]) -> tuple[str | None, bool]:
    """What `--resume` names, and whether `--trust-remote-code` stands beside it.

    Raises:
        ValueError: If there are others.
    """
    finder = argparse.ArgumentParser(
        prog=f"vlm-agent {command}", add_help=False, allow_abbrev=False
    )
    finder.add_argument("--resume", metavar="DIR")
    finder.add_argument("--trust-remote-code", action="store_true")
    found, rest = finder.parse_known_args(list(words))
    if found.resume is None or {"-h", "--help"} & set(rest):
        return None, False
    if rest:
        raise ValueError(
            f"{' '.join(rest)} beside --resume: a run goes on with the options that it began with, "
            "which its run.json holds. Leave that out; to train with other options, start another "
            f"run with --model {found.resume}"
        )
    return str(found.resume), bool(found.trust_remote_code)


def _parse(config: type[Config], command: str, words: Sequence[str]) -> Config:
    return tyro.cli(config, prog=f"vlm-agent {command}", args=list(words))


def _parse_with_files(config: type[Config], command: str, words: Sequence[str]) -> Config:
    """The same, with defaults from the files that `--config` names; later ones go first."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", action="append", default=[])
    sources, rest = finder.parse_known_args(list(words))
    about = (
        f"{inspect.cleandoc(config.__doc__ or '').split('Args:')[0].strip()}\n\n"
        "With --config NAME, options that are not given are read from a YAML file, from the "
        f"directory of a run, or from one of: {', '.join(packaged_configs())}. Where --config is "
        "given several times, what comes later counts.\n\n"
        "With --resume DIR alone, the run in DIR goes on from its newest checkpoint, with the "
        "options that it began with; DIR may also be the folder of a checkpoint."
    )
    prog = f"vlm-agent {command}"
    if not sources.config:
        return tyro.cli(config, prog=prog, args=rest, description=about)
    options: dict[str, Any] = dict.fromkeys(required_options(config), tyro.MISSING)
    for source in sources.config:
        options.update(read_options(config, source, command))
    return tyro.cli(config, prog=prog, args=rest, description=about, default=config(**options))
