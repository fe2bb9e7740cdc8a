"""Forward passes over the steps of a batch: which go together, and scores without gradients."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vlm_agent.core.types import Observation
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.scoring import Scores
from vlm_agent.training.batch import Batch, StepLength, micro_batches, padded_tokens
from vlm_agent.training.losses import mean_over_tokens, reply_log_probs
from vlm_agent.training.ppo_config import PPOConfig


class BatchScorer:
    """Scores the steps of a batch, micro-batch by micro-batch, in one or several processes.

    Args:
        policy: The policy.
        module: What trains it: the policy itself, or its wrapper in several processes.
        config: For the sizes of micro-batches, and what ratios are taken of.
        processes: Those that train together.
    """

    def __init__(
        self, policy: VLMPolicy, module: nn.Module, config: PPOConfig, processes: Processes
    ) -> None:
        self._policy = policy
        self._module = module
        self._config = config
        self._processes = processes
        self._lengths: list[StepLength] = []
        self._observations: Sequence[Observation] = ()
        self._coming: deque[list[int]] = deque()
        self._prepared = 0

    def begin(self, batch: Batch) -> None:
        """Prepares for the passes over a batch."""
        self._lengths = self._lengths_of(batch)
        self._observations = batch.observations
        self._prepared = self._policy.encoder.preparer.processed

    def micro_batches(self, rows: Sequence[int]) -> list[list[int]]:
        """Splits steps of this process into parts for one forward pass each."""
        config = self._config
        lengths = [self._lengths[row] for row in rows]
        parts = micro_batches(lengths, config.micro_batch_size, config.micro_batch_tokens)
        found = [[rows[index] for index in part] for part in parts]
        self._coming = deque(found[1:])
        return found

    def score(self, part: Batch, **options: bool) -> Scores:
        """Scores a micro-batch under the observations that its replies answered."""
        config = self._config
        # A batch of one uses different kernels and rounds differently: duplicate the row unless it
        # would then be too long.
        alone = len(part) == 1 < config.micro_batch_size
        if alone and config.micro_batch_tokens is not None:
            alone = padded_tokens(self._lengths_of(part) * 2) <= config.micro_batch_tokens
        rows = part.select([0, 0]) if alone else part
        replies = [reply.tokens for reply in rows.replies]
        # Where memory does not hold all inputs, the next are prepared while the model computes.
        coming = self._coming.popleft() if self._coming else []
        if self._policy.encoder.preparer.processed > self._prepared:
            self._policy.prefetch([self._observations[row] for row in coming])
        scores: Scores = self._module(rows.observations, replies, **options)
        return scores.first(1) if alone else scores

    @torch.no_grad()
    def rescore(self, batch: Batch) -> float | None:
        """Replaces the log-probabilities of sampling by those of scoring, where these differ.

        A model that computes in less than float32 samples with its cache and scores without it so
        differently that the ratios of long replies would start outside the clip range.

        Returns:
            Mean distance of the two in nats, of steps or their weighted tokens; `None` in float32.
        """
        if torch.finfo(self._policy.compute_dtype).bits >= 32:
            return None
        rows: dict[int, Tensor] = {}
        gap = 0.0
        with self._processes.gathered():
            for part in self.micro_batches(range(len(batch))):
                steps = batch.select(part)
                scores = self.score(steps)
                new, weights = reply_log_probs(
                    scores.log_probs, scores.mask, steps.action_tokens, self._config
                )
                old, _ = reply_log_probs(
                    steps.old_log_probs, steps.mask, steps.action_tokens, self._config
                )
                apart = (new - old[:, : new.shape[1]]).abs()
                gap += mean_over_tokens(apart, weights).sum().item()
                rows.update(zip(part, scores.log_probs, strict=True))
        batch.old_log_probs = _in_order(rows)
        found = self._processes.sum({"gap": gap, "steps": len(batch)})
        return found["gap"] / found["steps"]

    @torch.no_grad()
    def add_reference(self, batch: Batch) -> None:
        """Adds the log-probabilities under the policy that training started with, if needed."""
        if not self._config.kl_coef:
            return
        rows: dict[int, Tensor] = {}
        with self._policy.reference(), self._processes.gathered():
            for part in self.micro_batches(range(len(batch))):
                rows.update(zip(part, self.score(batch.select(part)).log_probs, strict=True))
        batch.reference_log_probs = _in_order(rows)

    @torch.no_grad()
    def standardise_values(self, batch: Batch) -> None:
        """Standardises a fresh value head's inputs on the batch's hidden states, if asked for."""
        if not self._config.standardise_values or not self._policy.value_head.is_fresh:
            return
        states: list[Tensor] = []
        with self._processes.gathered():
            for part in self.micro_batches(range(len(batch))):
                states += self._policy.states([batch.observations[row] for row in part]).cpu()
        every = [each for found in self._processes.gather(states) for each in found]
        self._policy.value_head.standardise(torch.stack(every).to(self._policy.device))

    def _lengths_of(self, batch: Batch) -> list[StepLength]:
        prompts = self._policy.prompt_lengths(batch.observations)
        return list(map(StepLength, prompts, (len(reply.tokens) for reply in batch.replies)))


def _in_order(rows: dict[int, Tensor]) -> Tensor:
    return pad_sequence([rows[index] for index in range(len(rows))], batch_first=True)
