"""Imitating the thoughts of an expert beside learning from rewards (GTR)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vlm_agent.core.parsing import parse
from vlm_agent.core.types import Demonstration
from vlm_agent.data.demonstrations import demonstration_from, demonstration_state
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.scoring import Scores
from vlm_agent.training.losses import imitation_loss


class ImitationBuffer:
    """Corrected replies to imitate: the latest ones, old beside new (DAgger, Ross et al. 2011).

    Several processes have them together, and draw what one with all environments would: each knows
    the places of all, and holds its own.

    Args:
        capacity: How many are kept, by all processes together; the oldest go first.
        seed: Of drawing from them; the same in all processes.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        # Those of other processes are `None`.
        self._kept: deque[Demonstration | None] = deque(maxlen=capacity)
        self._rng = np.random.default_rng([seed, 2])

    def add(
        self,
        corrections: Sequence[Demonstration],
        owners: Sequence[Sequence[tuple[int, int]]],
        rank: int = 0,
    ) -> None:
        """Keeps some more, in an order that does not depend on who they are shared out to.

        Args:
            corrections: One for each step of this process.
            owners: Whose each step is, a list a process; sorted, they are in the order of the
                environments.
            rank: The number of this process.
        """
        seen: Counter[tuple[int, int]] = Counter()
        steps: list[tuple[int, tuple[int, int], Demonstration | None]] = []
        for process, each in enumerate(owners):
            own = corrections if process == rank else [None] * len(each)
            for owner, corrected in zip(each, own, strict=True):
                steps.append((seen[owner], owner, corrected))
                seen[owner] += 1
        self._kept.extend(step[2] for step in sorted(steps, key=lambda step: step[:2]))

    def sample(self, count: int) -> list[Demonstration]:
        """Draws some, uniformly and independently, and gives those of this process."""
        drawn = [self._kept[i] for i in self._rng.integers(len(self._kept), size=count)]
        return [each for each in drawn if each is not None]

    def state_dict(self) -> dict[str, Any]:
        """What is kept, and the draws to come."""
        return {
            "kept": [each and demonstration_state(each) for each in self._kept],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        self._kept.clear()
        self._kept.extend(each and demonstration_from(each) for each in state["kept"])
        self._rng.bit_generator.state = state["rng"]


def thought_loss(
    module: nn.Module, policy: VLMPolicy, corrected: Sequence[Demonstration]
) -> Tensor:
    """`imitation_loss` of corrected replies, shape (batch,).

    Args:
        module: The policy, or what trains it in several processes.
        policy: The policy.
        corrected: The replies.
    """
    replies = [policy.encode_reply(each.reply) for each in corrected]
    starts = [parse(each.reply, each.observation.actions).action_start for each in corrected]
    action_tokens = [
        policy.action_token(reply, start) for reply, start in zip(replies, starts, strict=True)
    ]
    observations = [each.observation for each in corrected]
    scores: Scores = module(observations, replies, temperature=1.0)
    return imitation_loss(
        scores.log_probs, scores.mask, torch.tensor(action_tokens, device=policy.device)
    )
