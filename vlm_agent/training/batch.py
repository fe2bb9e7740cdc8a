"""A rollout as tensors, and its division into minibatches and micro-batches."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vlm_agent.core.types import Observation, Reply
from vlm_agent.rollout.advantages import Floats
from vlm_agent.rollout.buffer import Rollout


class StepLength(NamedTuple):
    """Number of tokens of a step.

    Attributes:
        prompt: Tokens of the prompt, including those of pictures.
        reply: Tokens of the reply.
    """

    prompt: int
    reply: int


@dataclass
class Batch:
    """Steps of a rollout with the inputs of the loss; tokens are padded on the right.

    Attributes:
        observations: The observation that each reply answers.
        replies: The policy's replies.
        old_log_probs: Log-probabilities of the tokens before the update, (steps, longest reply).
        mask: True for tokens, False for padding; (steps, longest reply).
        action_tokens: Index of the first token of each reply's action part, (steps,).
        advantages: Advantage of each step, (steps,).
        returns: Targets of the values, (steps,).
        sampled_log_probs: Log-probabilities that the tokens were sampled with, (steps, longest
            reply).
        is_rescored: Whether the old log-probabilities are those of scoring, not of sampling.
        reference_log_probs: Log-probabilities of the tokens under the policy at the start of
            training, (steps, longest reply), if needed.
        importance: Weights of the surrogate objective, (steps, longest reply) or (steps, 1), if
            needed; see `vlm_agent.training.importance`.
    """

    observations: Sequence[Observation]
    replies: Sequence[Reply]
    old_log_probs: Tensor
    mask: Tensor
    action_tokens: Tensor
    advantages: Tensor
    returns: Tensor
    sampled_log_probs: Tensor
    is_rescored: bool = False
    reference_log_probs: Tensor | None = None
    importance: Tensor | None = None

    def __len__(self) -> int:
        return len(self.replies)

    @property
    def old_values(self) -> Tensor:
        """Values that the policy estimated when it replied, (steps,)."""
        return torch.tensor([reply.value for reply in self.replies], device=self.returns.device)

    def select(self, indices: Sequence[int]) -> Batch:
        """Returns the steps at some indices."""
        rows = list(indices)
        return Batch(
            [self.observations[i] for i in rows],
            [self.replies[i] for i in rows],
            self.old_log_probs[rows],
            self.mask[rows],
            self.action_tokens[rows],
            self.advantages[rows],
            self.returns[rows],
            self.sampled_log_probs[rows],
            self.is_rescored,
            None if self.reference_log_probs is None else self.reference_log_probs[rows],
            None if self.importance is None else self.importance[rows],
        )


def make_batch(
    rollout: Rollout, advantages: Floats, returns: Floats, device: torch.device
) -> Batch:
    """Returns a rollout as tensors.

    Old log-probabilities are those of the trainer's own model where the rollout has them, or else
    those of sampling.

    Args:
        rollout: The steps.
        advantages: Advantage of each step, shape (steps,).
        returns: Targets of the values, shape (steps,).
        device: Device of the tensors.
    """

    def tensor(array: NDArray[np.float64]) -> Tensor:
        return torch.tensor(array, dtype=torch.float32, device=device)

    replies = rollout.replies
    sampled = pad_sequence([torch.tensor(r.log_probs) for r in replies], batch_first=True)
    sampled = sampled.to(device)
    old = sampled
    if rollout.trained_log_probs is not None:
        old = pad_sequence(list(map(torch.tensor, rollout.trained_log_probs)), batch_first=True)
        old = old.to(device)
    lengths = torch.tensor([len(reply.tokens) for reply in replies])
    mask = torch.arange(sampled.shape[1]) < lengths[:, None]
    return Batch(
        rollout.observations,
        replies,
        old,
        mask.to(device),
        torch.tensor([reply.action_token for reply in replies], device=device),
        tensor(advantages),
        tensor(returns),
        sampled,
        is_rescored=rollout.trained_log_probs is not None,
    )


def even_parts(indices: Sequence[int], size: int) -> list[list[int]]:
    """Splits indices into as few parts of at most `size` as possible, equal to within one.

    A small remainder as a part of its own would weigh as much as any other optimizer step.
    """
    parts = -(-len(indices) // size)
    return [part.tolist() for part in np.array_split(indices, parts)] if parts else []


def stratified_minibatches(
    strata: Sequence[Hashable], size: int, rng: np.random.Generator
) -> list[list[int]]:
    """Splits steps at random into even parts, each with an even share of every stratum.

    The order of a stratum's steps, such as those of an environment, depends on their number and
    not on other strata: several processes get the same parts as one process with all environments,
    and every part has an equal share of each process.

    Args:
        strata: Stratum of each step; sorted, they are in the order of the environments.
        size: Maximum number of steps in a part.
        rng: Random generator.

    Returns:
        Indices of steps, one list for each part.
    """
    members: dict[Hashable, list[int]] = {}
    for index, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(index)
    places = np.empty(len(strata))
    for stratum in sorted(members):  # type: ignore[type-var]
        rows = members[stratum]
        places[rows] = (rng.permutation(len(rows)) + rng.random()) / len(rows)
    return even_parts(np.argsort(places, kind="stable").tolist(), size)


def micro_batches(
    lengths: Sequence[StepLength], largest: int, most_tokens: int | None = None
) -> list[list[int]]:
    """Splits steps into parts of similar length, to save padding, for one forward pass each.

    Args:
        lengths: Length of each step.
        largest: Maximum number of steps in a part.
        most_tokens: As for `bounded_parts`.

    Returns:
        Indices of steps, one list per part, longest first, so that memory runs out early if at all.
    """
    parts = even_parts(_longest_first(lengths), largest)
    return bounded_parts(parts, lengths, largest, most_tokens)


def bounded_parts(
    parts: list[list[int]],
    lengths: Sequence[StepLength],
    largest: int,
    most_tokens: int | None,
) -> list[list[int]]:
    """Returns parts unchanged if none of them is too long, or else splits all steps anew.

    Args:
        parts: Indices of steps, one list per part.
        lengths: Length of each step.
        largest: Maximum number of steps in a part.
        most_tokens: Maximum number of tokens in a part, including padding; a longer step is a part
            of its own. `None` for no limit.

    Returns:
        Indices of steps, one list per part; of new parts, the longest is the first.
    """

    def fits(part: Sequence[int]) -> bool:
        return most_tokens is None or padded_tokens([lengths[i] for i in part]) <= most_tokens

    if all(map(fits, parts)):
        return parts
    found: list[list[int]] = []
    for index in _longest_first(lengths):
        if found and len(found[-1]) < largest and fits([*found[-1], index]):
            found[-1].append(index)
        else:
            found.append([index])
    return found


def padded_tokens(lengths: Sequence[StepLength]) -> int:
    """Returns the number of tokens of a batch of steps, with padding on both sides.

    Prompts are padded to the longest prompt, and replies to the longest reply, even if these belong
    to different steps.
    """
    longest = max(each.prompt for each in lengths) + max(each.reply for each in lengths)
    return len(lengths) * longest


def _longest_first(lengths: Sequence[StepLength]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda index: -sum(lengths[index]))
