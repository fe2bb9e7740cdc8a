"""The engine that options ask for."""

from __future__ import annotations

from vlm_agent.config.engine import EngineOptions
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.generation.replies import Engine
from vlm_agent.models.policy import VLMPolicy


def make_engine(
    options: EngineOptions,
    policy: VLMPolicy,
    num_envs: int,
    processes: Processes | None = None,
    *,
    sleeps: bool = True,
) -> Engine | None:
    """Returns the engine that options ask for; `None` for the policy's own model.

    Args:
        options: The options.
        policy: The policy whose replies it writes.
        num_envs: Largest number of replies that are written at once.
        processes: Those that train the policy together.
        sleeps: Whether vLLM in this process gives a GPU's memory back while it does not write.

    Raises:
        ImportError: If a package is missing that it needs.
        EngineError: If it does not support the model.
        ValueError: If it cannot sample as the policy does, or not in several processes.
    """
    if options.engine == "hf":
        return None
    if options.engine_url is not None:
        from vlm_agent.engines.vllm.server import VLLMServer

        return VLLMServer(
            policy,
            options.engine_url,
            num_envs,
            timeout=options.engine_timeout,
            folder=options.engine_folder,
            processes=processes,
        )
    if processes is not None and processes.count > 1:
        raise ValueError(
            f"engine='vllm' in {processes.count} processes without engine_url: inside of a process "
            "vLLM writes for that one alone; start a server for all of them, or train with "
            "--engine hf"
        )
    from vlm_agent.engines.vllm.local import LocalVLLM

    return LocalVLLM(
        policy, num_envs, options.engine_memory, compiles=options.engine_compile, sleeps=sleeps
    )
