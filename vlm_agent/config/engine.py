"""Options of the program that writes replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlm_agent.config.options import Options
from vlm_agent.config.values import PositiveFraction

EngineName = Literal["hf", "vllm"]


@dataclass(kw_only=True)
class EngineOptions(Options):
    """Options of the program that writes replies, apart from how they are sampled.

    Args: Engine
        engine: Program that writes replies: hf, the model itself in this process, or vllm, which
            has to be installed.
        engine_memory: Share of a GPU's memory for vllm in this process, weights included; on the
            CPU, share of the main memory for its cache of keys and values.
    """

    engine: EngineName = "hf"
    engine_memory: PositiveFraction = 0.3
