"""PPO with the thought's log-probability scaled by λ (Zhai et al. 2024, arXiv 2405.10292)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vlm_agent.rollout.advantages import Floats, generalised_advantages
from vlm_agent.rollout.buffer import Rollout
from vlm_agent.training.algorithms.base import GROUP_OPTIONS, Algorithm

if TYPE_CHECKING:
    from vlm_agent.training.ppo_config import PPOConfig


class PPOAlgorithm(Algorithm):
    """One ratio per step, of λ·log p(thought) + log p(action), and a critic.

    Its numbers are the defaults of `PPOConfig`.
    """

    name = "ppo"
    unused = GROUP_OPTIONS
    has_critic = True

    def advantages(self, rollout: Rollout, config: PPOConfig) -> Floats:
        """Returns generalised advantage estimates, segment by segment."""
        advantages = np.zeros(len(rollout))
        rewards = rollout.training_rewards
        for segment in rollout.segments:
            advantages[segment.steps] = generalised_advantages(
                rewards[segment.steps],
                rollout.values[segment.steps],
                segment.bootstrap_value,
                config.gamma,
                config.gae_lambda,
            )
        return advantages
