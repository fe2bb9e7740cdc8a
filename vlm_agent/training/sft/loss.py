"""The loss of supervised fine-tuning: the demonstrated replies' negative log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from vlm_agent.core.types import Demonstration
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.batch import StepLength
from vlm_agent.training.sft.micro_batches import micro_batches
from vlm_agent.training.sft.reading_probe import ReadingProbe, picture_embeddings


def accumulate(
    policy: VLMPolicy,
    batch: Sequence[Demonstration],
    micro_batch_size: int,
    probe: ReadingProbe | None = None,
    probe_weight: float = 0.0,
    micro_batch_tokens: int | None = None,
    *,
    module: nn.Module | None = None,
    processes: Processes | None = None,
    places: Sequence[str | None] = (),
) -> tuple[dict[str, float], int]:
    """Adds the gradient of a batch's losses.

    The loss is the mean negative log-probability of the tokens of the demonstrated replies, at
    temperature 1; neither the size of the micro-batches nor the number of processes changes it.

    Args:
        policy: The policy to train.
        batch: The demonstrations to learn from, of this process.
        micro_batch_size: Number of demonstrations per forward pass.
        probe: Probe that reads the pictures, if there are any.
        probe_weight: Weight of the probe's loss.
        micro_batch_tokens: Number of tokens per forward pass, including padding; by default
            unlimited.
        module: What `Processes.prepare` returned for the policy; by default the policy.
        processes: Those that train together, each with a batch; by default this one.
        places: The part of a loss's name that each demonstration is counted under in addition.

    Returns:
        The losses by name, unweighted, and the number of tokens that were learned from, of all
        processes.
    """
    processes = processes or Processes()
    module = policy if module is None else module
    encoded = {id(item): LearnedReply.of(policy, item) for item in batch}
    own = sum(len(each.tokens) - each.given for each in (encoded[id(item)] for item in batch))
    total = processes.sum({"tokens": own, "size": len(batch)})
    probed = probe if batch[0].observation.images else None
    losses = {"loss": 0.0} if probed is None else {"loss": 0.0, "probe_loss": 0.0}
    by_place = _LossByPlace(batch, places)
    lengths = _lengths(policy, [(item, encoded[id(item)]) for item in batch])
    parts = micro_batches(batch, micro_batch_size, module, processes, lengths, micro_batch_tokens)
    for part, counts in parts:
        # A pass that does not count may have a demonstration of its own.
        replies = [encoded.get(id(item)) or LearnedReply.of(policy, item) for item in part]
        collecting: AbstractContextManager[list[list[Tensor]]] = (
            nullcontext([]) if probed is None else picture_embeddings(policy)
        )
        with collecting as seen:
            found = reply_losses(module, part, replies)
            loss = found.sum() / total["tokens"]
        if counts:
            losses["loss"] += loss.item()
            by_place.add(part, replies, found)
        if probed is not None and counts:
            observations = [item.observation for item in part]
            read = probed.loss(policy, seen[0], observations) * len(observations) / total["size"]
            losses["probe_loss"] += read.item()
            loss = loss + probe_weight * read
        processes.backward(loss if counts else 0 * loss)
    if probed is not None:
        processes.average_gradients(probed.linear.parameters())
    sums = processes.gather(by_place.sums) if places else []
    return {**processes.sum(losses), **_means(sums)}, int(total["tokens"])


class _LossByPlace:
    """Sums the losses of demonstrations from different places.

    Attributes:
        sums: By name, the sum of losses and the number of tokens.
    """

    def __init__(self, batch: Sequence[Demonstration], places: Sequence[str | None]) -> None:
        self.sums: dict[str, tuple[float, int]] = {}
        named = zip(batch, places, strict=True) if places else ()
        self._places = {id(item): place for item, place in named if place is not None}

    def add(
        self, part: Sequence[Demonstration], replies: Sequence[LearnedReply], losses: Tensor
    ) -> None:
        if not self._places:
            return
        for item, reply, loss in zip(part, replies, losses.detach().sum(-1).tolist(), strict=True):
            if (place := self._places.get(id(item))) is not None:
                total, tokens = self.sums.get(place, (0.0, 0))
                self.sums[place] = total + loss, tokens + len(reply.tokens) - reply.given


def _means(parts: Sequence[dict[str, tuple[float, int]]]) -> dict[str, float]:
    """Returns the mean loss of each place over all processes."""
    found: dict[str, tuple[float, int]] = {}
    for sums in parts:
        for place, (total, tokens) in sums.items():
            before, count = found.get(place, (0.0, 0))
            found[place] = before + total, count + tokens
    return {f"{place}/loss": total / tokens for place, (total, tokens) in sorted(found.items())}


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


def _lengths(
    policy: VLMPolicy, learned: Sequence[tuple[Demonstration, LearnedReply]]
) -> dict[int, StepLength]:
    """Returns the lengths of demonstrations, by their `id`."""
    prompts = policy.prompt_lengths([item.observation for item, _ in learned])
    return {
        id(item): StepLength(prompt, len(reply.tokens))
        for (item, reply), prompt in zip(learned, prompts, strict=True)
    }


def reply_losses(
    module: nn.Module, batch: Sequence[Demonstration], replies: Sequence[LearnedReply]
) -> Tensor:
    """Returns the negative log-probability of the tokens to be learned, 0 for others.

    The shape is (batch, longest reply).

    Args:
        module: The policy, or what wraps it.
        batch: The demonstrations.
        replies: Their replies.
    """
    scores = module(
        [item.observation for item in batch], [reply.tokens for reply in replies], temperature=1.0
    )
    given = torch.tensor([reply.given for reply in replies])
    places = torch.arange(scores.log_probs.shape[1])
    learned = (places >= given[:, None]).to(scores.log_probs.device)
    return -cast(Tensor, scores.log_probs * learned)
