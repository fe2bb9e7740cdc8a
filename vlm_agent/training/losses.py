"""The loss of PPO, with λ on the thought, and its terms.

Tensors of tokens have shape (batch, tokens), padded on the right; a bool mask of that shape is True
for tokens. Means are taken over the tokens of each reply first, then over replies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

if TYPE_CHECKING:
    from vlm_agent.models.scoring import Scores
    from vlm_agent.training.batch import Batch
    from vlm_agent.training.ppo_config import Objective, PPOConfig

# e^20 is 5e8: far beyond any clip range, and small enough that gradients stay finite.
_LARGEST_LOG_RATIO = 20.0


class RatioOptions(Protocol):
    """The options that define PPO's ratios; `PPOConfig` has them."""

    objective: Objective
    thought_coef: float


class Losses(NamedTuple):
    """The loss of a micro-batch.

    Attributes:
        total: The loss to minimise.
        parts: Means over the steps to log: the terms of the loss, and others.
        ratio_error: Largest distance of a ratio from 1, if the loss has ratios.
    """

    total: Tensor
    parts: dict[str, Tensor]
    ratio_error: Tensor | None = None


def ppo_loss(
    scores: Scores, batch: Batch, config: PPOConfig, *, value_only: bool = False
) -> Losses:
    """PPO's clipped objective, the value loss and regularizers (Zhai et al. 2024, section 4).

    Args:
        scores: Scores of the replies under the current policy, with gradients.
        batch: The steps.
        config: The coefficients.
        value_only: Whether the value head learns alone.
    """
    new, weights = reply_log_probs(scores.log_probs, scores.mask, batch.action_tokens, config)
    old, _ = reply_log_probs(batch.old_log_probs, batch.mask, batch.action_tokens, config)
    log_ratio = new - old[:, : new.shape[1]]
    ratio = ratio_of(log_ratio)
    surrogate = clipped_objective(ratio, batch.advantages[:, None], config.clip_range)
    if batch.importance is not None:
        surrogate = batch.importance[:, : surrogate.shape[1]] * surrogate
    parts = {"policy_loss": -mean_over_tokens(surrogate, weights).mean()}
    total = parts["policy_loss"]
    if config.has_critic:
        parts["value_loss"] = value_loss(scores.values, batch, config.value_clip_range)
        weighted = config.value_coef * parts["value_loss"]
        total = weighted if value_only else total + weighted
    if not value_only:
        tokens = scores.mask.float()
        regularizers: Tensor | float = 0.0
        if scores.entropies is not None:
            parts["entropy"] = mean_over_tokens(scores.entropies, tokens).mean()
            regularizers = regularizers - config.entropy_coef * parts["entropy"]
        if config.kl_coef and batch.reference_log_probs is not None:
            reference = batch.reference_log_probs[:, : tokens.shape[1]]
            kl = mean_over_tokens(kl_estimate(scores.log_probs, reference), tokens)
            parts["reference_kl"] = kl.mean()
            regularizers = regularizers + config.kl_coef * parts["reference_kl"]
        total = total + regularizers
    with torch.no_grad():
        # Schulman's estimator with low variance: E[(r - 1) - log r].
        parts["approx_kl"] = mean_over_tokens(ratio - 1 - log_ratio, weights).mean()
        outside = ((ratio - 1).abs() > config.clip_range).float()
        parts["clip_fraction"] = mean_over_tokens(outside, weights).mean()
        ratio_error = ((ratio - 1).abs() * (weights > 0)).max()
    return Losses(total, parts, ratio_error)


def reply_log_probs(
    log_probs: Tensor, mask: Tensor, action_tokens: Tensor, config: RatioOptions
) -> tuple[Tensor, Tensor]:
    """Returns the log-probabilities of PPO's ratios, and weights. λ is applied only here.

    - objective "step": one ratio per step, of λ Σ log p(thought) + Σ log p(action) (Zhai et al.
      2024, equation 4.2).
    - objective "token": one ratio per token, each clipped, with the step's advantage; thought
      tokens have weight λ. With λ = 1 the whole reply is the action, as in VL-DAC (Bredis et al.
      2025) and GRPO; with λ = 0 only its action part is.

    Args:
        log_probs: Log-probability of each token, shape (batch, tokens).
        mask: True for tokens, False for padding; same shape.
        action_tokens: Index of each reply's first action token, shape (batch,).
        config: Its `objective` and `thought_coef`, λ.

    Returns:
        Log-probabilities and weights, both of shape (batch, 1) or (batch, tokens).
    """
    # An algorithm that has no use for λ leaves it out: every token counts in full.
    thought_coef = 1.0 if config.thought_coef is None else config.thought_coef
    weights = token_weights(mask, action_tokens, thought_coef)
    if config.objective == "token":
        return log_probs, weights
    # `where` instead of a product, because a pad token may have probability 0: 0 * -inf is NaN.
    steps = torch.where(mask, weights * log_probs, 0.0).sum(dim=1, keepdim=True)
    return steps, torch.ones_like(steps)


def token_weights(mask: Tensor, action_tokens: Tensor, thought_coef: float) -> Tensor:
    """Returns λ for the tokens of the thought, 1 for those of the action, 0 for padding.

    A reply without an action part is all thought. With λ = 0 it would not be learned from, and no
    penalty could teach the policy to name an action; only then, such a reply counts in full.

    Args:
        mask: True for tokens, False for padding.
        action_tokens: Index of each reply's first action token, shape (batch,); the number of its
            tokens where it has no action part.
        thought_coef: λ.
    """
    counts_in_full = ~_in_thought(mask, action_tokens)
    if thought_coef == 0:
        counts_in_full |= (action_tokens >= mask.sum(dim=1))[:, None]
    return torch.where(mask, torch.where(counts_in_full, 1.0, thought_coef), 0.0)


def ratio_of(log_ratio: Tensor) -> Tensor:
    """Returns the ratio of a log-ratio, bounded so that its gradient is finite."""
    return log_ratio.clamp(-_LARGEST_LOG_RATIO, _LARGEST_LOG_RATIO).exp()


def clipped_objective(ratio: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """PPO's surrogate (Schulman et al. 2017, equation 7); to be maximised."""
    clipped = ratio.clamp(1 - clip_range, 1 + clip_range)
    return torch.minimum(ratio * advantages, clipped * advantages)


def value_loss(values: Tensor, batch: Batch, clip_range: float | None) -> Tensor:
    """Mean squared error of values.

    With a clip range c and the rollout's value v, it is that of max((V - R)², (V' - R)²) with
    V' = v + clip(V - v, -c, c), as in Zhai et al.'s code: a value that has moved further than c
    towards its return R has no gradient.

    Args:
        values: Estimates V with gradients, shape (batch,).
        batch: The steps, with returns R and old values v.
        clip_range: c; `None` for no clipping.
    """
    if clip_range is None:
        return mse_loss(values, batch.returns)
    old = batch.old_values
    near = old + (values - old).clamp(-clip_range, clip_range)
    return torch.maximum((values - batch.returns) ** 2, (near - batch.returns) ** 2).mean()


def kl_estimate(log_probs: Tensor, reference: Tensor) -> Tensor:
    """KL divergence of the policy from a reference, estimated at each sampled token.

    r - 1 - log r with r = reference / policy: never negative, and unbiased (Schulman 2020; Shao et
    al. 2024, equation 4).
    """
    log_ratio = reference - log_probs
    return ratio_of(log_ratio) - 1 - log_ratio


def mean_over_tokens(values: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean over each reply's tokens, shape (batch,); 0 where no token counts."""
    total = weights.sum(dim=1)
    return (weights * values).sum(dim=1) / torch.where(total > 0, total, 1.0)


def imitation_loss(log_probs: Tensor, mask: Tensor, action_tokens: Tensor) -> Tensor:
    """Mean negative log-probability of the thought tokens of each corrected reply.

    Thoughts are cloned from the corrector while the action is left to PPO: GTR (Wei et al. 2025,
    arXiv 2503.08525), whose code also weighs replies alike, whatever their length.

    Returns:
        Shape (batch,); 0 for a reply without a thought.
    """
    thought = (mask & _in_thought(mask, action_tokens)).float()
    return mean_over_tokens(-torch.where(mask, log_probs, 0.0), thought)


def _in_thought(mask: Tensor, action_tokens: Tensor) -> Tensor:
    """Returns where a token stands before the action part; of the mask's shape."""
    return torch.arange(mask.shape[1], device=mask.device) < action_tokens[:, None]
