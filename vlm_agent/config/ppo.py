"""The options of reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.options import (
    JsonObject,
    check_least,
    check_not_negative,
    check_positive,
    check_share,
)
from vlm_agent.training.losses import Objective

Advantages = Literal["gae", "grpo", "gigpo"]


@dataclass
class PPOConfig(ModelOptions):
    """Trains a policy by its environment's reward, by default as the paper does on the card games.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        model: Directory or hub name of the model to start from.
        out: Directory of the run.
        env_kwargs: Keyword arguments of the environment, as JSON.
        overwrite: Replace a run that --out holds.
        seed: Of episodes, replies and minibatches.
        cot: Read out the state and reason before the action.
        history_length: Earlier steps of the episode, pictures and actions, that the prompt recalls;
            by default as saved with the model.
        temperature: Of sampling and of log-probabilities alike; by default as saved with the model.
        max_new_tokens: Longest reply, in tokens; by default as saved with the model.
        top_k: How many of the likeliest tokens may be written, 0 for all; by default as saved with
            the model.
        top_p: Of those, the fewest likeliest that together hold this probability may be written;
            by default as saved with the model.
        objective: What PPO's ratio is taken of: the log-probability of a step, or of each token.
        thought_coef: λ, the weight of the thought's log-probability beside the action's. At 0, a
            reply without an action counts in full, so that a penalty can teach it to name one.
        advantages: How good a step was: gae asks the value head; grpo compares episodes that
            started from the same seed, and gigpo also steps taken in the same state.
        group_size: Episodes from each seed; grpo and gigpo.
        step_advantage_coef: ω, the weight of a step's advantage beside the episode's; gigpo.
        total_steps: Environment steps in all.
        num_envs: Environments stepped together.
        rollout_steps: Steps of each environment before an update; grpo and gigpo play whole
            groups until they have as many.
        illegal_penalty: Taken from the reward of a step whose reply names no legal action; by
            default 1 where actions are text, and else 0.
        gamma: Discount factor.
        gae_lambda: Decay of the advantage estimate; gae.
        normalise_advantages: Scale each rollout's advantages to mean 0 and deviation 1; grpo and
            gigpo divide by each group's deviation. Where a policy wins nearly always, this blows
            up the noise that is left.
        ppo_epochs: Passes over each rollout.
        minibatch_size: Steps an optimiser step, at most; a rollout is dealt out evenly.
        micro_batch_size: Steps a forward pass, at most; lower it to save memory.
        micro_batch_tokens: Tokens a forward pass, at most, those of pictures and padding counted;
            a longer step is in a pass by itself. By default as many as the steps have.
        clip_range: How far a ratio may move from 1.
        target_kl: An update ends early once a minibatch's KL divergence from the policy that
            collected the rollout exceeds this; by default never.
        entropy_coef: Weight of a bonus for the entropy of the tokens' distributions.
        kl_coef: Weight of the KL divergence from the policy that training started with.
        imitation_coef: Weight of imitating the thoughts of the environment's expert; GTR is 1 with
            a thought_coef of 0. Each imitated reply weighs the same, as each step of PPO does.
        imitation_buffer_size: Corrected replies of earlier steps that are imitated too.
        value_coef: Weight of the value loss; gae.
        stop_value_gradient: Keep the value loss from the model: the value head alone learns from
            it, and its gradient is clipped by itself; gae.
        standardise_values: Give a fresh value head hidden states of mean 0 and deviation 1, as
            measured on the first rollout; gae.
        value_warmup: First updates in which nothing but the value head learns; gae.
        learning_rate: Peak of the cosine.
        final_learning_rate: End of the cosine.
        value_learning_rate: Of the value head; by default as the model's.
        max_grad_norm: Gradient norm to clip to.
        record_episodes: Episodes of each rollout to record in the run's folder `trajectories`, with
            pictures, prompts, replies and token probabilities, for `vlm-agent report`; 0 for none.
        checkpoint_every: Updates between checkpoints, from which --resume goes on; 0 for none.
        keep_checkpoints: How many of the newest checkpoints to keep.
    """

    env: str
    model: str
    out: str
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    seed: int = 0
    cot: bool = True
    history_length: int | None = None
    temperature: float | None = None
    max_new_tokens: int | None = None
    top_k: int | None = None
    top_p: float | None = None
    objective: Objective = "step"
    thought_coef: float = 0.5
    advantages: Advantages = "gae"
    group_size: int = 8
    step_advantage_coef: float = 1.0
    total_steps: int = 15_000
    num_envs: int = 8
    rollout_steps: int = 64
    illegal_penalty: float | None = None
    gamma: float = 0.9
    gae_lambda: float = 0.95
    normalise_advantages: bool = True
    ppo_epochs: int = 4
    minibatch_size: int = 128
    micro_batch_size: int = 16
    micro_batch_tokens: int | None = None
    clip_range: float = 0.1
    target_kl: float | None = None
    entropy_coef: float = 0.0
    kl_coef: float = 0.0
    imitation_coef: float = 0.0
    imitation_buffer_size: int = 1024
    value_coef: float = 0.5
    stop_value_gradient: bool = False
    standardise_values: bool = False
    value_warmup: int = 0
    learning_rate: float = 1e-5
    final_learning_rate: float = 1e-9
    value_learning_rate: float | None = None
    max_grad_norm: float = 0.5
    record_episodes: int = 4
    checkpoint_every: int = 1
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        super().__post_init__()
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
                f"temperature={self.temperature}: expected above 0, since a greedy policy does not "
                "explore and has no log-probabilities"
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
        if self.value_warmup > 0 and not self.has_critic:
            raise ValueError(
                f"value_warmup={self.value_warmup} with advantages={self.advantages!r}: no value "
                "is learned there; expected 0"
            )

    @property
    def has_critic(self) -> bool:
        """Whether advantages ask the value head, which then learns."""
        return self.advantages == "gae"
