"""PPO on a vision-language model in a live environment (Zhai et al. 2024, section 4), and its kin.

Rollouts are turned into advantages (with a critic, or relative to a group), and these, through one
of the objectives, into optimiser steps; the whole model learns from the environment's reward.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.nn.utils.rnn import pad_sequence
from tqdm import tqdm

from vlm_agent.demonstrations import Demonstration, demonstration_from, demonstration_state
from vlm_agent.groups import GroupCollector, GroupRollout
from vlm_agent.objectives import (
    clipped_objective,
    imitation_loss,
    kl_estimate,
    mean_over_tokens,
    policy_terms,
    ratio_of,
)
from vlm_agent.parsing import parse
from vlm_agent.policy import Scores, VLMPolicy
from vlm_agent.ppo_config import PPOConfig
from vlm_agent.resume import Saved, Saver, Stateful, read_saved
from vlm_agent.rollout import Collector, Rollout
from vlm_agent.runs import Run, check_free, peak_memory
from vlm_agent.steps import SavedOptimizer, Stepper
from vlm_agent.task import Observation, Reply, make_env
from vlm_agent.trajectories import RolloutRecorder, record_run


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

    def split(self, size: int) -> Iterator[Batch]:
        """The steps in as few parts as a size allows, which differ by one step at most."""
        for part in even_parts(range(len(self)), size):
            yield self.select(part)


def even_parts(indices: Sequence[int], size: int) -> list[list[int]]:
    """Indices in as few parts as a size allows, which differ by one at most.

    A remainder by itself would make an optimiser step as large as any other out of a few steps.
    """
    return [part.tolist() for part in np.array_split(indices, -(-len(indices) // size))]


def make_batch(rollout: Rollout | GroupRollout, config: PPOConfig, device: torch.device) -> Batch:
    """Advantages, normalised if so configured, returns, and log-probabilities of sampling."""
    advantages = estimate_advantages(rollout, config)
    if isinstance(rollout, GroupRollout):
        returns = np.zeros_like(advantages)  # no value is learned
    else:
        returns = advantages + rollout.values
        if config.normalise_advantages:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
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
        config.objective, log_probs, mask, _action_tokens(replies), config.thought_coef
    )
    return terms


def _action_tokens(replies: Sequence[Reply], device: torch.device | None = None) -> Tensor:
    return torch.tensor([reply.action_token for reply in replies], device=device)


class PPO:
    """The algorithm: turns rollouts into updates of a policy.

    Invariant: replies are scored under the observations they answered, so that before the first
    optimiser step of an update every ratio is 1; `train/first_ratio_error` shows it. Where the
    model computes in less than float32, sampling with its cache and scoring round so differently
    that ratios of long replies would start outside the clip. There, ratios are taken against
    scores of the same kind, made before the first step; `train/sampling_gap` shows the difference.

    Args:
        policy: The policy to train; dropout stays off, in rollouts and updates alike.
        config: The numbers.
        total_steps: Environment steps there will be, for the learning rate's cosine.
    """

    def __init__(self, policy: VLMPolicy, config: PPOConfig, total_steps: int) -> None:
        self.policy = policy.eval()
        self.config = config
        self.total_steps = total_steps
        self.updates = 0
        self._steps = 0
        self._rng = np.random.default_rng(config.seed)
        self._parameters = [p for p in policy.parameters() if p.requires_grad]
        head = {id(parameter) for parameter in policy.value_head.parameters()}
        groups: list[dict[str, Any]] = [
            {
                "params": [p for p in self._parameters if id(p) not in head],
                "peak": config.learning_rate,
            },
            {
                "params": list(policy.value_head.parameters()),
                "peak": value_learning_rate(config),
            },
        ]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate)
        self._stepper = Stepper(self._clipped(head), config.max_grad_norm)
        self._set_learning_rate(0.0)
        self._corrections = Corrections(config.imitation_memory, config.seed)
        if config.kl_coef > 0 and not policy.has_reference:
            policy.keep_reference()

    def state_dict(self) -> dict[str, Any]:
        """What the next update follows from, beside the policy and the rollout."""
        return {
            "updates": self.updates,
            "steps": self._steps,
            "rng": self._rng.bit_generator.state,
            "optimizer": SavedOptimizer(self.optimizer).state_dict(),
            "stepper": self._stepper.state_dict(),
            "corrections": self._corrections.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, with the same policy and configuration."""
        self.updates, self._steps = state["updates"], state["steps"]
        self._rng.bit_generator.state = state["rng"]
        SavedOptimizer(self.optimizer).load_state_dict(state["optimizer"])
        self._stepper.load_state_dict(state["stepper"])
        self._corrections.load_state_dict(state["corrections"])

    @property
    def learning_rate(self) -> float:
        """The model's, now."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, rollout: Rollout | GroupRollout) -> dict[str, float | None]:
        """Makes the optimiser steps that one rollout is worth, and reports on them."""
        config = self.config
        batch = make_batch(rollout, config, self.policy.device)
        sampling_gap = self._rescore(batch) if self._rounds_coarsely else None
        if config.kl_coef > 0:
            batch.reference = self._reference(batch)
        if config.standardise_values and self.policy.value_head.is_fresh:
            self._standardise(batch)
        self._corrections.add(rollout.corrections)
        seen: list[dict[str, float]] = []
        norms: list[dict[str, float]] = []
        skipped = 0
        first_ratio_error = None
        steps = config.epochs * -(-len(batch) // config.minibatch_size)
        for minibatch in self._minibatches(batch):
            losses, ratio_error = self._gradient(minibatch)
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
            done = self._steps * steps + (len(norms) + skipped) * len(batch)
            self._set_learning_rate(done / (self.total_steps * steps))
        learning_rate = self.learning_rate
        self._steps += len(batch)
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
            "train/explained_variance": _explained_variance(rollout, config),
            "train/learning_rate": learning_rate,
        }

    def _clipped(self, head: set[int]) -> dict[str, list[torch.nn.Parameter]]:
        """Parameters whose gradients are clipped together, by the name that the norm is logged by.

        Where the value's gradient stays in its head, the size of rewards must not decide, through
        a norm that both share, how little the model learns.
        """
        if not self.config.has_critic or not self.config.stop_value_gradient:
            return {"gradient_norm": self._parameters}
        return {
            "gradient_norm": [p for p in self._parameters if id(p) not in head],
            "value_gradient_norm": list(self.policy.value_head.parameters()),
        }

    def _set_learning_rate(self, progress: float) -> None:
        """A cosine from each group's peak down to the same share of it."""
        end = self.config.final_learning_rate / self.config.learning_rate
        share = 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))) * (1 - end) + end
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * share

    def _minibatches(self, batch: Batch) -> Iterator[Batch]:
        for _ in range(self.config.epochs):
            order = self._rng.permutation(len(batch)).tolist()
            for part in even_parts(order, self.config.minibatch_size):
                yield batch.select(part)

    @property
    def _warming(self) -> bool:
        """Whether nothing but the value head learns yet."""
        return self.updates < self.config.value_warmup

    def _gradient(self, minibatch: Batch) -> tuple[dict[str, float], float]:
        """The gradient of a minibatch, left in the parameters.

        Returns:
            Losses and what else is averaged over a minibatch, and the largest error of a ratio.
        """
        self.optimizer.zero_grad()
        size = self.config.micro_batch_size
        parts: list[dict[str, float]] = []
        errors: list[float] = []
        for part in minibatch.split(size):
            found, error = self._accumulate(part, len(part) / len(minibatch))
            parts.append(found)
            errors.append(error)
        losses = {key: sum(part[key] for part in parts) for key in parts[0]}
        if self.config.imitation_coef > 0 and not self._warming:
            # Backward passes of their own, so that one forward pass at a time takes memory.
            corrected = self._corrections.sample(len(minibatch))
            losses["imitation_loss"] = 0.0
            for chosen in even_parts(range(len(corrected)), size):
                loss = thought_loss(self.policy, [corrected[i] for i in chosen]).sum()
                loss = loss / len(corrected)
                (self.config.imitation_coef * loss).backward()
                losses["imitation_loss"] += loss.item()
        return losses, max(errors)

    def _score(self, part: Batch, **options: bool) -> Scores:
        """Scores of a micro-batch, under the observations that its replies answered."""
        alone = len(part) == 1 < self.config.micro_batch_size
        # A row by itself is computed by other kernels than one among others, and would round
        # differently: it gets itself for company.
        rows = part.select([0, 0]) if alone else part
        replies = [reply.tokens for reply in rows.replies]
        scores = self.policy.score(rows.observations, replies, **options)
        return scores.first(1) if alone else scores

    def _terms(self, part: Batch, scores: Scores) -> tuple[Tensor, Tensor]:
        """`policy_terms` of a micro-batch."""
        return policy_terms(
            self.config.objective,
            scores.log_probs,
            scores.mask,
            _action_tokens(part.replies, self.policy.device),
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
        surrogate = clipped_objective(ratio, part.advantages[:, None], config.clip)
        losses = {"policy_loss": -mean_over_tokens(surrogate, weights).mean()}
        loss = losses["policy_loss"]
        if config.has_critic:
            losses["value_loss"] = mse_loss(scores.values, part.returns)
            value_loss = config.value_coef * losses["value_loss"]
            loss = value_loss if self._warming else loss + value_loss
        if not self._warming:
            loss = loss + self._regularisers(part, scores, losses)
        (share * loss).backward()
        with torch.no_grad():
            outside = ((ratio - 1).abs() > config.clip).float()
            # Schulman's estimator with low variance: E[(r - 1) - log r].
            divergence = mean_over_tokens(ratio - 1 - log_ratio, weights).mean()
            found = {
                **{key: share * value.item() for key, value in losses.items()},
                "approx_kl": share * divergence.item(),
                "clip_fraction": share * mean_over_tokens(outside, weights).mean().item(),
            }
            return found, ((ratio - 1).abs() * (weights > 0)).max().item()

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
        parts = batch.split(self.config.micro_batch_size)
        states = [self.policy.states(part.observations) for part in parts]
        self.policy.value_head.standardise(torch.cat(states))

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
        rows: list[Tensor] = []
        gaps: list[Tensor] = []
        for part in batch.split(self.config.micro_batch_size):
            terms, weights = self._terms(part, self._score(part))
            gap = (terms - part.log_probs[:, : terms.shape[1]]).abs()
            gaps.append(mean_over_tokens(gap, weights))
            rows += terms
        batch.log_probs = pad_sequence(rows, batch_first=True)
        return torch.cat(gaps).mean().item()

    @torch.no_grad()
    def _reference(self, batch: Batch) -> Tensor:
        """Log-probabilities of a batch's tokens under the policy that training started with."""
        rows: list[Tensor] = []
        with self.policy.reference():
            for part in batch.split(self.config.micro_batch_size):
                rows += self._score(part).log_probs
        return pad_sequence(rows, batch_first=True)


def _means(keys: Iterable[str], rows: Sequence[dict[str, float]]) -> dict[str, float | None]:
    """The mean of each value over some rows, under the name that it is logged by."""
    return {
        f"train/{key}": float(np.mean([row[key] for row in rows])) if rows else None for key in keys
    }


class Corrections:
    """Corrected replies to imitate: the latest ones, old beside new (DAgger, Ross et al. 2011).

    Args:
        capacity: How many are kept; the oldest go first.
        seed: Of drawing from them.
    """

    def __init__(self, capacity: int, seed: int) -> None:
        self._kept: deque[Demonstration] = deque(maxlen=capacity)
        self._rng = np.random.default_rng([seed, 2])

    def add(self, corrections: Sequence[Demonstration]) -> None:
        """Keeps some more."""
        self._kept.extend(corrections)

    def sample(self, count: int) -> list[Demonstration]:
        """Draws some, uniformly and independently."""
        return [self._kept[i] for i in self._rng.integers(len(self._kept), size=count)]

    def state_dict(self) -> dict[str, Any]:
        """What is kept, and the draws to come."""
        return {
            "kept": [demonstration_state(each) for each in self._kept],
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        self._kept.clear()
        self._kept.extend(map(demonstration_from, state["kept"]))
        self._rng.bit_generator.state = state["rng"]


def thought_loss(policy: VLMPolicy, corrected: Sequence[Demonstration]) -> Tensor:
    """`imitation_loss` of corrected replies, shape (batch,)."""
    replies = [policy.encode_reply(each.reply) for each in corrected]
    starts = [parse(each.reply, each.observation.actions).action_start for each in corrected]
    action_tokens = [
        policy.action_token(reply, start) for reply, start in zip(replies, starts, strict=True)
    ]
    scores = policy.score([each.observation for each in corrected], replies, temperature=1.0)
    return imitation_loss(
        scores.log_probs, scores.mask, torch.tensor(action_tokens, device=policy.device)
    )


def _explained_variance(rollout: Rollout | GroupRollout, config: PPOConfig) -> float | None:
    """Of the returns, by the values; `None` without a critic, or if all returns are equal."""
    if isinstance(rollout, GroupRollout):
        return None
    errors = rollout.advantages(config.gamma, config.gae_lambda)
    variance = float((errors + rollout.values).var())
    return 1 - float(errors.var()) / variance if variance else None


def train_ppo(config: PPOConfig) -> VLMPolicy:
    """Trains a policy by its environment's reward and saves it in `config.out`.

    The configuration that is saved with it has numbers in place of all defaults that depend on the
    model or the environment. An interrupt (Ctrl-C) or an error saves what was learned so far before
    it is raised again; `resume_ppo` goes on from the last checkpoint.

    Raises:
        FileExistsError: If `config.out` holds anything already.
        OSError: If something cannot be written.
    """
    check_free(config.out, overwrite=config.overwrite)
    make_env(config.env, **config.env_kwargs).close()
    policy = VLMPolicy.load(
        config.model,
        options=config,
        temperature=config.temperature,
        max_new_tokens=config.max_new_tokens,
        top_k=config.top_k,
        top_p=config.top_p,
        memory=config.memory,
    )
    if config.cot and not policy.cot:
        raise ValueError(f"{config.model} was fine-tuned without reasoning: pass --no-cot")
    if policy.settings.temperature <= 0:
        raise ValueError(f"{config.model} was saved as greedy: pass a --temperature above 0")
    policy.settings = replace(policy.settings, cot=config.cot)
    policy.seed(config.seed)
    return _run(config, policy, None)


def resume_ppo(place: str | Path) -> VLMPolicy:
    """Goes on with a training that was interrupted, with the options that it began with.

    On the CPU, what comes of it is what would have come without the interruption, to the last bit.
    A warning tells of environments that do not come back to where they were.

    Args:
        place: Directory of the run, for its newest checkpoint, or the folder of a checkpoint; those
            after it are removed then.

    Raises:
        FileNotFoundError: If there is no such directory.
        CheckpointError: If there is no checkpoint, or the newest is damaged.
        ValueError: If the run's options were changed.
        OSError: If something cannot be written.
    """
    saved = read_saved(place, "ppo", PPOConfig)
    return _run(saved.config, saved.policy(), saved)


def _run(config: PPOConfig, policy: VLMPolicy, saved: Saved[PPOConfig] | None) -> VLMPolicy:
    """Trains from the start, or from a checkpoint on."""
    collector = _collector(config, policy)
    try:
        run = Run(
            config.out,
            _resolved(config, policy, collector),
            overwrite=config.overwrite,
            resumed=None if saved is None else saved.position,
        )
        with (
            run.saving(policy),
            record_run(config, policy, collector.illegal_penalty) as recorder,
        ):
            _train(config, policy, collector, run, recorder, saved)
    finally:
        collector.close()
    return policy


def _collector(config: PPOConfig, policy: VLMPolicy) -> Collector | GroupCollector:
    options: dict[str, Any] = {
        "seed": config.seed,
        "env_kwargs": config.env_kwargs,
        "illegal_penalty": config.illegal_penalty,
        "memory": policy.memory,
        "correct": config.imitation_coef > 0,
    }
    if config.has_critic:
        return Collector(config.env, config.num_envs, **options)
    return GroupCollector(config.env, config.num_envs, config.group_size, **options)


def value_learning_rate(config: PPOConfig) -> float:
    """The value head's learning rate: by default the model's."""
    own = config.value_learning_rate
    return config.learning_rate if own is None else own


def _resolved(
    config: PPOConfig, policy: VLMPolicy, collector: Collector | GroupCollector
) -> PPOConfig:
    settings = policy.settings
    return replace(
        config,
        temperature=settings.temperature,
        max_new_tokens=settings.max_new_tokens,
        top_k=settings.top_k,
        top_p=settings.top_p,
        memory=settings.memory,
        illegal_penalty=collector.illegal_penalty,
        value_learning_rate=value_learning_rate(config),
    )


def _train(
    config: PPOConfig,
    policy: VLMPolicy,
    collector: Collector | GroupCollector,
    run: Run,
    recorder: RolloutRecorder | None,
    saved: Saved[PPOConfig] | None,
) -> None:
    batch = config.num_envs * config.rollout_steps
    total = -(-config.total_steps // batch) * batch
    algorithm = PPO(policy, config, total)
    parts: dict[str, Stateful] = {"algorithm": algorithm, "collector": collector}
    if recorder is not None:
        parts["recorder"] = recorder
    saver = Saver(
        run, "ppo", policy, parts, every=config.checkpoint_every, keep=config.keep_checkpoints
    )
    done = saver.restore(saved) if saved is not None else 0
    if recorder is not None and isinstance(collector, Collector):
        recorder.forget(collector.begun_anew)
    with (
        tqdm(total=total, initial=min(done, total), desc="ppo", unit=" steps") as progress,
        saver.finishing_updates(),
    ):
        while done < total:
            rollout = collector.collect(policy, config.rollout_steps)
            if recorder is not None:
                recorder.add(rollout, estimate_advantages(rollout, config).ravel().tolist(), done)
            started = time.perf_counter()
            metrics = {**rollout.metrics, **algorithm.update(rollout)}
            steps = len(rollout.flat_replies())
            metrics["time/update_steps_per_second"] = steps / (time.perf_counter() - started)
            metrics["system/peak_memory_gib"] = peak_memory()
            done += steps
            run.log(done, metrics)
            progress.update(min(steps, total - progress.n))
            success = metrics["rollout/success_rate"]
            progress.set_postfix(success="-" if success is None else f"{success:.2f}")
            saver.updated(done, algorithm.updates, last=done >= total)
