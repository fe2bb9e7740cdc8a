"""GRPO (Shao et al. 2024, arXiv 2402.03300) on whole episodes: no critic."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from vlm_agent.rollout.advantages import Floats, relative_to_group
from vlm_agent.rollout.buffer import Rollout
from vlm_agent.training.algorithms.base import CRITIC_OPTIONS, Algorithm

if TYPE_CHECKING:
    from vlm_agent.training.ppo_config import PPOConfig


class GRPOAlgorithm(Algorithm):
    """Compares the return of each episode with those of its group.

    Learning rate and KL weight are published, for mathematics and groups of 64 answers; the group
    size stays at the default of 8 episodes.
    """

    name = "grpo"
    preset: ClassVar = {
        "objective": "token",
        "thought_coef": 1.0,
        "kl_coef": 0.04,
        "learning_rate": 1e-6,
    }
    unused = CRITIC_OPTIONS | {"gamma", "step_advantage_coef"}
    plays_groups = True

    def advantages(self, rollout: Rollout, config: PPOConfig) -> Floats:
        """Returns the relative return of each step's episode (section 4.1.2)."""
        rewards = rollout.training_rewards
        relative = relative_to_group(
            # Summed one by one, as returns are logged.
            [sum(rewards[segment.steps].tolist()) for segment in rollout.segments],
            [segment.group for segment in rollout.segments],
            scale=config.normalise_advantages,
        )
        advantages = np.zeros(len(rollout))
        for segment, advantage in zip(rollout.segments, relative, strict=True):
            advantages[segment.steps] = advantage
        return advantages
