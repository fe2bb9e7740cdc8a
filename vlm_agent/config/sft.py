"""Options of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import (
    Fraction,
    JsonObject,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
)


@dataclass
class SFTConfig(ModelOptions, PromptOptions):
    """Fine-tunes a model on an expert's or a person's replies, and saves it as a policy.

    Args: Run
        out: Directory of the run.
        overwrite: Replace an existing run in --out.
        seed: Random seed of weights, episodes and random actions.
        checkpoint_every: Optimiser steps between checkpoints, from which --resume continues; 0 for
            none.
        keep_checkpoints: Number of checkpoints to keep, the latest ones.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.

    Args: Model
        model: The word tiny, a directory, or a name on a hub.

    Args: Replies
        cot: Read out the state and reason before the action.
        history_length: Number of earlier steps, pictures and actions, in a prompt.
        temperature: Sampling temperature of the trained policy.
        max_new_tokens: Maximum length of the trained policy's replies in tokens.

    Args: Demonstrations
        samples: Number of complete demonstrations to train on.
        random_share: Fraction of the demonstrator's actions that are random.
        shown_share: Fraction of the demonstrator's steps to train on; fewer steps of each episode
            make demonstrations less alike where many steps share a picture.
        demonstrations: File of episodes that a person played, instead of the expert's.
        successes_only: Leave out failed and unfinished episodes of that file.
        caption_samples: Number of pictures to read out before anything else, the first half without
            a prompt and the second half after one.
        reasoning_samples: Number of demonstrations without picture and prompt, spread among the
            complete ones, of which only thoughts and action are learned, given the state.

    Args: Optimisation
        batch_size: Demonstrations per optimiser step.
        learning_rate: Peak of the cosine schedule; by default 2e-3 for tiny and 2e-5 for others.
        max_grad_norm: Maximum gradient norm, for clipping.
        probe_weight: Weight of the loss of a linear probe that reads pictures from their
            embeddings; 0 for none.

    Args: Memory
        micro_batch_size: Demonstrations per forward pass; lower it to save memory.
        micro_batch_tokens: Maximum number of tokens per forward pass, including those of pictures
            and padding; a longer demonstration gets a pass of its own.
    """

    env: str
    out: str
    model: str = "tiny"
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    cot: bool = True
    history_length: NonNegativeInt = 0
    random_share: Fraction = 0.0
    shown_share: PositiveFraction = 1.0
    demonstrations: str | None = None
    successes_only: bool = False
    caption_samples: NonNegativeInt = 0
    reasoning_samples: NonNegativeInt = 0
    samples: PositiveInt = 4096
    probe_weight: NonNegativeFloat = 0.0
    batch_size: PositiveInt = 16
    micro_batch_size: PositiveInt = 16
    micro_batch_tokens: PositiveInt | None = 16_384
    learning_rate: PositiveFloat | None = None
    max_grad_norm: PositiveFloat = 1.0
    temperature: NonNegativeFloat = 0.2
    max_new_tokens: PositiveInt = 256
    checkpoint_every: NonNegativeInt = 100
    keep_checkpoints: PositiveInt = 2

    def __post_init__(self) -> None:
        """Refuses options that contradict each other."""
        super().__post_init__()
        if (self.caption_samples or self.reasoning_samples) and not self.cot:
            raise ValueError(
                "caption_samples and reasoning_samples need replies with state and thoughts: leave "
                "them out, or leave out cot=False"
            )
        if self.demonstrations is None and self.successes_only:
            raise ValueError(
                "successes_only=True selects among the episodes of demonstrations: give that file"
            )
        own = self.random_share or self.env_kwargs or self.shown_share < 1
        if self.demonstrations is not None and own:
            raise ValueError(
                "recorded episodes have their own actions and variants: leave out random_share, "
                "shown_share and env_kwargs, or demonstrations"
            )
        changed = self.lora or self.load_in_4bit or self.gradient_checkpointing
        if self.model == "tiny" and (changed or self.dtype != "auto"):
            raise ValueError(
                "model='tiny' is trained from scratch, in float32, with all its weights: leave out "
                "lora, load_in_4bit, dtype and gradient_checkpointing, or name another model"
            )
