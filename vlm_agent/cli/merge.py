"""The command `merge`: a policy with a low-rank adapter becomes an ordinary model."""

from __future__ import annotations

from pathlib import Path

import torch

from vlm_agent.config.model import LoadOptions
from vlm_agent.config.tools import MergeConfig
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
    policy.merge_adapter(None if config.dtype == "auto" else getattr(torch, config.dtype))
    policy.save(out)
    return policy
