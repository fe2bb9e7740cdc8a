"""Options of the command demo."""

from __future__ import annotations

from dataclasses import dataclass

from vlm_agent.config.options import Options
from vlm_agent.config.values import NonNegativeInt, PathText, PositiveInt


@dataclass
class DemoConfig(Options):
    """Trains the tiny model on NumberLine from scratch, and evaluates it before and after RL.

    Args: Demo
        out: Directory of everything that the demo writes.
        seed: Random seed of weights, episodes, replies and minibatches.
        episodes: Episodes per evaluation.
        sft_samples: Number of demonstrations, with random actions.
        ppo_steps: Environment steps of reinforcement learning.
        threads: Number of torch's CPU threads; more than one does not help so small a model.
        overwrite: Replace what --out holds.
    """

    out: PathText = "runs/demo"
    seed: NonNegativeInt = 0
    episodes: PositiveInt = 200
    sft_samples: PositiveInt = 4096
    ppo_steps: PositiveInt = 10_240
    threads: PositiveInt = 1
    overwrite: bool = False
