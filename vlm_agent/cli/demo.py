"""The whole method on NumberLine: demonstrations, fine-tuning, reward, before and after."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from vlm_agent.config.commands import DemoConfig
from vlm_agent.config.files import load_config
from vlm_agent.config.sft import SFTConfig
from vlm_agent.evaluation.evaluate import evaluate
from vlm_agent.evaluation.play import Step
from vlm_agent.evaluation.plots import save_episode, save_success_curve
from vlm_agent.evaluation.record import Evaluation
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import train_ppo
from vlm_agent.training.sft.trainer import train_sft

ENV = "gym_cards/NumberLine-v0"
CONFIG = "numberline-tiny"


class DemoResult(NamedTuple):
    """Evaluations with the same seeds, before and after RL."""

    before: Evaluation
    after: Evaluation


def run_demo(config: DemoConfig) -> DemoResult:
    """Fine-tunes, evaluates, trains by reward, evaluates again, and draws what happened.

    Raises:
        FileExistsError: If the directory holds a demo already.
    """
    torch.set_num_threads(config.threads)
    out = Path(config.out)
    if out.exists() and any(out.iterdir()) and not config.overwrite:
        raise FileExistsError(
            f"{out} already holds something: choose another --out, or replace a demo that it holds "
            "with --overwrite"
        )
    common = {"seed": config.seed, "overwrite": config.overwrite}
    sft = load_config(
        SFTConfig, CONFIG, "sft", out=str(out / "sft"), samples=config.sft_samples, **common
    )
    train_sft(sft)
    before = _evaluate(config, out / "sft", "before RL")
    ppo = load_config(
        PPOConfig,
        CONFIG,
        "ppo",
        model=sft.out,
        out=str(out / "ppo"),
        total_steps=config.ppo_steps,
        **common,
    )
    train_ppo(ppo)
    after = _evaluate(config, out / "ppo", "after RL")
    save_success_curve(out / "ppo", before, after, out / "success.png")
    result = {"before": before.record(), "after": after.record()}
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return DemoResult(before, after)


def _evaluate(config: DemoConfig, directory: Path, name: str) -> Evaluation:
    """Evaluates a saved policy, as a user would, and draws its first three episodes."""
    policy = VLMPolicy.load(directory)
    policy.generation_config = replace(policy.generation_config, temperature=0.2)
    episodes: dict[int, list[Step]] = {0: [], 1: [], 2: []}
    evaluation = evaluate(
        policy,
        ENV,
        episodes=config.episodes,
        seed=config.seed,
        num_envs=32,
        name=name,
        on_step=_keep(episodes),
    )
    folder = Path(config.out) / "episodes"
    folder.mkdir(exist_ok=True)
    for number, steps in episodes.items():
        if steps:
            path = folder / f"{name.replace(' ', '_')}_{number + 1}.png"
            save_episode(steps, f"{ENV} {name}, episode {number + 1}", path)
    return evaluation


def _keep(episodes: dict[int, list[Step]]) -> Callable[[Step], None]:
    def keep(step: Step) -> None:
        if step.episode in episodes:
            episodes[step.episode].append(step)

    return keep
