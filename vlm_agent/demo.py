"""The whole method on NumberLine: demonstrations, fine-tuning, reward, before and after."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch

from vlm_agent.evaluate import Evaluation, Step, evaluate
from vlm_agent.plots import save_episode, save_success_curve
from vlm_agent.policy import VLMPolicy
from vlm_agent.ppo import train_ppo
from vlm_agent.ppo_config import PPOConfig
from vlm_agent.sft import SFTConfig, train_sft

ENV = "gym_cards/NumberLine-v0"


@dataclass
class DemoConfig:
    """Trains the tiny model on NumberLine from nothing, and measures it before and after RL.

    Args:
        out: Directory for everything.
        seed: Of weights, episodes, replies and minibatches.
        episodes: Episodes of each evaluation.
        sft_samples: Demonstrations of a demonstrator that moves at random.
        ppo_steps: Environment steps of reinforcement learning.
        threads: CPU threads of torch; so small a model gains nothing from more than one.
        overwrite: Replace what --out holds.
    """

    out: str = "runs/demo"
    seed: int = 0
    episodes: int = 200
    sft_samples: int = 4096
    ppo_steps: int = 10_240
    threads: int = 1
    overwrite: bool = False


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
    train_sft(
        SFTConfig(
            env=ENV,
            out=str(out / "sft"),
            seed=config.seed,
            # Every demonstrated move is random, with a reason that fits it: the model learns to
            # read, to reason in form and to answer, and leaves all deciding to the reward.
            random_share=1.0,
            samples=config.sft_samples,
            max_new_tokens=48,
            overwrite=config.overwrite,
        )
    )
    before = _evaluate(config, out / "sft", "before RL")
    train_ppo(
        PPOConfig(
            env=ENV,
            model=str(out / "sft"),
            out=str(out / "ppo"),
            seed=config.seed,
            total_steps=config.ppo_steps,
            num_envs=32,
            rollout_steps=16,
            epochs=2,
            # Warm enough that a policy that decides at chance tries both moves, and cool enough
            # that it reads on without slips, which would only blur what the reward says.
            temperature=0.5,
            max_new_tokens=48,
            illegal_penalty=1.0,
            learning_rate=1e-4,
            final_learning_rate=1e-6,
            value_learning_rate=1e-3,
            # In so small a model the value's gradient unlearns the reading.
            stop_value_gradient=True,
            # Towards the end nearly every episode succeeds, and what is left is mostly noise.
            normalise_advantages=False,
            target_kl=0.1,
            minibatch_size=64,
            micro_batch_size=64,
            overwrite=config.overwrite,
        )
    )
    after = _evaluate(config, out / "ppo", "after RL")
    save_success_curve(out / "ppo", before, after, out / "success.png")
    result = {"before": before.record(), "after": after.record()}
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return DemoResult(before, after)


def _evaluate(config: DemoConfig, directory: Path, name: str) -> Evaluation:
    """Evaluates a saved policy, as a user would, and draws its first three episodes."""
    policy = VLMPolicy.load(directory)
    policy.settings = replace(policy.settings, temperature=0.2)
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
