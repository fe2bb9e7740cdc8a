"""Forward passes over the steps of a batch: which go together, and scores without gradients."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from vlm_agent.core.types import Observation
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.scoring import Scores
from vlm_agent.rollout.buffer import Rollout
from vlm_agent.training.batch import (
    Batch,
    StepLength,
    make_batch,
    micro_batches,
    padded_tokens,
)
from vlm_agent.training.importance import (
    importance_cap,
    importance_level,
    importance_metrics,
    importance_weights,
)
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
    def complete(self, rollout: Rollout) -> float:
        """Adds values and the trainer's log-probabilities to what another program has written.

        Bootstrap values are added where the collector has left them out.

        Returns:
            Largest distance of the two log-probabilities of a token, of all processes.
        """
        zeros = np.zeros(len(rollout))
        batch = make_batch(rollout, zeros, zeros, self._policy.device)
        self.begin(batch)
        log_probs: dict[int, list[float]] = {}
        largest = 0.0
        with self._processes.gathered():
            for part in self.micro_batches(range(len(batch))):
                steps = batch.select(part)
                scores = self.score(steps)
                old = steps.sampled_log_probs[:, : scores.log_probs.shape[1]]
                apart = torch.where(scores.mask, scores.log_probs - old, 0.0).abs()
                largest = float(np.maximum(largest, apart.max().item()))  # NaN stays
                for row, found, value in zip(
                    part, scores.log_probs.tolist(), scores.values.tolist(), strict=True
                ):
                    reply = rollout.replies[row]
                    log_probs[row] = found[: len(reply.tokens)]
                    rollout.replies[row] = replace(reply, value=value)
                    rollout.values[row] = value
            rollout.bootstrap(self._policy.values, self._config.micro_batch_size)
        rollout.trained_log_probs = [log_probs[row] for row in range(len(batch))]
        return float(np.max(self._processes.gather(largest)))

    @torch.no_grad()
    def rescore(self, batch: Batch) -> dict[str, float | None]:
        """Makes old log-probabilities those of scoring, and corrects for those of sampling.

        A model that computes in less than float32 samples with its cache and scores without it so
        differently that the ratios of long replies would start outside the clip range. Another
        program's log-probabilities differ too; those were replaced by `complete`.

        Returns:
            The mean distance of the two in nats, of steps or their weighted tokens, `None` where
            they are the same; and metrics of the importance weights, if there are any.
        """
        if not batch.is_rescored:
            if torch.finfo(self._policy.compute_dtype).bits >= 32:
                return {"train/sampling_gap": None}
            batch.old_log_probs = self._log_probs(batch)
            batch.is_rescored = True
        config = self._config
        new, weights = reply_log_probs(batch.old_log_probs, batch.mask, batch.action_tokens, config)
        old, _ = reply_log_probs(batch.sampled_log_probs, batch.mask, batch.action_tokens, config)
        gap = mean_over_tokens((new - old).abs(), weights).sum().item()
        found = self._processes.sum({"gap": gap, "steps": len(batch)})
        return {"train/sampling_gap": found["gap"] / found["steps"], **self._correct(batch)}

    def _correct(self, batch: Batch) -> dict[str, float]:
        """Adds importance weights to a batch, if asked for; returns metrics of them."""
        cap = importance_cap(self._config, self._policy.compute_dtype)
        if not cap:
            return {}
        found = importance_weights(
            batch.old_log_probs,
            batch.sampled_log_probs,
            batch.mask,
            importance_level(self._config),
            cap,
        )
        batch.importance = found.weights
        largest = max(self._processes.gather(found.weights.max().item()))
        return importance_metrics(self._processes.sum(found.sums(cap)), largest)

    def _log_probs(self, batch: Batch) -> Tensor:
        """Returns the log-probabilities of all tokens of a batch under the present weights."""
        rows: dict[int, Tensor] = {}
        with self._processes.gathered():
            for part in self.micro_batches(range(len(batch))):
                rows.update(zip(part, self.score(batch.select(part)).log_probs, strict=True))
        return _in_order(rows)

    @torch.no_grad()
    def add_reference(self, batch: Batch) -> None:
        """Adds the log-probabilities under the policy that training started with, if needed."""
        if not self._config.kl_coef:
            return
        with self._policy.reference():
            batch.reference_log_probs = self._log_probs(batch)

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
