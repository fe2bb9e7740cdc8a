"""The files of a policy as vLLM reads them."""

from __future__ import annotations

import copy
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from vlm_agent.engines.vllm.weights import engine_weights
from vlm_agent.models.policy import VLMPolicy

_MEMORY = Path("/dev/shm")  # a folder in memory, where there is one


@contextmanager
def temporary_folder(policy: VLMPolicy, place: str | None = None) -> Iterator[Path]:
    """Makes a folder for the weights of a policy that is deleted after use.

    Args:
        policy: The policy.
        place: The folder that it is made in; by default one in memory, if they fit, or else the
            system's folder for temporary files.
    """
    if place is None and _MEMORY.is_dir():
        needed = sum(weight.nbytes for weight in policy.network.parameters())
        place = str(_MEMORY) if shutil.disk_usage(_MEMORY).free > 1.1 * needed else None
    with tempfile.TemporaryDirectory(prefix="vlm-agent-", dir=place) as folder:
        yield Path(folder)


def save_for_vllm(policy: VLMPolicy, directory: Path, dtype: torch.dtype) -> None:
    """Writes a policy's model into a directory, with its adapter merged and without its value head.

    Args:
        policy: The policy.
        directory: An empty directory.
        dtype: Number format of the weights.
    """
    config = copy.copy(policy.network.config)
    config.architectures = [type(policy.network).__name__]  # a new model has none
    config.save_pretrained(directory)
    policy.processor.save_pretrained(directory)
    _add_video_processor(directory, config.model_type)
    save_weights(policy, directory, dtype)


def save_weights(policy: VLMPolicy, directory: Path, dtype: torch.dtype) -> int:
    """Writes the weights alone, and returns their number of bytes."""
    with policy.merged():
        weights = {
            # A tensor of its own for each name: files hold no tied weights.
            name: value.to("cpu", copy=True).contiguous()
            for name, value in engine_weights(policy, dtype)
        }
    save_file(weights, directory / "model.safetensors", {"format": "pt"})
    return sum(value.nbytes for value in weights.values())


def _add_video_processor(directory: Path, model_type: str) -> None:
    """Adds the processor of videos that a policy does not need, but that vLLM reads.

    A policy that was saved where torchvision is missing has none.
    """
    from transformers.models.auto import video_processing_auto

    known: Any = video_processing_auto
    kinds = known.VIDEO_PROCESSOR_MAPPING_NAMES.get(model_type)
    kind = next(iter(kinds.values())) if isinstance(kinds, dict) else kinds
    file = directory / "processor_config.json"
    if kind is None or not file.is_file():
        return
    saved = json.loads(file.read_text(encoding="utf-8"))
    if "video_processor" not in saved:
        found = {"video_processor_type": kind}
        (directory / "video_preprocessor_config.json").write_text(json.dumps(found))
