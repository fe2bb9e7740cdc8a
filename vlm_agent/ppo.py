"""PPO on a vision-language model in a live environment (Zhai et al. 2024, section 4).

The policy's log-probability of a step is λ Σ log p(thought tokens) + Σ log p(action tokens), and
PPO's ratio is taken of that; the whole model learns from the environment's reward.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import mse_loss
from tqdm import tqdm
from transformers import get_cosine_with_min_lr_schedule_with_warmup

from vlm_agent.options import JsonObject, check_least, check_positive, check_share
from vlm_agent.policy import VLMPolicy
from vlm_agent.rollout import Collector, Rollout
from vlm_agent.runs import Run
from vlm_agent.task import Observation, Reply


@dataclass
class PPOConfig:
    """Trains a policy by its environment's reward; the defaults are the paper's for the card games.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        model: Directory or hub name of the model to start from.
        out: Directory of the run.
        env_kwargs: Keyword arguments of the environment, as JSON.
        overwrite: Replace a run that --out holds.
        seed: Of episodes, replies and minibatches.
        cot: Read out the state and reason before the action.
        thought_coef: λ, the weight of the thought's log-probability.
        temperature: Of sampling and of log-probabilities alike; by default as saved with the model.
        max_new_tokens: Longest reply, in tokens; by default as saved with the model.
        total_steps: Environment steps in all.
        num_envs: Environments stepped together.
        rollout_steps: Steps of each environment before an update.
        illegal_penalty: Taken from the reward of a step whose reply names no legal action.
        gamma: Discount factor.
        gae_lambda: Decay of the advantage estimate.
        normalise_advantages: Scale each rollout's advantages to mean 0 and deviation 1. Where a
            policy wins nearly always, this blows up the noise that is left.
        epochs: Passes over each rollout.
        minibatch_size: Steps an optimiser step.
        micro_batch_size: Steps a forward pass; lower it to save memory.
        clip: How far the ratio may move from 1.
        target_kl: An update ends early once a minibatch's KL divergence from the policy that
            collected the rollout exceeds this; by default never.
        value_coef: Weight of the value loss.
        stop_value_gradient: Keep the value loss from the model: the value head alone learns.
        learning_rate: Peak of the cosine.
        final_learning_rate: End of the cosine.
        value_learning_rate: Of the value head; by default as the model's.
        max_grad_norm: Gradient norm to clip to.
    """

    env: str
    model: str
    out: str
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    seed: int = 0
    cot: bool = True
    thought_coef: float = 0.5
    temperature: float | None = None
    max_new_tokens: int | None = None
    total_steps: int = 15_000
    num_envs: int = 8
    rollout_steps: int = 64
    illegal_penalty: float = 0.0
    gamma: float = 0.9
    gae_lambda: float = 0.95
    normalise_advantages: bool = True
    epochs: int = 4
    minibatch_size: int = 128
    micro_batch_size: int = 16
    clip: float = 0.1
    target_kl: float | None = None
    value_coef: float = 0.5
    stop_value_gradient: bool = False
    learning_rate: float = 1e-5
    final_learning_rate: float = 1e-9
    value_learning_rate: float | None = None
    max_grad_norm: float = 0.5

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        check_least(self, 1, "total_steps", "num_envs", "rollout_steps", "epochs")
        check_least(self, 1, "minibatch_size", "micro_batch_size")
        check_share(self, "thought_coef", "gamma", "gae_lambda")
        check_positive(self, "clip", "max_grad_norm", "target_kl")
        check_positive(self, "learning_rate", "final_learning_rate", "value_learning_rate")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(
                f"temperature={self.temperature}: expected above 0, since a greedy policy does not "
                "explore and has no log-probabilities"
            )
        if self.minibatch_size % self.micro_batch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size} is not a multiple of "
                f"micro_batch_size={self.micro_batch_size}"
            )


def step_log_prob(
    log_probs: Tensor, mask: Tensor, action_tokens: Tensor, thought_coef: float
) -> Tensor:
    """λ Σ log p(thought tokens) + Σ log p(action tokens), equation 4.2 of the paper.

    Args:
        log_probs: One a token, shape (batch, tokens).
        mask: Where a token is, not padding; bool, same shape.
        action_tokens: Index of each reply's first action token, shape (batch,).
        thought_coef: λ.

    Returns:
        Shape (batch,).
    """
    in_action = torch.arange(log_probs.shape[1], device=log_probs.device) >= action_tokens[:, None]
    weights = torch.where(in_action, 1.0, thought_coef)
    return torch.where(mask, weights * log_probs, 0.0).sum(dim=1)


def clipped_objective(ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """PPO's surrogate, one a step (Schulman et al. 2017, equation 7); to be maximised."""
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


class Batch(NamedTuple):
    """Steps of a rollout, flattened, with what PPO needs of each."""

    observations: Sequence[Observation]
    replies: Sequence[Reply]
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor

    def select(self, indices: Sequence[int]) -> Batch:
        """The steps at some indices."""
        return Batch(
            [self.observations[i] for i in indices],
            [self.replies[i] for i in indices],
            self.log_probs[list(indices)],
            self.advantages[list(indices)],
            self.returns[list(indices)],
        )


def make_batch(rollout: Rollout, config: PPOConfig, device: torch.device) -> Batch:
    """Advantages, normalised if so configured, returns, and log-probabilities of sampling."""
    advantages = rollout.advantages(config.gamma, config.gae_lambda)
    returns = advantages + rollout.values
    replies = [reply for step in rollout.replies for reply in step]
    if config.normalise_advantages:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)

    def tensor(array: Any) -> Tensor:
        return torch.tensor(np.ravel(array), dtype=torch.float32, device=device)

    return Batch(
        [observation for step in rollout.observations for observation in step],
        replies,
        _sampled_log_probs(replies, config.thought_coef).to(device),
        tensor(advantages),
        tensor(returns),
    )


def _sampled_log_probs(replies: Sequence[Reply], thought_coef: float) -> Tensor:
    """`step_log_prob` of replies as they were sampled; no second forward pass is needed."""
    log_probs = torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(reply.log_probs) for reply in replies], batch_first=True
    )
    lengths = torch.tensor([len(reply.tokens) for reply in replies])
    mask = torch.arange(log_probs.shape[1]) < lengths[:, None]
    action_tokens = torch.tensor([reply.action_token for reply in replies])
    return step_log_prob(log_probs, mask, action_tokens, thought_coef)


class PPO:
    """The algorithm: turns rollouts into updates of a policy.

    Invariant: replies are scored under the observations they answered, so that before the first
    optimiser step of an update every ratio is 1; `train/first_ratio_error` shows it.

    Args:
        policy: The policy to train; dropout stays off, in rollouts and updates alike.
        config: The numbers.
        updates: How many updates there will be, for the learning rate's cosine.
    """

    def __init__(self, policy: VLMPolicy, config: PPOConfig, updates: int) -> None:
        self.policy = policy.eval()
        self.config = config
        self._rng = np.random.default_rng(config.seed)
        self._parameters = [p for p in policy.parameters() if p.requires_grad]
        head = {id(parameter) for parameter in policy.value_head.parameters()}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self._parameters if id(p) not in head]},
            {
                "params": list(policy.value_head.parameters()),
                "lr": (
                    config.learning_rate
                    if config.value_learning_rate is None
                    else config.value_learning_rate
                ),
            },
        ]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate)
        minibatches = -(-config.num_envs * config.rollout_steps // config.minibatch_size)
        self._steps_per_update = config.epochs * minibatches
        self.schedule = get_cosine_with_min_lr_schedule_with_warmup(
            self.optimizer,
            num_warmup_steps=0,
            num_training_steps=updates * self._steps_per_update,
            min_lr_rate=config.final_learning_rate / config.learning_rate,
        )

    def update(self, rollout: Rollout) -> dict[str, float | None]:
        """Makes the optimiser steps that one rollout is worth, and reports on them."""
        batch = make_batch(rollout, self.config, self.policy.device)
        seen: list[dict[str, float]] = []
        norms: list[float] = []
        for minibatch in self._minibatches(batch):
            self.optimizer.zero_grad()
            parts = [self._accumulate(part, minibatch) for part in self._split(minibatch)]
            seen.append({key: sum(part[key] for part in parts) for key in _SUMMED})
            seen[-1]["ratio_error"] = max(part["ratio_error"] for part in parts)
            if self.config.target_kl is not None and seen[-1]["approx_kl"] > self.config.target_kl:
                break
            norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.config.max_grad_norm)
            norms.append(norm.item())
            self.optimizer.step()
            self.schedule.step()
        learning_rate = self.schedule.get_last_lr()[0]
        for _ in range(self._steps_per_update - len(norms)):
            self.schedule.step()  # an update that ends early does not stretch the cosine
        errors = rollout.advantages(self.config.gamma, self.config.gae_lambda)
        variance = float((errors + rollout.values).var())
        return {
            **{f"train/{key}": float(np.mean([part[key] for part in seen])) for key in _SUMMED},
            "train/gradient_norm": float(np.mean(norms)) if norms else None,
            "train/optimizer_steps": len(norms),
            "train/first_ratio_error": seen[0]["ratio_error"],
            "train/explained_variance": 1 - float(errors.var()) / variance if variance else None,
            "train/learning_rate": learning_rate,
        }

    def _minibatches(self, batch: Batch) -> Iterator[Batch]:
        for _ in range(self.config.epochs):
            order = self._rng.permutation(len(batch.replies)).tolist()
            for start in range(0, len(order), self.config.minibatch_size):
                yield batch.select(order[start : start + self.config.minibatch_size])

    def _split(self, minibatch: Batch) -> Iterator[Batch]:
        size = self.config.micro_batch_size
        for start in range(0, len(minibatch.replies), size):
            yield minibatch.select(range(start, min(start + size, len(minibatch.replies))))

    def _accumulate(self, part: Batch, minibatch: Batch) -> dict[str, float]:
        """Adds the gradient of a micro-batch, weighted by its share of the minibatch."""
        scores = self.policy.score(
            part.observations,
            [reply.tokens for reply in part.replies],
            stop_value_gradient=self.config.stop_value_gradient,
        )
        log_probs = step_log_prob(
            scores.log_probs,
            scores.mask,
            torch.tensor([reply.action_token for reply in part.replies], device=self.policy.device),
            self.config.thought_coef,
        )
        log_ratio = log_probs - part.log_probs
        ratio = log_ratio.exp()
        policy_loss = -clipped_objective(ratio, part.advantages, self.config.clip).mean()
        value_loss = mse_loss(scores.values, part.returns)
        share = len(part.replies) / len(minibatch.replies)
        loss = policy_loss + self.config.value_coef * value_loss
        (share * loss).backward()
        with torch.no_grad():
            clipped = ((ratio - 1).abs() > self.config.clip).float().mean()
            return {
                "policy_loss": share * policy_loss.item(),
                "value_loss": share * value_loss.item(),
                # Schulman's estimator with low variance: E[(r - 1) - log r].
                "approx_kl": share * (ratio - 1 - log_ratio).mean().item(),
                "clip_fraction": share * clipped.item(),
                "ratio_error": (ratio - 1).abs().max().item(),
            }


_SUMMED = ("policy_loss", "value_loss", "approx_kl", "clip_fraction")


def train_ppo(config: PPOConfig) -> VLMPolicy:
    """Trains a policy by its environment's reward and saves it in `config.out`.

    An interrupt (Ctrl-C) or an error saves what was learned so far before it is raised again.

    Raises:
        FileExistsError: If `config.out` holds anything already.
    """
    policy = VLMPolicy.load(
        config.model, temperature=config.temperature, max_new_tokens=config.max_new_tokens
    )
    if config.cot and not policy.cot:
        raise ValueError(f"{config.model} was fine-tuned without reasoning: pass --no-cot")
    if policy.settings.temperature <= 0:
        raise ValueError(f"{config.model} was saved as greedy: pass a --temperature above 0")
    policy.settings = replace(policy.settings, cot=config.cot)
    policy.seed(config.seed)
    collector = Collector(
        config.env,
        config.num_envs,
        seed=config.seed,
        env_kwargs=config.env_kwargs,
        illegal_penalty=config.illegal_penalty,
    )
    try:
        run = Run(config.out, config, overwrite=config.overwrite)
        with run.saving(policy):
            _train(config, policy, collector, run)
    finally:
        collector.close()
    return policy


def _train(config: PPOConfig, policy: VLMPolicy, collector: Collector, run: Run) -> None:
    batch = config.num_envs * config.rollout_steps
    updates = -(-config.total_steps // batch)
    algorithm = PPO(policy, config, updates)
    progress = tqdm(total=updates * batch, desc="ppo", unit=" steps")
    for update in range(1, updates + 1):
        started = time.perf_counter()
        rollout = collector.collect(policy, config.rollout_steps)
        collected = time.perf_counter()
        metrics = {**rollout.metrics, **algorithm.update(rollout)}
        ended = time.perf_counter()
        metrics["time/rollout_steps_per_second"] = batch / (collected - started)
        metrics["time/update_steps_per_second"] = batch / (ended - collected)
        run.log(update * batch, metrics)
        progress.update(batch)
        success = metrics["rollout/success_rate"]
        progress.set_postfix(success="-" if success is None else f"{success:.2f}")
    progress.close()
