"""The options of reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.options import (
    JsonObject,
    check_least,
    check_not_negative,
    check_positive,
    check_share,
)
from vlm_agent.training.algorithms import find_algorithm

Objective = Literal["step", "token"]

# Stands for what the algorithm sets; every such option has a value once a configuration is made,
# except for those that the algorithm does not use.
BY_ALGORITHM: Any = None
_DEFAULTS: dict[str, Any] = {
    "objective": "step",
    "thought_coef": 0.5,
    "group_size": 8,
    "step_advantage_coef": 1.0,
    "gamma": 0.9,
    "gae_lambda": 0.95,
    "kl_coef": 0.0,
    "imitation_coef": 0.0,
    "value_coef": 0.5,
    "stop_value_gradient": False,
    "standardise_values": False,
    "value_warmup": 0,
    "learning_rate": 1e-5,
    "final_learning_rate": 1e-9,
    "max_grad_norm": 0.5,
}
"""What an option is where neither its owner nor the algorithm sets it: the paper's numbers."""


@dataclass
class PPOConfig(ModelOptions):
    """Trains a policy by its environment's reward, by default as Zhai et al. 2024 on card games.

    Options that are marked (algorithm) are set by the algorithm unless they are given; the number
    in brackets is what `--algorithm ppo` sets. An option that the algorithm does not use is
    refused.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        model: Directory or hub name of the model to start from.
        out: Directory of the run.
        algorithm: ppo (Zhai et al. 2024), vl-dac, grpo, gigpo or gtr, each with the numbers of its
            paper; or MODULE:CLASS of your own.
        env_kwargs: Keyword arguments of the environment, as JSON.
        overwrite: Replace a run that --out holds.
        seed: Random seed of episodes, replies and minibatches.
        cot: Read out the state and reason before the action.
        history_length: Number of earlier steps, pictures and actions, in the prompt; by default as
            saved with the model.
        temperature: Of sampling and of log-probabilities alike; by default as saved with the model.
        max_new_tokens: Longest reply, in tokens; by default as saved with the model.
        top_k: Sample from this many of the likeliest tokens, 0 for all; by default as saved with
            the model.
        top_p: Sample from the fewest likeliest tokens that together have this probability; by
            default as saved with the model.
        objective: Take PPO's ratio of the log-probability of a step, or of each token (algorithm:
            step).
        thought_coef: λ, the weight of the thought's log-probability next to the action's. At 0, a
            reply without an action counts in full, so that a penalty can teach it to name one
            (algorithm: 0.5).
        group_size: Episodes from each random seed; grpo and gigpo (algorithm: 8).
        step_advantage_coef: ω, the weight of a step's advantage next to the episode's; gigpo
            (algorithm: 1).
        total_steps: Number of environment steps.
        num_envs: Number of environments stepped together.
        rollout_steps: Steps of each environment before an update; grpo and gigpo play whole groups
            until they have as many.
        illegal_penalty: Subtracted from the reward of a step whose reply names no legal action; by
            default 1 where actions are text, else 0 (gigpo: 0.1).
        gamma: Discount factor (algorithm: 0.9).
        gae_lambda: Decay of the advantage estimate; algorithms with a critic (algorithm: 0.95).
        normalise_advantages: Scale each rollout's advantages to mean 0 and standard deviation 1;
            grpo and gigpo divide by each group's standard deviation. Where a policy wins nearly
            always, this magnifies the noise that is left.
        ppo_epochs: Passes over each rollout.
        minibatch_size: Most steps for an optimizer step; a rollout is split evenly.
        micro_batch_size: Most steps for a forward pass; lower it to save memory.
        micro_batch_tokens: Most tokens for a forward pass, including pictures and padding; a longer
            step is passed by itself. Unlimited by default.
        clip_range: How far a ratio may move from 1.
        target_kl: End an update early once a minibatch's KL divergence from the policy that
            collected the rollout exceeds this; never by default.
        entropy_coef: Weight of a bonus for the entropy of the tokens' distributions.
        kl_coef: Weight of the KL divergence from the policy that training started with (algorithm:
            0).
        imitation_coef: Weight of imitating the thoughts of the environment's expert. Each imitated
            reply weighs the same, as each step of PPO does (algorithm: 0; gtr: 1).
        imitation_buffer_size: Number of corrected replies that are kept to imitate.
        value_coef: Weight of the value loss; algorithms with a critic (algorithm: 0.5).
        stop_value_gradient: Keep the value loss from the model: only the value head learns from it,
            and its gradient is clipped by itself (algorithm: false).
        standardise_values: Standardise the hidden states that a fresh value head is given, as
            measured on the first rollout (algorithm: false).
        value_warmup: Number of first updates in which only the value head learns (algorithm: 0).
        learning_rate: Peak of the cosine schedule (algorithm: 1e-5).
        final_learning_rate: End of the cosine schedule (algorithm: 1e-9).
        value_learning_rate: Peak for the value head; by default the model's.
        max_grad_norm: Gradient norm to clip to (algorithm: 0.5).
        record_episodes: Number of episodes of each rollout to record in the run's folder
            `trajectories`, with pictures, prompts, replies and token probabilities, for `vlm-agent
            report`; 0 for none.
        checkpoint_every: Updates between checkpoints, from which --resume continues; 0 for none.
        keep_checkpoints: Number of newest checkpoints to keep.
    """

    env: str
    model: str
    out: str
    algorithm: str = "ppo"
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    seed: int = 0
    cot: bool = True
    history_length: int | None = None
    temperature: float | None = None
    max_new_tokens: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    objective: Objective = BY_ALGORITHM
    thought_coef: float = BY_ALGORITHM
    group_size: int = BY_ALGORITHM
    step_advantage_coef: float = BY_ALGORITHM
    total_steps: int = 15_000
    num_envs: int = 8
    rollout_steps: int = 64
    illegal_penalty: float | None = None
    gamma: float = BY_ALGORITHM
    gae_lambda: float = BY_ALGORITHM
    normalise_advantages: bool = True
    ppo_epochs: int = 4
    minibatch_size: int = 128
    micro_batch_size: int = 16
    micro_batch_tokens: int | None = None
    clip_range: float = 0.1
    target_kl: float | None = None
    entropy_coef: float = 0.0
    kl_coef: float = BY_ALGORITHM
    imitation_coef: float = BY_ALGORITHM
    imitation_buffer_size: int = 1024
    value_coef: float = BY_ALGORITHM
    stop_value_gradient: bool = BY_ALGORITHM
    standardise_values: bool = BY_ALGORITHM
    value_warmup: int = BY_ALGORITHM
    learning_rate: float = BY_ALGORITHM
    final_learning_rate: float = BY_ALGORITHM
    value_learning_rate: float | None = None
    max_grad_norm: float = BY_ALGORITHM
    record_episodes: int = 4
    checkpoint_every: int = 1
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        """Fills in what the algorithm sets, and refuses what cannot be trained with."""
        super().__post_init__()
        chosen = find_algorithm(self.algorithm)
        for name in sorted(chosen.unused):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name}={getattr(self, name)} with algorithm={self.algorithm!r}, which does "
                    f"not use it: leave {name} out, or choose another algorithm"
                )
        for name, value in {**_DEFAULTS, **chosen.preset}.items():
            if name not in chosen.unused and getattr(self, name) is None:
                setattr(self, name, value)
        check_least(self, 1, "total_steps", "num_envs", "rollout_steps", "ppo_epochs")
        check_least(self, 1, "minibatch_size", "micro_batch_size", "imitation_buffer_size")
        check_least(self, 2, "group_size")
        check_share(self, "thought_coef", "gamma", "gae_lambda")
        check_positive(self, "clip_range", "max_grad_norm", "target_kl", "micro_batch_tokens")
        check_positive(self, "learning_rate", "final_learning_rate", "value_learning_rate")
        check_not_negative(self, "history_length", "illegal_penalty", "value_coef", "value_warmup")
        check_not_negative(self, "entropy_coef", "kl_coef", "imitation_coef")
        check_not_negative(self, "step_advantage_coef", "record_episodes", "checkpoint_every")
        check_least(self, 1, "keep_checkpoints")
        if self.temperature is not None and self.temperature <= 0:
            raise ValueError(
                f"temperature={self.temperature}: expected above 0, because a greedy policy does "
                "not explore and has no log-probabilities"
            )
        if self.minibatch_size % self.micro_batch_size:
            raise ValueError(
                f"minibatch_size={self.minibatch_size} is not a multiple of "
                f"micro_batch_size={self.micro_batch_size}"
            )
        if self.imitation_coef > 0 and not self.cot:
            raise ValueError(
                f"imitation_coef={self.imitation_coef} with cot=False: there are no thoughts to "
                "imitate; expected 0"
            )

    @property
    def has_critic(self) -> bool:
        """Whether advantages ask the value head, which then learns."""
        return find_algorithm(self.algorithm).has_critic
