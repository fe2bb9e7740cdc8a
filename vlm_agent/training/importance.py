"""Importance weights for replies that another program than the trainer's own has written.

An inference engine computes the same model with other kernels, and with --async-updates 1 the
weights of one update before. Replies are samples of its distribution μ, while the loss is about the
trainer's π. Truncated importance weights min(π / μ, C) correct for the difference (Espeholt et al.
2018; Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training").
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from vlm_agent.training.ppo_config import Objective, PPOConfig

_USUAL_CAP = 2.0


def importance_cap(config: PPOConfig, compute_dtype: torch.dtype) -> float:
    """Returns C, by default 2 where an engine computes otherwise, or with other weights.

    0 is for no importance weights.
    """
    if config.importance_cap is not None:
        return config.importance_cap
    narrow = torch.finfo(compute_dtype).bits < 32
    differs = config.async_updates or (narrow and config.engine != "hf")
    return _USUAL_CAP if differs else 0.0


def importance_level(config: PPOConfig) -> Objective:
    """Returns whether each token or each step has a weight, by default as it has a ratio."""
    return config.importance_level or config.objective


class ImportanceWeights(NamedTuple):
    """Weights of the surrogate objective.

    Attributes:
        weights: Shape (steps, 1) at the level of steps, else (steps, tokens), 0 for padding.
        ratios: The same before truncation.
        counts: True where a ratio is one of a step or a token, and not padding.
    """

    weights: Tensor
    ratios: Tensor
    counts: Tensor

    def sums(self, cap: float) -> dict[str, float]:
        """Returns sums from which `importance_metrics` computes what is logged."""
        ratios, weights = self.ratios[self.counts], self.weights[self.counts]
        return {
            "count": float(ratios.numel()),
            "weight": weights.sum().item(),
            "square": weights.square().sum().item(),
            "truncated": (ratios > cap).sum().item(),
        }


def importance_weights(
    trained: Tensor, sampled: Tensor, mask: Tensor, level: Objective, cap: float
) -> ImportanceWeights:
    """Returns min(π / μ, C) of each token, or of each step's whole reply.

    The weight of a step is that of all its tokens, without λ: λ changes what is learned from a
    reply, not how probable it was.

    Args:
        trained: Log-probabilities log π of the tokens under the trainer's model, (steps, tokens).
        sampled: Log-probabilities log μ that they were sampled with, same shape.
        mask: True for tokens, False for padding; same shape.
        level: Whether each token or each step has a weight.
        cap: C, above 0; at least 1, so that equal probabilities have a weight of 1.
    """
    gap = torch.where(mask, trained - sampled, 0.0)
    counts = mask
    if level == "step":
        gap = gap.sum(dim=1, keepdim=True)
        counts = torch.ones_like(gap, dtype=torch.bool)
    ratios = gap.exp()
    return ImportanceWeights(ratios.clamp(max=cap) * counts, ratios * counts, counts)


def importance_metrics(sums: dict[str, float], largest: float) -> dict[str, float]:
    """Returns what is logged of the weights of all processes.

    The effective sample size is (Σ w)² / Σ w² as a share of the number of weights (Kong 1992): 1
    where all are equal.

    Args:
        sums: Sum of `ImportanceWeights.sums` over the processes.
        largest: Largest weight.
    """
    count = sums["count"]
    return {
        "train/importance_mean": sums["weight"] / count,
        "train/importance_max": largest,
        "train/importance_truncated": sums["truncated"] / count,
        "train/importance_sample_size": sums["weight"] ** 2 / (count * (sums["square"] or 1.0)),
    }
