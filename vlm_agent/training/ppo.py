"""PPO on a vision-language model in a live environment (Zhai et al. 2024, section 4), and its kin.

Rollouts are turned into advantages (with a critic, or relative to a group), and these, through one
of the objectives, into optimiser steps; the whole model learns from the environment's reward.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils.rnn import pad_sequence

from vlm_agent.config.ppo import PPOConfig
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.scoring import Scores
from vlm_agent.rollout.collector import Rollout
from vlm_agent.rollout.groups import GroupRollout
from vlm_agent.training.batches import (
    Batch,
    action_tokens,
    deal,
    even_parts,
    make_batch,
    micro_batches,
)
from vlm_agent.training.imitation import ImitationBuffer, thought_loss
from vlm_agent.training.losses import (
    clipped_objective,
    kl_estimate,
    mean_over_tokens,
    policy_terms,
    ratio_of,
)
from vlm_agent.training.oom import oom_hint
from vlm_agent.training.optimizer import OptimizerStep, SavedOptimizer


class PPO:
    """The algorithm: turns rollouts into updates of a policy.

    Invariant: replies are scored under the observations they answered, so that before the first
    optimiser step of an update every ratio is 1; `train/first_ratio_error` shows it. Where the
    model computes in less than float32, sampling with its cache and scoring round so differently
    that ratios of long replies would start outside the clip. There, ratios are taken against
    scores of the same kind, made before the first step; `train/sampling_gap` shows the difference.

    Attributes:
        corrections: Corrected replies that are imitated; this process holds its own.

    Args:
        policy: The policy to train; dropout stays off, in rollouts and updates alike.
        config: The numbers.
        total_steps: Environment steps there will be, for the learning rate's cosine.
        processes: Those that train together, each with rollouts of its own; by default this one.
            An update is the one that a single process would make of all rollouts.
    """

    def __init__(
        self,
        policy: VLMPolicy,
        config: PPOConfig,
        total_steps: int,
        processes: Processes | None = None,
    ) -> None:
        self.policy = policy.eval()
        self.config = config
        self.total_steps = total_steps
        self.updates = 0
        self._steps = 0
        self._rng = np.random.default_rng(config.seed)
        self._processes = processes or Processes()
        self._module, self.optimizer = self._processes.prepare(
            policy, torch.optim.Adam(_parameter_groups(policy, config), lr=config.learning_rate)
        )
        self._stepper = OptimizerStep(
            _clipped(policy, config), config.max_grad_norm, clip=self._processes.clip
        )
        if config.kl_coef > 0 and not policy.has_reference:
            policy.keep_reference()
        self._set_learning_rate(0.0)
        self.corrections = ImitationBuffer(config.imitation_buffer_size, config.seed)

    def state_dict(self) -> dict[str, Any]:
        """What the next update follows from, beside policy, rollout and corrections."""
        return {
            "updates": self.updates,
            "steps": self._steps,
            "rng": self._rng.bit_generator.state,
            "optimizer": SavedOptimizer(self.optimizer).state_dict(),
            "stepper": self._stepper.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, with the same policy and configuration."""
        self.updates, self._steps = state["updates"], state["steps"]
        self._rng.bit_generator.state = state["rng"]
        SavedOptimizer(self.optimizer).load_state_dict(state["optimizer"])
        self._stepper.load_state_dict(state["stepper"])

    @property
    def learning_rate(self) -> float:
        """The model's, now."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, rollout: Rollout | GroupRollout) -> dict[str, float | None]:
        """Makes the optimiser steps that one rollout is worth, and reports on them."""
        config = self.config
        # In a pass with spread weights, no process may look at pictures while others do not.
        remembering = nullcontext if self._processes.is_sharded else self.policy.vision.remembering
        with (
            remembering(),
            oom_hint(
                f"learning from {config.micro_batch_size} steps at once",
                "lower --micro-batch-tokens or --micro-batch-size, or add "
                "--gradient-checkpointing or --lora",
            ),
        ):
            return self._update(rollout)

    def _update(self, rollout: Rollout | GroupRollout) -> dict[str, float | None]:
        config = self.config
        batch = make_batch(rollout, config, self.policy.device, self._processes)
        self._lengths = [
            prompt + len(reply.tokens)
            for prompt, reply in zip(
                self.policy.prompt_lengths(batch.observations), batch.replies, strict=True
            )
        ]
        sampling_gap = self._rescore(batch) if self._rounds_coarsely else None
        if config.kl_coef > 0:
            batch.reference = self._reference(batch)
        if config.standardise_values and self.policy.value_head.is_fresh:
            self._standardise(batch)
        seen: list[dict[str, float]] = []
        norms: list[dict[str, float]] = []
        skipped = 0
        first_ratio_error = None
        owners = self._processes.gather([(self._processes.rank, o) for o in rollout.owners()])
        if config.imitation_coef > 0:
            self.corrections.add(rollout.corrections, owners, self._processes.rank)
            self._spare = rollout.corrections[:1]
        total = sum(map(len, owners))
        steps = config.ppo_epochs * -(-total // config.minibatch_size)
        for rows, size in self._minibatches(owners):
            losses, ratio_error = self._gradient(batch, rows, size)
            if first_ratio_error is None:
                first_ratio_error = ratio_error
            if config.target_kl is not None and losses["approx_kl"] > config.target_kl:
                seen.append(losses)
                break
            found = self._stepper.step(self.optimizer, losses)
            if found is None:
                skipped += 1
            else:
                seen.append(losses)
                norms.append(found)
            # Integers until the last, so that equal progress is equal to the last digit.
            done = self._steps * steps + (len(norms) + skipped) * total
            self._set_learning_rate(done / (self.total_steps * steps))
        learning_rate = self.learning_rate
        self._steps += total
        self.updates += 1
        # An update that ends early does not stretch the cosine.
        self._set_learning_rate(self._steps / self.total_steps)
        return {
            # Without a step there is no mean, but the same keys all the same.
            **_means(losses, seen),
            **_means(self._stepper.clipped, norms),
            "train/optimizer_steps": len(norms),
            "train/skipped_steps": skipped,
            "train/first_ratio_error": first_ratio_error,
            "train/sampling_gap": sampling_gap,
            "train/explained_variance": self._explained_variance(rollout),
            "train/learning_rate": learning_rate,
        }

    def _set_learning_rate(self, progress: float) -> None:
        """A cosine from each group's peak down to the same share of it."""
        end = self.config.final_learning_rate / self.config.learning_rate
        share = 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))) * (1 - end) + end
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share

    def _minibatches(
        self, owners: Sequence[Sequence[tuple[int, int]]]
    ) -> Iterator[tuple[list[int], int]]:
        """Steps of this process for each optimiser step, and how many it has of all processes.

        Args:
            owners: Whose each step is, a list a process.
        """
        start = sum(map(len, owners[: self._processes.rank]))
        own = range(start, start + len(owners[self._processes.rank]))
        every = [owner for each in owners for owner in each]
        for _ in range(self.config.ppo_epochs):
            for rows in deal(every, self.config.minibatch_size, self._rng):
                yield [row - start for row in rows if row in own], len(rows)

    @property
    def _warming(self) -> bool:
        """Whether nothing but the value head learns yet."""
        return self.updates < self.config.value_warmup

    def _gradient(
        self, batch: Batch, rows: Sequence[int], size: int
    ) -> tuple[dict[str, float], float]:
        """The gradient of a minibatch, left in the parameters.

        Args:
            batch: The steps of this process.
            rows: Those of them that are in the minibatch.
            size: How many steps there are in it, of all processes.

        Returns:
            Losses and what else is averaged over a minibatch, and the largest error of a ratio.
        """
        self.optimizer.zero_grad()
        parts = self._in_step(self._passes(rows))
        imitating = self.config.imitation_coef > 0 and not self._warming
        found: list[dict[str, float]] = []
        errors: list[float] = []
        for number, (part, counts) in enumerate(parts, start=1):
            last = number == len(parts) and not imitating
            with self._processes.accumulating(self._module, last=last):
                share = len(part) / size if counts else 0.0
                losses, error = self._accumulate(batch.select(part), share)
            found.append(losses)
            errors.append(error)
        losses = {key: sum(each[key] for each in found) for key in found[0]}
        if imitating:
            losses["imitation_loss"] = self._imitate(size)
        every = self._processes.gather((losses, max(errors)))
        totals = {key: sum(each[key] for each, _ in every) for key in losses}
        return totals, max(error for _, error in every)

    def _passes(self, rows: Sequence[int]) -> list[tuple[list[int], bool]]:
        """Steps for one forward pass each, and whether they count.

        A process without a step in a minibatch takes part all the same, with one that does not
        count.
        """
        config = self.config
        lengths = [self._lengths[row] for row in rows]
        parts = micro_batches(lengths, config.micro_batch_size, config.micro_batch_tokens)
        return [([rows[index] for index in part], True) for part in parts] or [([0], False)]

    def _in_step(self, passes: list[tuple[list[int], bool]]) -> list[tuple[list[int], bool]]:
        """As many passes as each process has to make; those that are added do not count."""
        return passes + [([0], False)] * (self._processes.passes(len(passes)) - len(passes))

    def _imitate(self, size: int) -> float:
        """Adds the gradient of imitating as many corrected thoughts as a minibatch has steps.

        Backward passes of their own, so that one forward pass at a time takes memory. A process
        of which none was drawn takes part all the same.
        """
        drawn = self.corrections.sample(size)
        own = even_parts(range(len(drawn)), self.config.micro_batch_size)
        parts = self._in_step([(part, True) for part in own] or [([0], False)])
        corrected = drawn or self._spare
        total = 0.0
        for number, (part, counts) in enumerate(parts, start=1):
            with self._processes.accumulating(self._module, last=number == len(parts)):
                loss = thought_loss(self._module, self.policy, [corrected[i] for i in part]).sum()
                loss = (1 / size if counts else 0.0) * loss
                self._processes.backward(self.config.imitation_coef * loss)
            total += loss.item()
        return total

    def _score(self, part: Batch, **options: bool) -> Scores:
        """Scores of a micro-batch, under the observations that its replies answered."""
        config = self.config
        # A row by itself is computed by other kernels than one among others, and would round
        # differently: it gets itself for company, but where memory has been bounded.
        alone = len(part) == 1 < config.micro_batch_size and config.micro_batch_tokens is None
        rows = part.select([0, 0]) if alone else part
        replies = [reply.tokens for reply in rows.replies]
        scores: Scores = self._module(rows.observations, replies, **options)
        return scores.first(1) if alone else scores

    def _terms(self, part: Batch, scores: Scores) -> tuple[Tensor, Tensor]:
        """`policy_terms` of a micro-batch."""
        return policy_terms(
            self.config.objective,
            scores.log_probs,
            scores.mask,
            action_tokens(part.replies, self.policy.device),
            self.config.thought_coef,
        )

    def _accumulate(self, part: Batch, share: float) -> tuple[dict[str, float], float]:
        """Adds the gradient of a micro-batch, weighted by its share of the minibatch."""
        config = self.config
        scores = self._score(
            part,
            stop_value_gradient=config.stop_value_gradient or self._warming,
            entropy=config.entropy_coef > 0,
        )
        terms, weights = self._terms(part, scores)
        log_ratio = terms - part.log_probs[:, : terms.shape[1]]
        ratio = ratio_of(log_ratio)
        surrogate = clipped_objective(ratio, part.advantages[:, None], config.clip_range)
        losses = {"policy_loss": -mean_over_tokens(surrogate, weights).mean()}
        loss = losses["policy_loss"]
        if config.has_critic:
            losses["value_loss"] = mse_loss(scores.values, part.returns)
            value_loss = config.value_coef * losses["value_loss"]
            loss = value_loss if self._warming else loss + value_loss
        if not self._warming:
            loss = loss + self._regularisers(part, scores, losses)
        self._processes.backward(share * loss)
        with torch.no_grad():
            outside = ((ratio - 1).abs() > config.clip_range).float()
            # Schulman's estimator with low variance: E[(r - 1) - log r].
            divergence = mean_over_tokens(ratio - 1 - log_ratio, weights).mean()
            losses["approx_kl"] = divergence
            losses["clip_fraction"] = mean_over_tokens(outside, weights).mean()
            error = ((ratio - 1).abs() * (weights > 0)).max()
            # All at once, since a GPU is waited for whenever a value is read.
            *values, found = torch.stack([*losses.values(), error]).tolist()
        return dict(zip(losses, (share * value for value in values), strict=True)), found

    def _regularisers(
        self, part: Batch, scores: Scores, losses: dict[str, Tensor]
    ) -> Tensor | float:
        """What is added to PPO's loss where it is asked for; each is noted in `losses`."""
        config = self.config
        total: Tensor | float = 0.0
        tokens = scores.mask.float()
        if scores.entropies is not None:
            losses["entropy"] = mean_over_tokens(scores.entropies, tokens).mean()
            total = total - config.entropy_coef * losses["entropy"]
        if config.kl_coef > 0 and part.reference is not None:
            reference = part.reference[:, : tokens.shape[1]]
            kl = mean_over_tokens(kl_estimate(scores.log_probs, reference), tokens)
            losses["reference_kl"] = kl.mean()
            total = total + config.kl_coef * losses["reference_kl"]
        return total

    def _standardise(self, batch: Batch) -> None:
        states: list[Tensor] = []
        with self._processes.gathered():
            for part, _ in self._passes(range(len(batch))):
                states += self.policy.states([batch.observations[row] for row in part]).cpu()
        every = [each for found in self._processes.gather(states) for each in found]
        self.policy.value_head.standardise(torch.stack(every).to(self.policy.device))

    @property
    def _rounds_coarsely(self) -> bool:
        """Whether the model computes in less than float32."""
        return torch.finfo(self.policy.compute_dtype).bits < 32

    @torch.no_grad()
    def _rescore(self, batch: Batch) -> float:
        """Puts the log-probabilities of scoring in place of those kept from sampling.

        Returns:
            How far apart the two were, in nats: a mean over steps, or their weighted tokens.
        """
        rows: dict[int, Tensor] = {}
        gap = 0.0
        with self._processes.gathered():
            for part, _ in self._passes(range(len(batch))):
                steps = batch.select(part)
                terms, weights = self._terms(steps, self._score(steps))
                apart = (terms - steps.log_probs[:, : terms.shape[1]]).abs()
                gap += mean_over_tokens(apart, weights).sum().item()
                rows.update(zip(part, terms, strict=True))
        batch.log_probs = pad_sequence([rows[i] for i in range(len(rows))], batch_first=True)
        found = self._processes.sum({"gap": gap, "steps": len(batch)})
        return found["gap"] / found["steps"]

    @torch.no_grad()
    def _reference(self, batch: Batch) -> Tensor:
        """Log-probabilities of a batch's tokens under the policy that training started with."""
        rows: dict[int, Tensor] = {}
        with self.policy.reference(), self._processes.gathered():
            for part, _ in self._passes(range(len(batch))):
                rows.update(zip(part, self._score(batch.select(part)).log_probs, strict=True))
        return pad_sequence([rows[i] for i in range(len(rows))], batch_first=True)

    def _explained_variance(self, rollout: Rollout | GroupRollout) -> float | None:
        """Of the returns, by the values; `None` without a critic, or if all returns are equal."""
        if isinstance(rollout, GroupRollout):
            return None
        config = self.config
        own = rollout.advantages(config.gamma, config.gae_lambda)
        parts = self._processes.gather((own, rollout.values))
        errors, values = (np.hstack(each) for each in zip(*parts, strict=True))
        variance = float((errors + values).var())
        return 1 - float(errors.var()) / variance if variance else None


def value_learning_rate(config: PPOConfig) -> float:
    """The value head's learning rate: by default the model's."""
    own = config.value_learning_rate
    return config.learning_rate if own is None else own


def _parameter_groups(policy: VLMPolicy, config: PPOConfig) -> list[dict[str, Any]]:
    """What is trained, and how fast at most: the model, and the value head."""
    model, head = _trained(policy)
    return [
        {"params": model, "peak": config.learning_rate},
        {"params": head, "peak": value_learning_rate(config)},
    ]


def _clipped(policy: VLMPolicy, config: PPOConfig) -> dict[str, list[torch.nn.Parameter]]:
    """Parameters whose gradients are clipped together, by the name that the norm is logged by.

    Where the value's gradient stays in its head, the size of rewards must not decide, through
    a norm that both share, how little the model learns.
    """
    model, head = _trained(policy)
    if not config.has_critic or not config.stop_value_gradient:
        return {"gradient_norm": [*model, *head]}
    return {"gradient_norm": model, "value_gradient_norm": head}


def _trained(policy: VLMPolicy) -> tuple[list[torch.nn.Parameter], list[torch.nn.Parameter]]:
    """What is trained of the model, and of the value head."""
    head = list(policy.value_head.parameters())
    known = {id(parameter) for parameter in head}
    model = [p for p in policy.parameters() if p.requires_grad and id(p) not in known]
    return model, head


def _means(keys: Iterable[str], rows: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """The mean of each value over some rows, under the name that it is logged by."""
    return {
        f"train/{key}": float(np.mean([row[key] for row in rows])) if rows else None for key in keys
    }
