"""Adapters that a server of vLLM's adds to its base weights, instead of new weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_agent.core.errors import EngineError
from vlm_agent.engines.vllm.files import weights_digest
from vlm_agent.engines.vllm.weights import named_weights
from vlm_agent.models.lora import adapts_language_alone, base_name, write_adapter
from vlm_agent.models.policy import VLMPolicy

# That vLLM takes for --max-lora-rank.
_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
_OTHERWISE = "or start the server without --enable-lora, and it gets merged weights"


def check_swappable(policy: VLMPolicy, lora_config: Mapping[str, Any]) -> None:
    """Checks that a server which was started with `--enable-lora` can add a policy's adapter.

    Args:
        policy: The policy; `vlm_agent.engines.vllm.weights.check_adapters` takes its adapter.
        lora_config: What the server says of its adapters.

    Raises:
        EngineError: If it cannot, or would compute something else.
    """
    if not policy.has_adapter:
        raise EngineError(
            "the server was started with --enable-lora, and the policy has no adapter: train with "
            f"--lora --lora-parts language, {_OTHERWISE}"
        )
    if not adapts_language_alone(policy.model):
        # It would leave the adapters of other parts out without a word.
        raise EngineError(
            "vLLM adds adapters to the language model alone, and this one has others: train with "
            f"--lora-parts language, {_OTHERWISE}"
        )
    config = policy.model.peft_config[policy.model.active_adapter]
    if config.rank_pattern or config.alpha_pattern:
        raise EngineError(
            "vLLM adds adapters of one rank and one alpha, and this one has several: train a new "
            f"one with --lora, {_OTHERWISE}"
        )
    if config.r > (largest := int(lora_config["max_lora_rank"])):
        enough = next((rank for rank in _RANKS if rank >= config.r), None)
        start = f"start it with --max-lora-rank {enough}, or " if enough else ""
        raise EngineError(
            f"the adapter has rank {config.r}, and the server takes at most {largest}: {start}"
            "train one of a lower --lora-rank"
        )


def check_base(policy: VLMPolicy, served: str) -> None:
    """Checks that a server has the base weights of a policy's adapter.

    Args:
        policy: The policy; weights that are sharded over processes have to be gathered.
        served: The digest of the server's weights; empty if it is not known.

    Raises:
        EngineError: If it has not, or if that is not known.
    """
    if served == weights_digest(policy):
        return
    name = base_name(policy.model) or "BASE"
    what = "other weights than" if served else "weights of which it is not known that they are"
    raise EngineError(
        f"the server has {what} those that the adapter was trained on: have it serve the folder "
        f"that this writes\n  vlm-agent merge --model {name} --out served --for-vllm"
    )


def save_adapter_for_vllm(policy: VLMPolicy, folder: Path) -> int:
    """Writes a policy's adapter alone, and returns the number of bytes of its weights.

    Weights that are sharded over processes have to be gathered.
    """
    weights = dict(named_weights(policy.model))
    return write_adapter(policy.model, folder, weights, base=base_name(policy.model))
