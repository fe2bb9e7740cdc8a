"""VL-DAC (Bredis et al. 2025, arXiv 2508.04280): PPO on every token, one value per step."""

from __future__ import annotations

from typing import ClassVar

from vlm_agent.training.algorithms.ppo import PPOAlgorithm


class VLDACAlgorithm(PPOAlgorithm):
    """One ratio per token of the whole reply; the value head learns first, and separately.

    The numbers are those of the published code, which also trains adapters of rank 16.
    """

    name = "vl-dac"
    preset: ClassVar = {
        "objective": "token",
        "thought_coef": 1.0,
        "stop_value_gradient": True,
        "value_warmup": 2,
        "kl_coef": 0.04,
        "gamma": 0.99,
        "learning_rate": 1e-6,
        "final_learning_rate": 1e-8,
        "max_grad_norm": 0.01,
    }
