"""The files of a policy as vLLM reads them."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vlm_agent.engines.vllm.weights import engine_weights
from vlm_agent.engines.vllm.worker import DIGEST_FILE
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
    with policy.merged():
        digest = weights_digest(policy)
    (directory / DIGEST_FILE).write_text(digest, encoding="utf-8")
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


def weights_digest(policy: VLMPolicy) -> str:
    """Returns a digest of a policy's weights without adapters, of whatever number format.

    It is that of their values in bfloat16. Inside `policy.merged()` adapters are part of them.
    """
    found = [
        (name, list(value.shape), hashlib.blake2b(_bytes(value)))
        for name, value in engine_weights(policy, torch.bfloat16)
    ]
    of_each = sorted((name, shape, digest.hexdigest()) for name, shape, digest in found)
    return hashlib.blake2b(json.dumps(of_each).encode(), digest_size=16).hexdigest()


def _bytes(value: Tensor) -> memoryview:
    return value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


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
