"""Which models vLLM is tested with, and what is missing where it is not installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from vlm_agent.core.errors import EngineError
from vlm_agent.models.policy import VLMPolicy

# Model types whose log-probabilities agree with those of transformers, by a test for each.
SUPPORTED = (
    "idefics3",
    "llava",
    "llava_onevision",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
    "smolvlm",
)

# Those of them of which it prepares several pictures of a prompt otherwise.
ONE_PICTURE = ("llava_onevision",)

WORKER_EXTENSION = "vlm_agent.engines.vllm.worker.WeightReceiver"


def serve_command(policy: VLMPolicy) -> str:
    """Returns the commands that start a server for a policy."""
    name = policy.network.name_or_path or "MODEL"
    dtype = str(policy.compute_dtype).removeprefix("torch.")
    pictures = policy.generation_config.prompt_pictures
    return (
        f"  vlm-agent merge --model {name} --out served --for-vllm\n"
        f"  VLLM_SERVER_DEV_MODE=1 vllm serve served --dtype {dtype} "
        f"--limit-mm-per-prompt '{{\"image\": {pictures}}}' --logprobs-mode processed_logprobs "
        f"--generation-config vllm --worker-extension-cls {WORKER_EXTENSION}"
    )


def check_installed() -> None:
    """Raises an `ImportError` if vLLM is not installed."""
    if find_spec("vllm") is None:
        raise ImportError(
            "the engine vllm needs vLLM, which is not installed: pip install vllm (on a machine "
            "without a GPU see docs/scale/engines.md), or leave out --engine"
        )


def check_supported(config: Any) -> None:
    """Raises an `EngineError` if vLLM is known to differ from a model, or was not tested with it.

    Args:
        config: The model's config.
    """
    if config.model_type not in SUPPORTED:
        raise EngineError(
            f"the engine vllm is not tested with models of type {config.model_type!r}: expected "
            f"one of {', '.join(SUPPORTED)}; leave out --engine, or use --engine hf"
        )


def check_history(policy: VLMPolicy, *, server: bool = False) -> None:
    """Raises an `EngineError` if vLLM cannot read earlier steps as a policy's prompts show them.

    Args:
        policy: The policy.
        server: Whether a server writes the text of conversations, by the model's chat template.
    """
    if (
        policy.network.config.model_type in ONE_PICTURE
        and policy.generation_config.prompt_pictures > 1
    ):
        raise EngineError(
            f"history_length={policy.history_length} with a model of type "
            f"{policy.network.config.model_type!r}: vLLM prepares several of its pictures "
            "otherwise than transformers; train with history='actions', or with --engine hf"
        )
    conversation = policy.generation_config.history == "replies"
    if server and conversation and not policy.encoder.template.keeps_replies:
        raise EngineError(
            "history='replies' with --engine-url: the server writes conversations by the model's "
            "chat template, which changes earlier replies, such as by leaving out their thoughts; "
            "leave out --engine-url, for vLLM in this process, or use --engine hf"
        )
