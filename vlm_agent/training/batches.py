"""Rollouts as batches to learn from, and how they are dealt out to optimiser steps and passes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vlm_agent.config.ppo import PPOConfig
from vlm_agent.core.types import Observation, Reply
from vlm_agent.distributed.processes import Processes
from vlm_agent.rollout.collector import Rollout
from vlm_agent.rollout.groups import GroupRollout
from vlm_agent.training.losses import policy_terms


@dataclass
class Batch:
    """Steps of a rollout, flattened, with what an update needs of each.

    Attributes:
        observations: What each reply answered.
        replies: What the policy wrote.
        log_probs: What its ratios are taken against, of shape (steps, 1) or (steps, tokens).
        advantages: How much better than expected each step was, shape (steps,).
        returns: What values should be, shape (steps,).
        reference: Log-probabilities under the policy that training started with, of shape
            (steps, tokens), where they are asked for.
    """

    observations: Sequence[Observation]
    replies: Sequence[Reply]
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor
    reference: Tensor | None = None

    def __len__(self) -> int:
        return len(self.replies)

    def select(self, indices: Sequence[int]) -> Batch:
        """The steps at some indices."""
        rows = list(indices)
        return Batch(
            [self.observations[i] for i in rows],
            [self.replies[i] for i in rows],
            self.log_probs[rows],
            self.advantages[rows],
            self.returns[rows],
            None if self.reference is None else self.reference[rows],
        )


def make_batch(
    rollout: Rollout | GroupRollout,
    config: PPOConfig,
    device: torch.device,
    processes: Processes | None = None,
) -> Batch:
    """Advantages, normalised if so configured, returns, and log-probabilities of sampling.

    Args:
        rollout: That of this process.
        config: The numbers.
        device: Where tensors are to be.
        processes: Over whose rollouts advantages are normalised; by default over this one.
    """
    advantages = estimate_advantages(rollout, config)
    if isinstance(rollout, GroupRollout):
        returns = np.zeros_like(advantages)  # no value is learned
    else:
        returns = advantages + rollout.values
        if config.normalise_advantages:
            # Beside each other, as the environments of one process would be.
            every = np.hstack(processes.gather(advantages)) if processes else advantages
            advantages = (advantages - every.mean()) / (every.std() + 1e-8)
    replies = rollout.flat_replies()

    def tensor(array: Any) -> Tensor:
        return torch.tensor(np.ravel(array), dtype=torch.float32, device=device)

    return Batch(
        rollout.flat_observations(),
        replies,
        _sampled_terms(replies, config).to(device),
        tensor(advantages),
        tensor(returns),
    )


def estimate_advantages(rollout: Rollout | GroupRollout, config: PPOConfig) -> NDArray[np.float64]:
    """How much better than expected each step was; those of a critic are not normalised yet.

    Returns:
        Shape (steps, environments) with a critic, else (steps,).
    """
    if not isinstance(rollout, GroupRollout):
        return rollout.advantages(config.gamma, config.gae_lambda)
    scale = config.normalise_advantages
    advantages = rollout.episode_advantages(scale=scale)
    if config.advantages == "gigpo":
        advantages += config.step_advantage_coef * rollout.step_advantages(
            config.gamma, scale=scale
        )
    return advantages


def _sampled_terms(replies: Sequence[Reply], config: PPOConfig) -> Tensor:
    """`policy_terms` of replies as they were sampled; no second forward pass is needed."""
    log_probs = pad_sequence([torch.tensor(r.log_probs) for r in replies], batch_first=True)
    lengths = torch.tensor([len(reply.tokens) for reply in replies])
    mask = torch.arange(log_probs.shape[1]) < lengths[:, None]
    terms, _ = policy_terms(
        config.objective, log_probs, mask, action_tokens(replies), config.thought_coef
    )
    return terms


def action_tokens(replies: Sequence[Reply], device: torch.device | None = None) -> Tensor:
    """Index of the first token of each reply's action part, shape (replies,)."""
    return torch.tensor([reply.action_token for reply in replies], device=device)


def even_parts(indices: Sequence[int], size: int) -> list[list[int]]:
    """Indices in as few parts as a size allows, which differ by one at most.

    A remainder by itself would make an optimiser step as large as any other out of a few steps.
    """
    parts = -(-len(indices) // size)
    return [part.tolist() for part in np.array_split(indices, parts)] if parts else []


def deal(owners: Sequence[Hashable], size: int, rng: np.random.Generator) -> list[list[int]]:
    """Deals steps out at random, in even parts that hold an even share of every owner's steps.

    The steps of an owner, such as an environment, are dealt out in an order that depends on how
    many they are, and not on who else is there: several processes deal out the same parts as one
    with all environments, and each finds as much of its own in every part.

    Args:
        owners: Of each step; sorted, they are in the order of the environments.
        size: Steps of a part, at most.
        rng: What is drawn by.

    Returns:
        Indices of steps, a list a part.
    """
    members: dict[Hashable, list[int]] = {}
    for index, owner in enumerate(owners):
        members.setdefault(owner, []).append(index)
    places = np.empty(len(owners))
    for owner in sorted(members):  # type: ignore[type-var]
        rows = members[owner]
        places[rows] = (rng.permutation(len(rows)) + rng.random()) / len(rows)
    return even_parts(np.argsort(places, kind="stable").tolist(), size)


def micro_batches(
    lengths: Sequence[int], largest: int, most_tokens: int | None = None
) -> list[list[int]]:
    """Steps in parts for one forward pass each: alike in length, so that little of it is padding.

    Args:
        lengths: Tokens of each step, prompt and reply.
        largest: Steps of a part, at most.
        most_tokens: Tokens of a part, at most, padding counted; a step that is longer by itself is
            a part by itself.

    Returns:
        Indices of steps, a list a part, longest first: what needs most memory comes first.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    if most_tokens is None:
        return even_parts(order, largest)
    parts: list[list[int]] = []
    for index in order:
        # The first of a part is its longest.
        if parts and len(parts[-1]) < largest:
            longest = lengths[parts[-1][0]]
            if longest * (len(parts[-1]) + 1) <= most_tokens:
                parts[-1].append(index)
                continue
        parts.append([index])
    return parts
