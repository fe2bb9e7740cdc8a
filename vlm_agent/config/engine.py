"""Options of the program that writes replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlm_agent.config.options import Options
from vlm_agent.config.values import PathText, PositiveFloat, PositiveFraction

EngineName = Literal["hf", "vllm"]
EngineCompile = Literal["auto", "always", "never"]


@dataclass(kw_only=True)
class EngineOptions(Options):
    """Options of the program that writes replies, apart from how they are sampled.

    Args: Engine
        engine: Program that writes replies: hf, the model itself in this process, or vllm, which
            has to be installed.
        engine_memory: Share of a GPU's memory for vllm in this process, weights included; on the
            CPU, share of the main memory for its cache of keys and values.
        engine_compile: Whether vllm in this process compiles the model when it starts, which takes
            time and may make it faster: auto does so on a GPU, and not on the CPU.
        engine_url: URL of a server that `vllm serve` has started, such as http://127.0.0.1:8000;
            by default vllm runs in this process.
        engine_folder: Folder in which the server finds new weights, if it runs on another machine;
            by default a temporary one.
        engine_timeout: Seconds without an answer after which the server counts as dead.
    """

    engine: EngineName = "hf"
    engine_memory: PositiveFraction = 0.3
    engine_compile: EngineCompile = "auto"
    engine_url: str | None = None
    engine_folder: PathText | None = None
    engine_timeout: PositiveFloat = 600.0

    def __post_init__(self) -> None:
        """Refuses options of a server where there is none, and of vLLM where it is not here."""
        super().__post_init__()
        if self.engine_compile != "auto" and (self.engine != "vllm" or self.engine_url is not None):
            raise ValueError(
                f"engine_compile={self.engine_compile!r} with engine={self.engine!r} and "
                f"engine_url={self.engine_url!r}: expected engine='vllm' in this process; a server "
                "is told by --enforce-eager of `vllm serve`"
            )
        if self.engine_url is not None and self.engine != "vllm":
            raise ValueError(
                f"engine_url={self.engine_url!r} with engine={self.engine!r}: expected "
                "engine='vllm'"
            )
        if self.engine_folder is not None and self.engine_url is None:
            raise ValueError(
                f"engine_folder={self.engine_folder!r} without engine_url: there is no server that "
                "would read it"
            )
