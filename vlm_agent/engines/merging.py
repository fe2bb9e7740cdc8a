"""Merging: a policy with a low-rank adapter becomes an ordinary model."""

from __future__ import annotations

from pathlib import Path

import torch

from vlm_agent.config.commands import MergeConfig
from vlm_agent.config.model import LoadOptions
from vlm_agent.engines.vllm.files import save_for_vllm
from vlm_agent.models.policy import VLMPolicy


def merge(config: MergeConfig) -> VLMPolicy:
    """Merges a policy's adapter into its model, and saves the result in `config.out`.

    Raises:
        FileExistsError: If `config.out` is not empty.
        ValueError: If the policy has no adapter.
    """
    out = Path(config.out)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: choose another --out")
    options = LoadOptions(trust_remote_code=config.trust_remote_code)
    policy = VLMPolicy.load(config.model, options=options)
    dtype = None if config.dtype == "auto" else getattr(torch, config.dtype)
    if policy.has_adapter or not config.for_vllm:
        policy.merge_adapter(dtype)
    if config.for_vllm:
        out.mkdir(parents=True, exist_ok=True)
        save_for_vllm(policy, out, dtype or policy.compute_dtype)
    else:
        policy.save(out)
    return policy
