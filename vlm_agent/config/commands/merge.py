"""Options of the command merge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlm_agent.config.options import Options
from vlm_agent.config.values import PathText


@dataclass
class MergeConfig(Options):
    """Merges a policy's adapter into the weights of its model, and saves an ordinary model.

    Args: Merge
        model: Directory of a policy that was trained with --lora.
        out: Directory of the merged policy; must be empty or not exist.
        dtype: Data type of the merged weights; auto is that of the model. In float32 nothing of the
            adapter's change is lost, in bfloat16 much of it may be.
        for_vllm: Write the files that `vllm serve` reads, without the value head; a policy without
            an adapter is then taken too.
        trust_remote_code: Run Python code that comes with the model; only for authors you trust.
    """

    model: PathText
    out: PathText
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    for_vllm: bool = False
    trust_remote_code: bool = False
