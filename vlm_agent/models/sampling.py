"""Logits to the distribution that a policy's tokens are sampled from, and scored by."""

from __future__ import annotations

import torch
from torch import Tensor


def token_log_probs(
    logits: Tensor,
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    written: Tensor | None = None,
) -> Tensor:
    """Log-probabilities at a temperature, cut to the likeliest tokens and renormalised.

    What is cut is decided by the logits given. A reply is scored again after the weights have
    moved, when a token of it may no longer be among the likeliest, and a log-probability of -inf
    would have no gradient. So the tokens that were written always stay: the distribution that
    scores them is the one over the likeliest tokens and the written one. Before the weights move,
    the written token is among the likeliest, and the two distributions are the same.

    Args:
        logits: Shape (…, vocabulary); -inf where a token must not be written.
        temperature: Above 0.
        top_k: How many of the likeliest tokens stay; 0 keeps all.
        top_p: Of those, the fewest likeliest that together hold this probability stay.
        written: Ids that stay whatever their probability, shape (…).

    Returns:
        Float32 of the logits' shape; -inf for what was cut.
    """
    logits = logits.float() / temperature
    kept = _likeliest(logits.detach(), top_k, top_p)
    if kept is not None:
        if written is not None:
            kept.scatter_(-1, written[..., None], True)
        logits = logits.masked_fill(~kept, -torch.inf)
    return torch.log_softmax(logits, dim=-1)


def draw(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Draws a token from each distribution, by inverting its cumulative one.

    Args:
        log_probs: Shape (batch, vocabulary).
        uniform: Numbers from 0 to below 1, shape (batch,), each drawn by a generator on the CPU
            wherever the model is.

    Returns:
        Ids, shape (batch,).
    """
    cumulative = log_probs.double().exp().cumsum(dim=-1)
    # Below 1 by more than the rounding of doubles, so that an index is never beyond the last.
    chosen = uniform.to(cumulative)[:, None] * cumulative[:, -1:]
    # The first token whose sum exceeds the number: never one of probability 0.
    return torch.searchsorted(cumulative, chosen, right=True)[:, 0]


def entropies(log_probs: Tensor) -> Tensor:
    """The entropy, in nats, of each distribution; shape (…) from (…, vocabulary)."""
    # Where a token cannot be written, 0 · -inf and its gradient would not be numbers.
    finite = log_probs.masked_fill(log_probs == -torch.inf, 0.0)
    return -(log_probs.exp() * finite).sum(dim=-1)


def _likeliest(logits: Tensor, top_k: int, top_p: float) -> Tensor | None:
    """Which tokens stay, or `None` where all do. The likeliest one always does."""
    size = logits.shape[-1]
    limit = min(top_k, size) if top_k else size
    if limit == size and top_p >= 1:
        return None
    ranked, order = logits.topk(limit, dim=-1)
    probabilities = ranked.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    # What stands before the first token is rounding, so it stays by name.
    stays = before < top_p
    stays[..., 0] = True
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, order, stays)
