"""Scores of replies, and the padded batches that they are computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vlm_agent.core.inspection.faults import shown
from vlm_agent.core.types import Reply
from vlm_agent.models import sampling
from vlm_agent.models.forward import last_positions, logits_function

# Logits that exist at the same time, beyond which replies are scored in chunks of tokens: with what
# is computed from them, up to 350 MB.
_CHUNK_LOGITS = 2**24
# A chunk of fewer tokens than this share of the hidden size would spend more time on reading the
# weights of the output embeddings, and on adding up their gradients, than on products.
_MIN_SHARE_OF_WEIGHTS = 8
# Returns log-probabilities of shape (…, vocabulary), given logits of that shape and, as `written`,
# the tokens of shape (…) to be scored.
TokenDistribution = Callable[..., Tensor]


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

    Raises:
        ValueError: If a reply is not given by its tokens.
    """
    for each in replies:
        if isinstance(each, Reply | str):
            raise ValueError(
                f"replies holds {shown(each)}: expected token ids, as Reply.tokens or "
                "encode_reply(text)"
            )
    longest = max(len(tokens) for tokens in replies)
    padded = [[*tokens, *[pad_token] * (longest - len(tokens))] for tokens in replies]
    lengths = torch.tensor([len(tokens) for tokens in replies], device=device)
    mask = torch.arange(longest, device=device) < lengths[:, None]
    return torch.tensor(padded, device=device), mask


class ReplyScores(NamedTuple):
    """Scores of the tokens of replies, those of padding being meaningless, and states of prompts.

    Attributes:
        log_probs: Log-probability of each token, shape (batch, longest reply).
        entropies: Entropies of their distributions, same shape; `None` unless asked for.
        prompt_state: Hidden state of each prompt's last token, shape (batch, hidden size).
    """

    log_probs: Tensor
    entropies: Tensor | None
    prompt_state: Tensor


def score_replies(
    network: Any,
    inputs: Mapping[str, Any],
    reply_ids: Tensor,
    mask: Tensor,
    distribution: TokenDistribution,
    *,
    entropy: bool = False,
) -> ReplyScores:
    """Scores replies in one pass.

    Logits take far more memory than anything else that a reply's token needs. Where they are many,
    only chunks of tokens have theirs at the same time, and the backward pass computes them again.
    Models of which `logits_function` knows no part behind the decoder are scored all at once.

    Args:
        network: The model, without PEFT's wrapper.
        inputs: Its inputs for prompts followed by replies, padded on both sides.
        reply_ids: Token ids, shape (batch, longest reply).
        mask: True for tokens, False for padding; bool, same shape.
        distribution: Maps logits to the log-probabilities that tokens are sampled from.
        entropy: Whether to compute entropies.
    """
    batch, longest = reply_ids.shape
    vocabulary, hidden_size = network.get_output_embeddings().weight.shape
    limit = max(_CHUNK_LOGITS, vocabulary * hidden_size // _MIN_SHARE_OF_WEIGHTS)
    is_large = batch * (longest + 1) * vocabulary > limit
    logits_of = logits_function(network) if is_large else None
    logits, hidden = last_positions(
        network, inputs, longest + 1, only_last_logits=logits_of is not None
    )
    if logits_of is None:
        return ReplyScores(
            *_score_tokens(logits[:, :-1], reply_ids, distribution, entropy), hidden[:, 0]
        )

    def score_chunk(states: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor | None]:
        return _score_tokens(logits_of(states), tokens, distribution, entropy)

    parts = -(-int(mask.sum()) // max(1, limit // vocabulary))
    chunks = [
        checkpoint(score_chunk, *each, use_reentrant=False, preserve_rng_state=False)
        for each in zip(
            hidden[:, :-1][mask].tensor_split(parts),
            reply_ids[mask].tensor_split(parts),
            strict=True,
        )
    ]
    log_probs, entropies = zip(*chunks, strict=True)

    def in_place(found: tuple[Tensor, ...]) -> Tensor:
        return torch.zeros(mask.shape, device=mask.device).masked_scatter(mask, torch.cat(found))

    return ReplyScores(in_place(log_probs), in_place(entropies) if entropy else None, hidden[:, 0])


def _score_tokens(
    logits: Tensor, tokens: Tensor, distribution: TokenDistribution, entropy: bool
) -> tuple[Tensor, Tensor | None]:
    every = distribution(logits, written=tokens)
    log_probs = every.gather(-1, tokens[..., None])[..., 0]
    return log_probs, sampling.entropies(every) if entropy else None
