"""Merging: a policy with a low-rank adapter to one that is an ordinary model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from vlm_agent.config.model import LoadOptions
from vlm_agent.models.policy import VLMPolicy


@dataclass
class MergeConfig:
    """Adds a policy's adapter to its model's weights, and saves an ordinary model.

    Args:
        model: Directory of a policy that was trained with --lora.
        out: Directory of the merged policy; it must hold nothing yet.
        dtype: Number format that the merged weights are saved in; auto is that of the model. In
            float32 none of the adapter's change is lost, which in bfloat16 much of it may be.
        trust_remote_code: Run the Python code that comes with the model; only for models whose
            authors you trust.
    """

    model: str
    out: str
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    trust_remote_code: bool = False


def merge(config: MergeConfig) -> VLMPolicy:
    """Merges a policy and saves it in `config.out`.

    Raises:
        FileExistsError: If `config.out` holds anything already.
        ValueError: If the policy has no adapter.
    """
    out = Path(config.out)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: choose another --out")
    options = LoadOptions(trust_remote_code=config.trust_remote_code)
    policy = VLMPolicy.load(config.model, options=options)
    policy.merge_adapter(None if config.dtype == "auto" else getattr(torch, config.dtype))
    policy.save(out)
    return policy
