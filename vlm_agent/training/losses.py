"""What is maximised: log-probabilities of replies -> the terms of each published objective.

All tensors are of replies padded on the right: shape (batch, tokens), and a bool mask of that shape
says where a token is. Averages over a reply's tokens come before the average over replies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vlm_agent.config.ppo import Objective

# e^20 is 5e8: far beyond any clip, and small enough that gradients stay finite.
_LARGEST_LOG_RATIO = 20.0


def ratio_of(log_ratio: Tensor) -> Tensor:
    """The ratio of a log-ratio, kept from 0 and infinity, whose gradients would not be numbers."""
    return log_ratio.clamp(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO).exp()


def token_weights(mask: Tensor, action_tokens: Tensor, thought_coef: float) -> Tensor:
    """λ on the tokens of the thought, 1 on those of the action, 0 on padding.

    A reply without an action part is all thought. With λ = 0 that would leave nothing of it to
    learn from, and no penalty could teach a policy to name an action; there, and only there, such
    a reply counts in full: writing it was the action.

    Args:
        mask: Where a token is, not padding.
        action_tokens: Index of each reply's first action token, shape (batch,); the number of
            its tokens where it has no action part.
        thought_coef: λ.
    """
    counts_in_full = ~_in_thought(mask, action_tokens)
    if thought_coef == 0:
        counts_in_full |= (action_tokens >= mask.sum(dim=1))[:, None]
    return torch.where(mask, torch.where(counts_in_full, 1.0, thought_coef), 0.0)


def step_log_prob(
    log_probs: Tensor, mask: Tensor, action_tokens: Tensor, thought_coef: float
) -> Tensor:
    """λ Σ log p(thought tokens) + Σ log p(action tokens) (Zhai et al. 2024, equation 4.2).

    Args:
        log_probs: One a token.
        mask: Where a token is, not padding.
        action_tokens: Index of each reply's first action token, shape (batch,).
        thought_coef: λ.

    Returns:
        Shape (batch,).
    """
    weights = token_weights(mask, action_tokens, thought_coef)
    # Masked by `where`, since padding may be of a token that is never written: 0 * -inf.
    return torch.where(mask, weights * log_probs, 0.0).sum(dim=1)


def policy_terms(
    objective: Objective,
    log_probs: Tensor,
    mask: Tensor,
    action_tokens: Tensor,
    thought_coef: float,
) -> tuple[Tensor, Tensor]:
    """The log-probabilities that PPO's ratios are taken of, and how much each ratio counts.

    - "step": one ratio a step, of `step_log_prob` (Zhai et al. 2024).
    - "token": one ratio a token, each clipped by itself, with the step's advantage; thought tokens
      count λ. With λ = 1 all tokens of the reply are the action that is taken, as in VL-DAC
      (Bredis et al. 2025, arXiv 2508.04280) and GRPO; with λ = 0 those of the action part alone.

    Returns:
        Log-probabilities and weights, both of shape (batch, 1) or (batch, tokens).
    """
    if objective == "step":
        terms = step_log_prob(log_probs, mask, action_tokens, thought_coef)[:, None]
        return terms, torch.ones_like(terms)
    return log_probs, token_weights(mask, action_tokens, thought_coef)


def clipped_objective(ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """PPO's surrogate (Schulman et al. 2017, equation 7); to be maximised."""
    return torch.minimum(
        ratio * advantages, ratio.clamp(1 - clip_range, 1 + clip_range) * advantages
    )


def kl_estimate(log_probs: Tensor, reference: Tensor) -> Tensor:
    """KL divergence of the policy from a reference, estimated at each sampled token.

    r - 1 - log r with r = reference / policy: never negative, and right on average (Schulman 2020;
    Shao et al. 2024, equation 4).
    """
    log_ratio = reference - log_probs
    return ratio_of(log_ratio) - 1 - log_ratio


def mean_over_tokens(values: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean of each reply's tokens, shape (batch,); 0 where none of them counts."""
    total = weights.sum(dim=1)
    return (weights * values).sum(dim=1) / torch.where(total > 0, total, 1.0)


def imitation_loss(log_probs: Tensor, mask: Tensor, action_tokens: Tensor) -> Tensor:
    """Negative log-probability of the thought tokens of corrected replies, a mean of each reply's.

    Thoughts are cloned from the corrector while the action is left to PPO: GTR (Wei et al. 2025,
    arXiv 2503.08525), whose code weighs replies alike too, whatever their length.

    Returns:
        Shape (batch,); 0 for a reply without a thought.
    """
    thought = (mask & _in_thought(mask, action_tokens)).float()
    return mean_over_tokens(-torch.where(mask, log_probs, 0.0), thought)


def _in_thought(mask: Tensor, action_tokens: Tensor) -> Tensor:
    """Where a token stands before the action part; of the mask's shape."""
    return torch.arange(mask.shape[1], device=mask.device) < action_tokens[:, None]
