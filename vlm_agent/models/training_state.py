"""Training state of a policy: what resuming needs in addition to what `VLMPolicy.save` writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.reference import Reference


def training_state(policy: VLMPolicy) -> dict[str, Any]:
    """Returns the training state of a policy: plain values, and tensors that may be sharded."""
    return {
        "generator": policy.generator.get_state(),
        "compute_dtype": str(policy.compute_dtype).removeprefix("torch."),
        # Some are computed while loading, differently from weights of another number format.
        "buffers": {} if policy.has_adapter else dict(policy.network.named_buffers()),
        "reference": policy.kept_reference and policy.kept_reference.state_dict(),
    }


def load_training_state(policy: VLMPolicy, state: Mapping[str, Any]) -> None:
    """Makes a loaded policy bit-identical to the saved one.

    Args:
        policy: The policy that `VLMPolicy.load` returned.
        state: What `training_state` returned when the policy was saved, unsharded.
    """
    policy.generator.set_state(state["generator"])
    policy.compute_dtype = getattr(torch, state["compute_dtype"])
    for name, value in state["buffers"].items():
        module, _, buffer = name.rpartition(".")
        setattr(policy.network.get_submodule(module), buffer, value.to(policy.device))
    if state["reference"] is not None:
        policy.kept_reference = Reference.from_state(state["reference"])
