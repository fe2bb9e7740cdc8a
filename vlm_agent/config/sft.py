"""Options of supervised fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vlm_agent.config.model import ModelOptions
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.trainer import TrainingOptions
from vlm_agent.config.training.environments import env_specs, spread
from vlm_agent.config.training.evaluation import EvaluationOptions
from vlm_agent.config.values import (
    Fraction,
    JsonObject,
    NonNegativeFloat,
    NonNegativeInt,
    OneOrMore,
    PathText,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    Required,
)
from vlm_agent.core.prompt_builder import History, check_history


@dataclass
class SFTConfig(ModelOptions, PromptOptions, EvaluationOptions, TrainingOptions):
    """Fine-tunes a model on replies of an expert, a person or a data set, and saves it as a policy.

    Args: Run
        out: Directory of the run.
        overwrite: Replace an existing run in --out.
        seed: Random seed of weights, episodes and random actions.
        checkpoint_every: Optimiser steps between checkpoints, from which --resume continues; 0 for
            none. By default 100, or more if they are large, so that writing takes up to 5% of the
            time.
        keep_checkpoints: Number of checkpoints to keep, the latest ones.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0, or several, to learn from the experts
            of all of them; with a data set, only to mix the experts' replies in.
        env_kwargs: Keyword arguments of the environment, as JSON; of several, one JSON object for
            all or one for each, in their order.
        env_weights: Shares of several environments in the demonstrations of each batch, relative to
            each other; by default all are equal.

    Args: Model
        model: The word tiny, a directory, or a name on a hub.

    Args: Replies
        cot: Read out the state and reason before the action.
        history: How a prompt shows earlier steps: steps, their pictures and actions in one message;
            actions, their actions alone; or replies, a conversation of their prompts and the
            demonstrator's replies.
        history_length: Number of earlier steps in a prompt.
        history_tokens: Maximum length in tokens, including those of pictures, of a prompt with
            earlier steps; the oldest are left out first. By default, replies get what the model's
            context holds, and others are not limited.
        temperature: Sampling temperature of the trained policy.
        max_new_tokens: Maximum length of the trained policy's replies in tokens.

    Args: Demonstrations
        samples: Number of complete demonstrations to train on, rounded up to whole batches; by
            default 4096 of an expert or a person, and one epoch of a data set.
        random_share: Fraction of the demonstrator's actions that are random.
        detour_share: Fraction of the steps in which a random action is played that is not
            demonstrated, so that demonstrations also start from where mistakes lead; below 1.
        shown_share: Fraction of the demonstrator's steps to train on; fewer steps of each episode
            make demonstrations less alike where many steps share a picture.
        demonstrations: File of episodes that a person played, instead of the expert's.
        successes_only: Leave out failed and unfinished episodes of that file.
        caption_samples: Number of pictures to read out before anything else, the first half without
            a prompt and the second half after one; without cot all of them without a prompt.
        reasoning_samples: Number of demonstrations without picture and prompt, spread among the
            complete ones, of which only thoughts and action are learned, given the state.
        reasoning_steps: Steps of episodes that reasoning without picture is of: all, or only the
            first of each episode, for thoughts that later replies continue.
        derived_fields: Fields at the end of the state that follow from those before them, such as
            the total of a hand. The reasoning without picture begins with them.
        prefetch_batches: Number of batches that a thread prepares ahead; 0 for no thread, if an
            environment has to run in the main one.

    Args: Data set
        dataset: Conversations to learn from: a .json, .jsonl or .parquet file, a directory, or a
            name on the Hugging Face hub; every reply of an assistant is a demonstration.
        dataset_split: Split of a data set that has several, so not of a single file.
        dataset_subset: Subset of a data set on the hub, or of a directory that is like one, that
            has several.
        dataset_share: Fraction of each batch that is from the data set; below 1, the rest is from
            the environment.
        epochs: Number of passes through the data set, in place of samples; together rounded up to
            whole batches.

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

    env: OneOrMore[str] | None = None
    out: Required[PathText] = ""
    model: PathText = "tiny"
    env_kwargs: OneOrMore[JsonObject] = field(default_factory=dict)
    env_weights: tuple[PositiveFloat, ...] = ()
    overwrite: bool = False
    cot: bool = True
    history: History = "steps"
    history_length: NonNegativeInt = 0
    history_tokens: PositiveInt | None = None
    random_share: Fraction = 0.0
    detour_share: Fraction = 0.0
    shown_share: PositiveFraction = 1.0
    demonstrations: PathText | None = None
    successes_only: bool = False
    caption_samples: NonNegativeInt = 0
    reasoning_samples: NonNegativeInt = 0
    reasoning_steps: Literal["all", "first"] = "all"
    derived_fields: tuple[str, ...] = ()
    samples: PositiveInt | None = None
    dataset: PathText | None = None
    dataset_split: str = "train"
    dataset_subset: str | None = None
    dataset_share: PositiveFraction = 1.0
    epochs: PositiveFloat | None = None
    prefetch_batches: NonNegativeInt = 2
    probe_weight: NonNegativeFloat = 0.0
    batch_size: PositiveInt = 16
    micro_batch_size: PositiveInt = 16
    micro_batch_tokens: PositiveInt | None = 16_384
    learning_rate: PositiveFloat | None = None
    max_grad_norm: PositiveFloat = 1.0
    temperature: NonNegativeFloat = 0.2
    max_new_tokens: PositiveInt = 256
    checkpoint_every: NonNegativeInt | None = None
    keep_checkpoints: PositiveInt = 2

    def __post_init__(self) -> None:
        """Refuses options that contradict each other."""
        super().__post_init__()
        if not self.out:
            raise ValueError("out='': expected a directory for the run")
        check_history(self.history, self.history_length, self.history_tokens)
        self._check_dataset()
        self._check_environments()
        if self.detour_share == 1:
            raise ValueError(
                "detour_share=1.0 leaves no step to demonstrate: expected a fraction below 1"
            )
        if self.reasoning_samples and not self.cot:
            raise ValueError(
                f"reasoning_samples={self.reasoning_samples} with cot=False, where replies have no "
                "thoughts: leave it out, or leave out cot=False"
            )
        if self.reasoning_steps == "first" and not self.reasoning_samples:
            raise ValueError(
                "reasoning_steps='first' is for reasoning_samples: give a number of these, or "
                "leave it out"
            )
        if self.reasoning_steps == "first" and self.demonstrations is not None:
            raise ValueError(
                "reasoning_steps='first' is for the expert of an environment, and demonstrations "
                f"are a person's: leave out one of them; demonstrations={self.demonstrations!r}"
            )
        if self.derived_fields and not self.reasoning_samples:
            raise ValueError(
                f"derived_fields={self.derived_fields!r} are for reasoning_samples: give a number "
                "of these, or leave them out"
            )
        if self.optimizer == "muon" and self.lora:
            raise ValueError(
                "optimizer='muon' with lora: it is for whole matrices; expected adamw or adamw_8bit"
            )
        if self.demonstrations is None and self.successes_only:
            raise ValueError(
                "successes_only=True selects among the episodes of demonstrations: give that file"
            )
        own = self.random_share or self.detour_share or self.env_kwargs or self.shown_share < 1
        if self.demonstrations is not None and own:
            raise ValueError(
                "recorded episodes have their own actions and variants: leave out random_share, "
                "detour_share, shown_share and env_kwargs, or demonstrations"
            )
        changed = self.lora or self.load_in_4bit or self.gradient_checkpointing
        chosen = (self.dtype, self.attn_implementation) != ("auto", "auto")
        if self.model == "tiny" and (changed or chosen):
            raise ValueError(
                "model='tiny' is trained from scratch, in float32, with all its weights: leave out "
                "lora, load_in_4bit, dtype, attn_implementation and "
                "gradient_checkpointing, or name another model"
            )

    def _check_dataset(self) -> None:
        if self.dataset is None:
            chosen = self.dataset_split != "train" or self.dataset_subset is not None
            if self.epochs or self.dataset_share < 1 or chosen:
                raise ValueError(
                    "epochs, dataset_share, dataset_split and dataset_subset are those of a data "
                    "set: give its name as dataset"
                )
            return
        if self.epochs is not None and self.samples is not None:
            raise ValueError(
                f"epochs={self.epochs} and samples={self.samples} both say how long to train: "
                "give one of them"
            )
        if self.caption_samples or self.reasoning_samples or self.probe_weight:
            raise ValueError(
                "caption_samples, reasoning_samples and probe_weight need the state that an "
                "environment tells: leave them out, or leave out dataset"
            )
        mixed = 0 < self.from_dataset < self.batch_size
        if (self.env is not None) != (self.dataset_share < 1):
            raise ValueError(
                f"env={self.env!r} with dataset_share={self.dataset_share}: to mix a data set with "
                "an environment give both, with a share below 1; to learn from the data set alone "
                "give neither"
            )
        if self.env is not None and not mixed:
            raise ValueError(
                f"dataset_share={self.dataset_share} of batch_size={self.batch_size} is "
                f"{self.from_dataset} demonstrations: expected some from both"
            )
        environment = {
            "env_kwargs": self.env_kwargs,
            "random_share": self.random_share,
            "detour_share": self.detour_share,
            "shown_share": self.shown_share < 1,
            "demonstrations": self.demonstrations,
        }
        if self.env is None and (given := [name for name, each in environment.items() if each]):
            raise ValueError(
                f"{', '.join(given)}: the data set needs no environment: leave that out, or mix in "
                "an environment with env and dataset_share"
            )

    def check_source(self) -> None:
        """Checks that there is something to learn from.

        Raises:
            ValueError: If there is neither an environment nor a data set.
        """
        if self.env is None and self.dataset is None:
            raise ValueError("env=None: give an environment to learn from, or a dataset")

    def _check_environments(self) -> None:
        if not self.env and self.dataset is None:
            return  # `train_sft` is given them, and checks again
        specs = env_specs(self.env, self.env_kwargs, self.env_weights)
        weights = [spec.weight for spec in specs]
        spread(weights, self.batch_size - self.from_dataset, "batch_size")
        if len(specs) > 1 and (self.demonstrations is not None or self.probe_weight):
            raise ValueError(
                f"demonstrations and probe_weight are for one environment, and env={self.env!r}: "
                "leave them out, or give one environment"
            )
        if self.eval_every and self.dataset and not specs and self.eval_env is None:
            raise ValueError(
                f"eval_every={self.eval_every} with a data set alone: give eval_env, to evaluate in"
            )

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate, or the default of the model."""
        return self.learning_rate or (2e-3 if self.model == "tiny" else 2e-5)

    @property
    def from_dataset(self) -> int:
        """Number of demonstrations of each batch that are from the data set."""
        return 0 if self.dataset is None else round(self.dataset_share * self.batch_size)
