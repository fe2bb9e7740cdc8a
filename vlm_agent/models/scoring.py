"""Scores of replies, and the padded batches that they are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Scores(NamedTuple):
    """Replies scored under the prompts of their own steps; a tuple, in which FSDP finds tensors.

    Attributes:
        log_probs: Log-probability of each token, shape (batch, longest reply), 0 on padding.
        mask: True for tokens, False for padding; bool, same shape.
        values: The value head's estimates, shape (batch,).
        entropies: Entropies, in nats, of the distributions that the tokens were sampled from, shape
            (batch, longest reply), 0 on padding; `None` unless asked for.
    """

    log_probs: Tensor
    mask: Tensor
    values: Tensor
    entropies: Tensor | None = None

    def first(self, count: int) -> Scores:
        """Returns the scores of the first replies."""
        return Scores(
            self.log_probs[:count],
            self.mask[:count],
            self.values[:count],
            None if self.entropies is None else self.entropies[:count],
        )


def pad_replies(
    replies: Sequence[Sequence[int]], pad_token: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Returns token ids, padded on the right, and the mask of tokens that are not padding.

    Both have shape (batch, longest reply).
    """
    longest = max(len(tokens) for tokens in replies)
    padded = [[*tokens, *[pad_token] * (longest - len(tokens))] for tokens in replies]
    lengths = torch.tensor([len(tokens) for tokens in replies], device=device)
    mask = torch.arange(longest, device=device) < lengths[:, None]
    return torch.tensor(padded, device=device), mask
