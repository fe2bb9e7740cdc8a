"""Options for loading a model and choosing the weights to train."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vlm_agent.config.options import Options
from vlm_agent.config.values import (
    NonEmpty,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ProperFraction,
)

Part = Literal["vision", "projector", "language"]
AttentionImplementation = Literal[
    "auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention"
]
PARTS: tuple[Part, ...] = ("vision", "projector", "language")
# Options of a new adapter.
_OF_ADAPTER = ("lora_rank", "lora_alpha", "lora_dropout", "lora_parts")


@dataclass(kw_only=True)
class LoadOptions(Options):
    """Options for loading a model to act with.

    Args: Model
        dtype: Data type of the computation; auto is that of the saved weights, or bfloat16 with
            4-bit weights.
        load_in_4bit: Quantise the weights to 4 bits while loading (requires bitsandbytes).
        attn_implementation: Implementation of attention, as transformers names it: auto leaves the
            choice to the model, which is mostly sdpa; the flash kernels need their own packages.
        trust_remote_code: Run Python code that comes with the model; only for authors you trust.
        input_cache_gib: Memory of each process for prompts and pictures that its processor has
            prepared, in GiB; what does not fit is prepared again for every pass over it.
    """

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    load_in_4bit: bool = False
    attn_implementation: AttentionImplementation = "auto"
    trust_remote_code: bool = False
    input_cache_gib: PositiveFloat = 1.0


@dataclass(kw_only=True)
class ModelOptions(LoadOptions):
    """Options for loading a model to train; a base of the trainers' configurations.

    Trained weights are kept in float32, whatever the model computes in: at a learning rate of
    1e-5, most of an update to a bfloat16 weight is lost to rounding. New adapters are drawn from
    `seed`.

    Args: LoRA
        lora: Train low-rank adapters instead of all weights.
        lora_rank: Rank of a new adapter; an adapter saved with the model keeps its own.
        lora_alpha: Scale of a new adapter: its output is multiplied by alpha / rank.
        lora_dropout: Dropout on a new adapter's input during fine-tuning, and in the updates of PPO
            with --update-dropout.
        lora_parts: Parts of the model that get a new adapter.

    Args: Memory
        gradient_checkpointing: Recompute activations in the backward pass to save memory.
        gradient_dtype: Number format in which several processes exchange gradients. In bfloat16
            half as much is sent, and sums are less precise.
    """

    seed: NonNegativeInt = 0
    lora: bool = False
    lora_rank: PositiveInt = 128
    lora_alpha: PositiveInt = 256
    lora_dropout: ProperFraction = 0.05
    lora_parts: NonEmpty[Part] = PARTS
    gradient_checkpointing: bool = False
    gradient_dtype: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        """Refuses what cannot be trained."""
        super().__post_init__()
        if self.load_in_4bit and not self.lora:
            raise ValueError("4-bit weights cannot be trained: add --lora")
        if self.dtype == "float16":
            raise ValueError(
                "dtype='float16': gradients would underflow: expected bfloat16 or float32 for "
                "training (float16 is for acting)"
            )

    @classmethod
    def without_effect(cls, options: Mapping[str, Any]) -> dict[str, str]:
        """Returns the options of an adapter where LoRA is off.

        A recipe that gives some and does not mention LoRA is not one that was overridden: then
        none are returned, and the configuration is refused.
        """
        found = super().without_effect(options)
        if options.get("lora") is not False:
            return found
        for name in _OF_ADAPTER:
            default = getattr(cls, name)
            value = options.get(name, default)
            # JSON has lists.
            if (tuple(value) if isinstance(value, list) else value) != default:
                found[name] = (
                    "without lora: all weights are trained, and there is no adapter; leave it out, "
                    "or add lora=True"
                )
        return found


def quiet_transformers() -> None:
    """Turns off progress bars and notices of transformers and bitsandbytes while loading."""
    # peft imports bitsandbytes if it is installed, which warns that an optional kernel is not.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    set_verbosity_error()
    disable_progress_bar()
