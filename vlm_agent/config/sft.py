"""Options of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.options import (
    JsonObject,
    check_least,
    check_not_negative,
    check_positive,
    check_share,
)


@dataclass
class SFTConfig(ModelOptions):
    """Fine-tunes a model on the replies of an expert or a person, and saves it as a policy.

    Args:
        env: Environment id, such as gym_cards/NumberLine-v0.
        out: Directory of the run.
        model: Tiny, a directory or a hub name of a model.
        env_kwargs: Keyword arguments of the environment, as JSON.
        overwrite: Replace a run that --out holds.
        seed: Of weights, episodes and random moves.
        cot: Read out the state and reason before the action.
        history_length: Steps of the episode, pictures and actions, that the prompt recalls.
        random_share: Share of the demonstrator's moves that are random, 0 to 1.
        shown_share: Share of the demonstrator's moves that are learned from, 0 to 1; fewer of each
            episode make demonstrations less alike, where many moves share a picture.
        demonstrations: File of episodes that a person played, instead of the expert's.
        successes_only: Leave out episodes of that file that were lost or broken off.
        caption_samples: Pictures to read out before anything else, the first half without a prompt,
            the second behind it.
        reasoning_samples: Demonstrations without picture and prompt, dealt out between the others,
            of which only thoughts and action are learned, from what was read.
        samples: Demonstrations to learn from, whole.
        probe_weight: Weight of the loss of a linear probe that reads pictures off their embeddings,
            wherever there are pictures; 0 for none.
        batch_size: Demonstrations an optimiser step.
        micro_batch_size: Demonstrations a forward pass; lower it to save memory.
        learning_rate: Peak of a cosine; by default 2e-3 for tiny and 2e-5 for others.
        max_grad_norm: Gradient norm to clip to.
        temperature: At which the trained policy will act.
        max_new_tokens: Longest reply of the trained policy, in tokens.
        checkpoint_every: Optimiser steps between checkpoints, from which --resume goes on; 0 for
            none.
        keep_checkpoints: How many of the newest checkpoints to keep.
    """

    env: str
    out: str
    model: str = "tiny"
    env_kwargs: JsonObject = field(default_factory=dict)
    overwrite: bool = False
    seed: int = 0
    cot: bool = True
    history_length: int = 0
    random_share: float = 0.0
    shown_share: float = 1.0
    demonstrations: str | None = None
    successes_only: bool = False
    caption_samples: int = 0
    reasoning_samples: int = 0
    samples: int = 4096
    probe_weight: float = 0.0
    batch_size: int = 16
    micro_batch_size: int = 16
    learning_rate: float | None = None
    max_grad_norm: float = 1.0
    temperature: float = 0.2
    max_new_tokens: int = 256
    checkpoint_every: int = 100
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        """Refuses numbers that cannot be trained with."""
        super().__post_init__()
        check_least(self, 1, "samples", "batch_size", "micro_batch_size")
        check_positive(self, "max_grad_norm", "learning_rate")
        check_not_negative(
            self,
            "history_length",
            "checkpoint_every",
            "caption_samples",
            "reasoning_samples",
            "probe_weight",
        )
        if (self.caption_samples or self.reasoning_samples) and not self.cot:
            raise ValueError(
                "caption_samples and reasoning_samples are of replies that read out the state and "
                "have thoughts: leave them out, or cot=False"
            )
        check_least(self, 1, "keep_checkpoints")
        if self.demonstrations is None and self.successes_only:
            raise ValueError(
                "successes_only chooses among the episodes of --demonstrations: name it"
            )
        check_share(self, "shown_share")
        check_positive(self, "shown_share")
        own = self.random_share or self.env_kwargs or self.shown_share < 1
        if self.demonstrations is not None and own:
            raise ValueError(
                "recorded episodes hold their own moves and variants: leave out random_share, "
                "shown_share and env_kwargs, or demonstrations"
            )
        changed = self.lora or self.load_in_4bit or self.gradient_checkpointing
        if self.model == "tiny" and (changed or self.dtype != "auto"):
            raise ValueError(
                "model='tiny' is built from nothing, in float32, with all weights trained: leave "
                "out lora, load_in_4bit, dtype and gradient_checkpointing, or name another model"
            )
