"""Options of reinforcement learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.values import (
    Bounds,
    Fraction,
    JsonObject,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
)

Objective = Literal["step", "token"]
Advantages = Literal["gae", "grpo", "gigpo"]


@dataclass
class PPOConfig(ModelOptions):
    """Trains a policy on its environment's reward, by default as the paper does on the card games.

    Args: Run
        out: Directory of the run.
        overwrite: Replace an existing run in --out.
        seed: Random seed of episodes, replies and minibatches.
        record_episodes: Episodes of each rollout to record in the run's folder `trajectories`, with
            pictures, prompts, replies and token probabilities, for `vlm-agent report`; 0 for none.
        checkpoint_every: Updates between checkpoints, from which --resume continues; 0 for none.
        keep_checkpoints: Number of checkpoints to keep, the latest ones.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.
        illegal_penalty: Subtracted from the reward of a step whose reply names no legal action; by
            default 1 where actions are text, and 0 otherwise.

    Args: Model
        model: Directory or hub name of the model to start from.

    Args: Replies
        cot: Read out the state and reason before the action.
        history_length: Number of earlier steps, pictures and actions, in a prompt; by default as
            saved with the model.
        temperature: Temperature of sampling and of log-probabilities, above 0 because a greedy
            policy does not explore; by default as saved with the model.
        max_new_tokens: Maximum length of a reply in tokens; by default as saved with the model.
        top_k: Number of most likely tokens to sample from, 0 for all; by default as saved with the
            model.
        top_p: Sample from the fewest most likely tokens whose probabilities sum up to this; by
            default as saved with the model.

    Args: Rollouts
        total_steps: Environment steps in total.
        num_envs: Number of environments stepped together.
        rollout_steps: Steps of each environment per update; grpo and gigpo play whole groups until
            they have as many.

    Args: Advantages
        advantages: Estimator of how good a step was: gae uses the value head; grpo compares
            episodes that started from the same seed; gigpo also compares steps in the same state.
        gamma: Discount factor.
        gae_lambda: Decay of generalised advantage estimation; gae.
        group_size: Number of episodes per seed; grpo and gigpo.
        step_advantage_coef: ω, the weight of a step's advantage relative to the episode's; gigpo.
        normalise_advantages: Scale each rollout's advantages to mean 0 and standard deviation 1;
            grpo and gigpo divide by each group's deviation. Where a policy nearly always succeeds,
            this amplifies noise.

    Args: Loss
        objective: Unit of PPO's ratio: the log-probability of a step, or that of each token.
        thought_coef: λ, the weight of the thought's log-probability relative to the action's. At 0,
            a reply without an action counts in full, so that a penalty can teach it to name one.
        clip_range: Maximum distance of a ratio from 1.
        entropy_coef: Weight of a bonus for the entropy of the tokens' distributions.
        kl_coef: Weight of the KL divergence from the policy at the start of training.
        imitation_coef: Weight of imitating the thoughts of the environment's expert; GTR is 1 with
            a thought_coef of 0. Each imitated reply weighs as much as a step of PPO.
        imitation_buffer_size: Number of corrected replies of earlier steps that are also imitated.

    Args: Value function
        value_coef: Weight of the value loss; gae.
        stop_value_gradient: Train only the value head on the value loss, and clip its gradient
            separately; gae.
        standardise_values: Standardise the inputs of a fresh value head by the mean and deviation
            of hidden states in the first rollout; gae.
        value_warmup: Number of initial updates in which only the value head learns; gae.
        value_learning_rate: Learning rate of the value head; by default that of the model.

    Args: Optimisation
        ppo_epochs: Passes over each rollout.
        minibatch_size: Maximum number of steps per optimiser step; a rollout is split evenly.
        learning_rate: Peak of the cosine schedule.
        final_learning_rate: End of the cosine schedule.
        max_grad_norm: Maximum gradient norm, for clipping.
        target_kl: End an update early once a minibatch's KL divergence from the policy that
            collected the rollout exceeds this; by default never.

    Args: Memory
        micro_batch_size: Maximum number of steps per forward pass; lower it to save memory.
        micro_batch_tokens: Maximum number of tokens per forward pass, including those of pictures
            and padding; a longer step gets a pass of its own. By default unlimited.
    """

    env: str
    model: str
    out: str
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    seed: int = 0
    cot: bool = True
    history_length: NonNegativeInt | None = None
    temperature: PositiveFloat | None = None
    max_new_tokens: PositiveInt | None = None
    top_k: NonNegativeInt | None = None
    top_p: PositiveFraction | None = None
    objective: Objective = "step"
    thought_coef: Fraction = 0.5
    advantages: Advantages = "gae"
    group_size: Annotated[int, Bounds(2)] = 8
    step_advantage_coef: NonNegativeFloat = 1.0
    total_steps: PositiveInt = 15_000
    num_envs: PositiveInt = 8
    rollout_steps: PositiveInt = 64
    illegal_penalty: NonNegativeFloat | None = None
    gamma: Fraction = 0.9
    gae_lambda: Fraction = 0.95
    normalise_advantages: bool = True
    ppo_epochs: PositiveInt = 4
    minibatch_size: PositiveInt = 128
    micro_batch_size: PositiveInt = 16
    micro_batch_tokens: PositiveInt | None = None
    clip_range: PositiveFloat = 0.1
    target_kl: PositiveFloat | None = None
    entropy_coef: NonNegativeFloat = 0.0
    kl_coef: NonNegativeFloat = 0.0
    imitation_coef: NonNegativeFloat = 0.0
    imitation_buffer_size: PositiveInt = 1024
    value_coef: NonNegativeFloat = 0.5
    stop_value_gradient: bool = False
    standardise_values: bool = False
    value_warmup: NonNegativeInt = 0
    learning_rate: PositiveFloat = 1e-5
    final_learning_rate: PositiveFloat = 1e-9
    value_learning_rate: PositiveFloat | None = None
    max_grad_norm: PositiveFloat = 0.5
    record_episodes: NonNegativeInt = 4
    checkpoint_every: NonNegativeInt = 1
    keep_checkpoints: PositiveInt = 2

    def __post_init__(self) -> None:
        """Refuses options that contradict each other."""
        super().__post_init__()
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
        """Returns whether advantages use the value head, which is then trained."""
        return self.advantages == "gae"
