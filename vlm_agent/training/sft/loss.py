"""The loss of supervised fine-tuning: the demonstrated replies' negative log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

from vlm_agent.core.types import Demonstration
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.batch import StepLength, bounded_parts
from vlm_agent.training.sft.reading_probe import ReadingProbe, picture_embeddings


def accumulate(
    policy: VLMPolicy,
    batch: Sequence[Demonstration],
    micro_batch_size: int,
    probe: ReadingProbe | None = None,
    probe_weight: float = 0.0,
    micro_batch_tokens: int | None = None,
) -> tuple[dict[str, float], int]:
    """Adds the gradient of a batch's losses.

    The loss is the mean negative log-probability of the tokens of the demonstrated replies, at
    temperature 1; the size of the micro-batches does not change it.

    Args:
        policy: The policy to train.
        batch: The demonstrations to learn from.
        micro_batch_size: Number of demonstrations per forward pass.
        probe: Probe that reads the pictures, if there are any.
        probe_weight: Weight of the probe's loss.
        micro_batch_tokens: Number of tokens per forward pass, including padding; by default
            unlimited.

    Returns:
        The losses by name, unweighted, and the number of tokens that were learned from.
    """
    replies = [LearnedReply.of(policy, item) for item in batch]
    tokens = sum(len(reply.tokens) - reply.given for reply in replies)
    probed = probe if batch[0].observation.images else None
    losses = {"loss": 0.0} if probed is None else {"loss": 0.0, "probe_loss": 0.0}
    for part in _parts(policy, batch, replies, micro_batch_size, micro_batch_tokens):
        items = [batch[index] for index in part]
        collecting: AbstractContextManager[list[list[Tensor]]] = (
            nullcontext([]) if probed is None else picture_embeddings(policy)
        )
        with collecting as seen:
            loss = reply_loss(policy, items, [replies[index] for index in part]) / tokens
        losses["loss"] += loss.item()
        if probed is not None:
            observations = [item.observation for item in items]
            read = probed.loss(policy, seen[0], observations) * len(observations) / len(batch)
            losses["probe_loss"] += read.item()
            loss = loss + probe_weight * read
        loss.backward()
    return losses, tokens


class LearnedReply(NamedTuple):
    """The tokens of a demonstrated reply.

    Attributes:
        tokens: Token ids, up to the end of the part to be learned.
        given: Number of tokens before the part to be learned.
    """

    tokens: list[int]
    given: int

    @classmethod
    def of(cls, policy: VLMPolicy, item: Demonstration) -> LearnedReply:
        """Returns the reply of a demonstration, as the policy would have to write it."""
        tokens = policy.encode_reply(item.reply)
        if item.learned is None:
            return cls(tokens, given=0)
        start, end = item.learned
        if end < len(item.reply):
            tokens = tokens[: policy.action_token(tokens, end - 1) + 1]
        return cls(tokens, policy.action_token(tokens, start))


def _parts(
    policy: VLMPolicy,
    batch: Sequence[Demonstration],
    replies: Sequence[LearnedReply],
    largest: int,
    most_tokens: int | None,
) -> list[list[int]]:
    """Returns the indices of demonstrations for each forward pass."""
    prompts = policy.prompt_lengths([item.observation for item in batch])
    lengths = list(map(StepLength, prompts, (len(reply.tokens) for reply in replies)))
    rows = range(len(batch))
    parts = [list(rows[start : start + largest]) for start in rows[::largest]]
    return bounded_parts(parts, lengths, largest, most_tokens)


def reply_loss(
    policy: VLMPolicy, batch: Sequence[Demonstration], replies: Sequence[LearnedReply]
) -> Tensor:
    """Returns the summed negative log-probability of the tokens to be learned."""
    scores = policy.score(
        [item.observation for item in batch], [reply.tokens for reply in replies], temperature=1.0
    )
    given = torch.tensor([reply.given for reply in replies])
    places = torch.arange(scores.log_probs.shape[1])
    learned = (places >= given[:, None]).to(scores.log_probs.device)
    return -(scores.log_probs * learned).sum()
