"""How a model is read and which of its weights are trained; no torch is needed to say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlm_agent.config.options import check_least

Part = Literal["vision", "projector", "language"]
PARTS: tuple[Part, ...] = ("vision", "projector", "language")


@dataclass(kw_only=True)
class LoadOptions:
    """How a model's weights are read, to act with.

    Args:
        dtype: Number format that the model computes in; auto is the one its weights are saved in,
            and bfloat16 with 4 bits.
        load_in_4bit: Quantise the weights to 4 bits as they are read (needs bitsandbytes).
        trust_remote_code: Run the Python code that comes with a model; only for models whose
            authors you trust.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    load_in_4bit: bool = False
    trust_remote_code: bool = False


@dataclass(kw_only=True)
class ModelOptions(LoadOptions):
    """How a model is read and which of its weights are trained; a base of a trainer's config.

    Weights that are trained are kept in float32, whatever the model computes in: at a learning
    rate of 1e-5, an update of a bfloat16 weight is mostly lost to rounding.

    Args:
        lora: Train low-rank adapters instead of all weights.
        lora_rank: Rank of a new adapter; one that was saved with the model keeps its own.
        lora_alpha: A new adapter's output is scaled by alpha / rank.
        lora_dropout: Of a new adapter's input, in fine-tuning; PPO never drops anything.
        lora_parts: Parts of the model that get a new adapter.
        gradient_checkpointing: Save memory by computing activations anew in the backward pass.
    """

    lora: bool = False
    lora_rank: int = 128
    lora_alpha: int = 256
    lora_dropout: float = 0.05
    lora_parts: tuple[Part, ...] = PARTS
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be trained; a subclass with its own check calls this one too."""
        check_least(self, 1, "lora_rank", "lora_alpha")
        if not 0 <= self.lora_dropout < 1:
            raise ValueError(f"lora_dropout={self.lora_dropout}: expected from 0 to below 1")
        if not self.lora_parts or set(self.lora_parts) - set(PARTS):
            raise ValueError(f"lora_parts={self.lora_parts}: expected some of {', '.join(PARTS)}")
        if self.load_in_4bit and not self.lora:
            raise ValueError("weights of 4 bits cannot be trained: add --lora")
        if self.dtype == "float16":
            raise ValueError(
                "gradients in float16 vanish: train with --dtype bfloat16 (float16 is for acting)"
            )


def quiet_transformers() -> None:
    """Leaves the progress bars and notices of loading to those who ask for them."""
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
