"""PPO and other algorithms, supervised fine-tuning, and runs that can be resumed.

Names that need torch are imported on first use, so that options can be shown and checked without.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vlm_agent.training.algorithms import ALGORITHMS, CRITIC_OPTIONS, GROUP_OPTIONS, Algorithm
from vlm_agent.training.ppo_config import PPOConfig

if TYPE_CHECKING:
    from vlm_agent.training.losses import Losses, mean_over_tokens, ppo_loss, reply_log_probs
    from vlm_agent.training.ppo import PPO
    from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
    from vlm_agent.training.sft.trainer import resume_sft, train_sft

_LAZY = {
    "Losses": "losses",
    "PPO": "ppo",
    "mean_over_tokens": "losses",
    "ppo_loss": "losses",
    "reply_log_probs": "losses",
    "resume_ppo": "ppo_trainer",
    "resume_sft": "sft.trainer",
    "train_ppo": "ppo_trainer",
    "train_sft": "sft.trainer",
}

__all__ = [
    "ALGORITHMS",
    "CRITIC_OPTIONS",
    "GROUP_OPTIONS",
    "PPO",
    "Algorithm",
    "Losses",
    "PPOConfig",
    "mean_over_tokens",
    "ppo_loss",
    "reply_log_probs",
    "resume_ppo",
    "resume_sft",
    "train_ppo",
    "train_sft",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
