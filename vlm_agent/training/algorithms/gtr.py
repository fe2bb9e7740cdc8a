"""GTR (Wei et al. 2025, arXiv 2503.08525): PPO on the action, imitation of corrected thoughts."""

from __future__ import annotations

from typing import ClassVar

from vlm_agent.training.algorithms.ppo import PPOAlgorithm


class GTRAlgorithm(PPOAlgorithm):
    """PPO whose thoughts learn from the environment's expert instead of from the reward.

    Both numbers are the paper's. Its published script leaves λ at 0.5 and keeps every correction.
    """

    name = "gtr"
    preset: ClassVar = {"thought_coef": 0.0, "imitation_coef": 1.0}
