"""GiGPO (Feng et al. 2025, arXiv 2505.10978): GRPO, and steps compared in the same state."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vlm_agent.rollout.advantages import Floats, anchor, discounted_returns, relative_to_group
from vlm_agent.rollout.buffer import Rollout
from vlm_agent.training.algorithms.base import CRITIC_OPTIONS
from vlm_agent.training.algorithms.grpo import GRPOAlgorithm

if TYPE_CHECKING:
    from vlm_agent.training.ppo_config import PPOConfig


class GiGPOAlgorithm(GRPOAlgorithm):
    """Adds, with weight ω, how each step compares with others of its group in the same state.

    The numbers are those of the published scripts; on the card games these also leave advantages
    unscaled (`--no-normalise-advantages`).
    """

    name = "gigpo"
    preset: ClassVar = {
        "objective": "token",
        "thought_coef": 1.0,
        "step_advantage_coef": 1.0,
        "gamma": 0.95,
        "kl_coef": 0.01,
        "learning_rate": 1e-6,
        "illegal_penalty": 0.1,
    }
    unused = CRITIC_OPTIONS

    def advantages(self, rollout: Rollout, config: PPOConfig) -> Floats:
        """Returns the relative return of the episode plus ω times that of the step (equation 8)."""
        returns = rollout.training_rewards
        groups: list[int | None] = [None] * len(rollout)
        for segment in rollout.segments:
            returns[segment.steps] = discounted_returns(returns[segment.steps], config.gamma)
            for step in segment.steps:
                groups[step] = segment.group
        states = list(zip(groups, map(anchor, rollout.observations), strict=True))
        of_steps = relative_to_group(returns, states, scale=config.normalise_advantages)
        return super().advantages(rollout, config) + config.step_advantage_coef * of_steps
