"""Distribution that a policy's tokens are sampled from and scored by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

# Tokens whose probabilities are summed up together to draw one of them.
_BLOCK = 128


def token_log_probs(
    logits: Tensor,
    *,
    temperature: float,
    top_k: int = 0,
    top_p: float = 1.0,
    written: Tensor | None = None,
) -> Tensor:
    """Returns log-probabilities at a temperature, after top-k and top-p filtering.

    The filter depends on the logits given. A reply is scored again after the weights have moved,
    when one of its tokens may have dropped out of the filter; a log-probability of -inf would have
    no gradient. The `written` tokens are therefore always kept: they are scored under the
    distribution over the most likely tokens and the written one. Before the weights move, the
    written token is among the most likely, and the two distributions are identical.

    Args:
        logits: Shape (…, vocabulary); -inf for tokens that must not be written.
        temperature: Sampling temperature, above 0.
        top_k: Number of most likely tokens to keep; 0 keeps all.
        top_p: Of those, the smallest set of most likely tokens with this total probability is kept.
        written: Token ids that are kept whatever their probability, shape (…).

    Returns:
        Float32 of the logits' shape; -inf for tokens that were filtered out.

    Raises:
        ValueError: If the temperature is not above 0.
    """
    if temperature <= 0:
        raise ValueError(
            f"a greedy policy, temperature {temperature:g}, has no log-probabilities to train by: "
            "set a temperature above 0"
        )
    logits = logits.float() / temperature
    kept = _most_likely(logits.detach(), top_k, top_p)
    if kept is not None:
        if written is not None:
            kept.scatter_(-1, written[..., None], True)
        logits = logits.masked_fill(~kept, -torch.inf)
    return torch.log_softmax(logits, dim=-1)


def draw(log_probs: Tensor, uniform: Tensor) -> Tensor:
    """Draws a token from each distribution by inverting its cumulative distribution.

    Args:
        log_probs: Shape (batch, vocabulary).
        uniform: Numbers in [0, 1), shape (batch,), drawn by a generator on the CPU so that they do
            not depend on the model's device.

    Returns:
        Token ids, shape (batch,).
    """
    # Sums of doubles over the whole vocabulary take as long as the model, so first a block is drawn
    # by its sum, and then a token of it.
    batch, size = log_probs.shape
    padded = log_probs.new_empty(batch, size + -size % _BLOCK)
    torch.exp(log_probs, out=padded[:, :size])
    padded[:, size:] = 0
    blocks = padded.unflatten(1, (-1, _BLOCK))
    sums = blocks.sum(dim=2, dtype=torch.float64).cumsum(dim=1)
    # Below the total by more than the rounding of doubles, so that an index is never too large.
    chosen = uniform.to(sums)[:, None] * sums[:, -1:]
    # The first one whose sum exceeds the number: never one of probability 0.
    block = torch.searchsorted(sums, chosen, right=True)
    rows = torch.arange(batch, device=block.device)
    within = blocks[rows, block[:, 0]].double().cumsum(dim=1)
    before = nn.functional.pad(sums, (1, 0)).gather(1, block)
    token = torch.searchsorted(within, chosen - before, right=True)
    # Rounding may have put the number behind the block's last token of any probability.
    last = torch.searchsorted(within, within[:, -1:].contiguous())
    return (block * _BLOCK + torch.minimum(token, last))[:, 0]


def check_draws(draws: Any, count: int) -> None:
    """Checks the random generators of a batch.

    Args:
        draws: One generator for each reply, or `None`.
        count: Number of replies.

    Raises:
        ValueError: If they are something else.
    """
    if draws is None:
        return
    expected = f"expected a sequence of {count} numpy.random.Generator, one per observation"
    if not isinstance(draws, Sequence):
        raise ValueError(f"draws is of type {type(draws).__name__}: {expected}")
    if wrong := [each for each in draws if not isinstance(each, np.random.Generator)]:
        raise ValueError(f"draws contains {type(wrong[0]).__name__}: {expected}")
    if len(draws) != count:
        raise ValueError(f"draws has length {len(draws)}: {expected}")


def uniform(
    batch: int, longest: int, source: torch.Generator | Sequence[np.random.Generator]
) -> Tensor:
    """Returns random numbers in [0, 1) for replies of any length.

    All are drawn at once: what a generator draws next must not depend on the length of a reply.

    Args:
        batch: Number of replies.
        longest: Maximum length of a reply.
        source: One generator on the CPU for all replies, or one for each.

    Returns:
        Float64 of shape (batch, longest), on the CPU.
    """
    if isinstance(source, torch.Generator):
        return torch.rand(batch, longest, generator=source, dtype=torch.float64)
    return torch.tensor(np.stack([each.random(longest) for each in source]))


def entropies(log_probs: Tensor) -> Tensor:
    """Returns the entropy, in nats, of each distribution; shape (…) from (…, vocabulary)."""
    # For tokens that cannot be written, 0 · -inf and its gradient would be NaN.
    finite = log_probs.masked_fill(log_probs == -torch.inf, 0.0)
    return -(log_probs.exp() * finite).sum(dim=-1)


def _most_likely(logits: Tensor, top_k: int, top_p: float) -> Tensor | None:
    """Returns a mask of the tokens to keep, always including the first; `None` if all are kept."""
    size = logits.shape[-1]
    limit = min(top_k, size) if top_k else size
    if limit == size and top_p >= 1:
        return None
    ranked, order = logits.topk(limit, dim=-1)
    probabilities = ranked.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities
    stays = before < top_p
    stays[..., 0] = True  # rounding may leave a little probability before the first
    return torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, order, stays)
