"""Merging: a policy with a low-rank adapter to one that is an ordinary model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vlm_agent.model_options import LoadOptions
from vlm_agent.policy import VLMPolicy


@dataclass
class MergeConfig:
    """Adds a policy's adapter to its model's weights, and saves an ordinary model.

    Args:
        model: Directory of a policy that was trained with --lora.
        out: Directory of the merged policy; it must hold nothing yet.
        trust_remote_code: Run the Python code that comes with the model; only for models whose
            authors you trust.
    """

    model: str
    out: str
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
    policy.merge_adapter()
    policy.save(out)
    return policy
