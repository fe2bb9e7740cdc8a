"""Imitating the thoughts of an expert in addition to learning from rewards (GTR)."""

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
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.scoring import Scores
from vlm_agent.training.batch import StepLength, bounded_parts, even_parts
from vlm_agent.training.losses import imitation_loss
from vlm_agent.training.ppo_config import PPOConfig


class ImitationBuffer:
    """The latest corrected replies, of old policies and new (DAgger, Ross et al. 2011).

    Several processes share a buffer, and draw what one with all environments would: each knows the
    places of all replies, and holds its own.

    Args:
        capacity: Number of replies kept by all processes together; the oldest go first.
        seed: Random seed of the draws; the same in all processes.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        # Those of other processes are `None`.
        self._kept: deque[Demonstration | None] = deque(maxlen=capacity)
        self._rng = np.random.default_rng([seed, 2])

    def add(
        self,
        corrections: Sequence[Demonstration],
        strata: Sequence[Sequence[tuple[int, int]]],
        rank: int = 0,
    ) -> None:
        """Adds corrections, in an order that does not depend on which process has them.

        Args:
            corrections: One for each step of this process.
            strata: What each step belongs to, one list for each process; sorted, they are in the
                order of the environments.
            rank: The number of this process.
        """
        seen: Counter[tuple[int, int]] = Counter()
        steps: list[tuple[int, tuple[int, int], Demonstration | None]] = []
        for process, each in enumerate(strata):
            own = corrections if process == rank else [None] * len(each)
            for stratum, corrected in zip(each, own, strict=True):
                steps.append((seen[stratum], stratum, corrected))
                seen[stratum] += 1
        self._kept.extend(step[2] for step in sorted(steps, key=lambda step: step[:2]))

    def sample(self, count: int) -> list[Demonstration]:
        """Draws replies uniformly and independently, and returns those of this process."""
        drawn = [self._kept[i] for i in self._rng.integers(len(self._kept), size=count)]
        return [each for each in drawn if each is not None]

    def state_dict(self) -> dict[str, Any]:
        """Returns what is kept, and the state of the draws."""
        return {
            "kept": [each and demonstration_state(each) for each in self._kept],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken."""
        self._kept.clear()
        self._kept.extend(each and demonstration_from(each) for each in state["kept"])
        self._rng.bit_generator.state = state["rng"]


class ThoughtImitation:
    """Adds the gradient of imitating corrected thoughts, where `imitation_coef` asks for it.

    Args:
        policy: The policy.
        module: What trains it: the policy itself, or its wrapper in several processes.
        config: The options.
        processes: Those that train together.

    Attributes:
        buffer: The corrected replies of this process.
    """

    def __init__(
        self, policy: VLMPolicy, module: nn.Module, config: PPOConfig, processes: Processes
    ) -> None:
        self.buffer = ImitationBuffer(config.imitation_buffer_size, config.seed)
        self._policy = policy
        self._module = module
        self._config = config
        self._processes = processes
        self._spare: Sequence[Demonstration] = ()

    @property
    def is_on(self) -> bool:
        """True if thoughts are imitated."""
        return bool(self._config.imitation_coef)

    def add(
        self, corrections: Sequence[Demonstration], strata: Sequence[Sequence[tuple[int, int]]]
    ) -> None:
        """Adds the corrections of a rollout; arguments as for `ImitationBuffer.add`."""
        if self.is_on:
            self.buffer.add(corrections, strata, self._processes.rank)
            self._spare = corrections[:1]

    def accumulate(self, size: int) -> float:
        """Adds the gradient of imitating as many corrected thoughts as a minibatch has steps.

        Backward passes of their own, so that one forward pass at a time takes memory.

        Args:
            size: Number of steps of the minibatch, of all processes.

        Returns:
            This process's part of the loss.
        """
        config = self._config
        drawn = self.buffer.sample(size)
        prompts = self._policy.prompt_lengths([each.observation for each in drawn])
        replies = [len(self._policy.encode_reply(each.reply)) for each in drawn]
        parts = bounded_parts(
            even_parts(range(len(drawn)), config.micro_batch_size),
            list(map(StepLength, prompts, replies)),
            config.micro_batch_size,
            config.micro_batch_tokens,
        )
        corrected = drawn or self._spare
        total = 0.0
        for part, counts in self._processes.accumulate(self._module, parts, [0]):
            loss = self._loss([corrected[index] for index in part]).sum()
            loss = (1 / size if counts else 0.0) * loss
            self._processes.backward(config.imitation_coef * loss)
            total += loss.item()
        return total

    def _loss(self, corrected: Sequence[Demonstration]) -> Tensor:
        """Returns `imitation_loss` of corrected replies, shape (batch,)."""
        policy = self._policy
        replies = [policy.encode_reply(each.reply) for each in corrected]
        starts = [parse(each.reply, each.observation.actions).action_start for each in corrected]
        action_tokens = [
            policy.action_token(reply, start) for reply, start in zip(replies, starts, strict=True)
        ]
        observations = [each.observation for each in corrected]
        scores: Scores = self._module(observations, replies, temperature=1.0)
        return imitation_loss(
            scores.log_probs, scores.mask, torch.tensor(action_tokens, device=policy.device)
        )
