"""The weights of a policy under the names that checkpoints of its model have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.core_model_loading import revert_weight_conversion

from vlm_agent.core.errors import EngineError
from vlm_agent.models.generation.merging import unmerged_adapters
from vlm_agent.models.policy import VLMPolicy

# Towers that transformers saves without the name of their inner module, which vLLM expects.
_FLAT_TOWERS = frozenset({"clip_vision_model", "siglip_vision_model"})
_INNER = "vision_model."
_ADAPTER = re.compile(r"\.lora_\w+\.")


def engine_weights(policy: VLMPolicy, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Yields the name and the values of each weight; those of adapters are merged.

    Tied output embeddings are among them: configs differ in where they say so, and vLLM leaves them
    out where it ties them too.

    Must be called inside `policy.merged()`, which merges the adapters that `check_adapters` takes.

    Args:
        policy: The policy.
        dtype: Number format that the engine computes in.
    """
    network = policy.network
    own = {
        name.replace(".base_layer.", "."): value.detach()
        for name, value in named_weights(network)
        if not _ADAPTER.search(name)
    }
    for name, value in revert_weight_conversion(network, own).items():
        yield _vllm_name(name, network.config), value.to(dtype)


def named_weights(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yields what `state_dict` has; that would shard gathered weights again."""
    yield from network.named_parameters(remove_duplicate=False)
    for path, module in network.named_modules(remove_duplicate=False):
        for name, value in module.named_buffers(recurse=False, remove_duplicate=False):
            if name not in module._non_persistent_buffers_set:
                yield f"{path}.{name}" if path else name, value


def check_adapters(policy: VLMPolicy) -> None:
    """Raises an `EngineError` if a policy has adapters that `policy.merged()` does not merge."""
    if getattr(policy.network, "is_loaded_in_4bit", False):
        raise EngineError("weights of 4 bits cannot be sent to an engine: leave out --load-in-4bit")
    if left := unmerged_adapters(policy.model):
        raise EngineError(
            f"the adapter of {left[0]} cannot be merged for an engine: expected low-rank adapters "
            "of linear layers, without biases and whole modules; train all weights, or with "
            "--engine hf"
        )


def _vllm_name(name: str, config: Any) -> str:
    kind = getattr(getattr(config, "vision_config", None), "model_type", None)
    before, found, after = name.partition("vision_tower.")
    if kind in _FLAT_TOWERS and found and not after.startswith(_INNER):
        return f"{before}{found}{_INNER}{after}"
    return name
