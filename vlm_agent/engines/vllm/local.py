"""vLLM in this process."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlm_agent.config.engine import EngineCompile
from vlm_agent.core.errors import EngineError
from vlm_agent.core.types import Observation
from vlm_agent.engines.vllm.files import save_for_vllm, temporary_folder
from vlm_agent.engines.vllm.requests import (
    Request,
    check_sampling,
    requests_for,
    sampling_options,
    written,
)
from vlm_agent.engines.vllm.stepping import SteppingThread
from vlm_agent.engines.vllm.support import (
    WORKER_EXTENSION,
    check_history,
    check_installed,
    check_supported,
)
from vlm_agent.engines.vllm.weights import check_adapters, engine_weights
from vlm_agent.models.generation.replies import Written
from vlm_agent.models.policy import VLMPolicy

# Read by vLLM when it is imported: it stays in this process, and leaves the cores to be chosen by
# whoever started it.
_ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "ERROR",
}

# Tokens of a prompt and its reply on the CPU, where vLLM tries out so many when it starts.
_LONGEST_ON_CPU = 8192


class LocalVLLM:
    """vLLM in this process, with weights of its own that are those of the policy.

    Args:
        policy: The policy whose replies it writes.
        num_envs: Largest number of replies that are written at once.
        memory: Share of a GPU's memory that it may use; on the CPU, share of the main memory for
            its cache of keys and values.
        compiles: Whether it compiles the model when it starts; auto does on a GPU.
        sleeps: Whether it gives a GPU's memory back while it does not write.

    Raises:
        ImportError: If vLLM is not installed.
        EngineError: If it does not support the model, or an adapter cannot be merged.
        ValueError: If it cannot sample as the policy does.
    """

    def __init__(
        self,
        policy: VLMPolicy,
        num_envs: int,
        memory: float,
        *,
        compiles: EngineCompile = "auto",
        sleeps: bool = True,
    ) -> None:
        check_installed()
        check_supported(policy.network.config)
        check_history(policy)
        check_adapters(policy)
        check_sampling(policy)
        self._policy = policy
        self._metrics: dict[str, float] = {}
        self._dtype = policy.compute_dtype
        with temporary_folder(policy) as directory, _guarded():
            save_for_vllm(policy, directory, self._dtype)
            self._vllm = _start(policy, directory, num_envs, memory, compiles)
        self._steps = SteppingThread(self._vllm)
        self._is_asleep = False
        self._sleeps = sleeps and torch.cuda.is_available()

    def write(
        self, observations: Sequence[Observation], draws: Sequence[np.random.Generator] | None
    ) -> list[Written]:
        """Writes one reply to each observation; see `Engine.write`."""
        return self._write(requests_for(self._policy, observations, draws))

    def answer(self, observation: Observation, rng: np.random.Generator) -> Written:
        """Writes one reply; see `Engine.answer`."""
        (written,) = self._write(requests_for(self._policy, [observation], [rng]))
        return written

    def _write(self, requests: Sequence[Request]) -> list[Written]:
        answers = self._steps.answers(
            [_prompt(request) for request in requests],
            [self._sampling_params(request) for request in requests],
            # The same for all: prompts of one template.
            add_special_tokens=requests[0].adds_special_tokens,
        )
        return [
            self._read(request, answer) for request, answer in zip(requests, answers, strict=True)
        ]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Gives vLLM the policy's weights, and its memory for the time inside the context."""
        if self._is_asleep:
            self._vllm.wake_up()
            self._is_asleep = False
        started = time.perf_counter()
        with self._policy.merged(), _guarded():
            weights = list(engine_weights(self._policy, self._dtype))
            (sent,) = self._vllm.collective_rpc("receive_weights", args=(weights,))
            del weights  # else a copy in another format would live on while replies are written
            # Both hold what the weights of before made of prompts and pictures.
            if not self._vllm.reset_prefix_cache():
                raise EngineError("vLLM did not drop its prefix cache: it still writes replies")
            self._vllm.llm_engine.reset_encoder_cache()
        self._metrics = {
            "time/weight_sync_seconds": time.perf_counter() - started,
            "engine/weight_sync_gib": sent / 2**30,
        }
        try:
            yield
        finally:
            if self._sleeps:
                self._steps.wait()  # its memory goes
                self._vllm.sleep(level=2)  # weights are sent again in any case
                self._is_asleep = True

    def metrics(self) -> Mapping[str, float]:
        """Returns what the last transfer of weights took."""
        return self._metrics

    def close(self) -> None:
        """Frees the memory of weights and caches."""
        self._steps.close()
        engine = self._vllm.llm_engine
        engine.engine_core.shutdown()
        del self._vllm

    def _sampling_params(self, request: Request) -> Any:
        from vllm import SamplingParams

        return SamplingParams(**sampling_options(self._policy), seed=request.seed)

    def _read(self, request: Request, answer: Any) -> Written:
        (output,) = answer.outputs
        if output.finish_reason not in ("stop", "length"):
            raise EngineError(
                f"vLLM ended a reply with {output.finish_reason!r}: expected it whole"
            )
        tokens = list(output.token_ids)
        log_probs = [
            found[token].logprob for token, found in zip(tokens, output.logprobs, strict=True)
        ]
        return written(self._policy, request, answer.prompt_token_ids, tokens, log_probs)


def _start(
    policy: VLMPolicy, directory: Path, num_envs: int, memory: float, compiles: EngineCompile
) -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from vllm import LLM

    pictures = policy.generation_config.prompt_pictures
    longest = policy.encoder.context_length
    on_gpu = torch.cuda.is_available()
    options: dict[str, Any] = {
        "model": str(directory),
        "dtype": str(policy.compute_dtype).removeprefix("torch."),
        "max_num_seqs": num_envs,
        "limit_mm_per_prompt": {"image": pictures},
        "max_model_len": -1,  # as long as its cache holds: contexts of 262,144 tokens would not fit
        "logprobs_mode": "processed_logprobs",
        "generation_config": "vllm",
        "worker_extension_cls": WORKER_EXTENSION,
        "enforce_eager": not (on_gpu if compiles == "auto" else compiles == "always"),
        "seed": 0,
    }
    if on_gpu:
        options |= {"gpu_memory_utilization": memory, "enable_sleep_mode": True}
    else:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        options |= {
            "kv_cache_memory_bytes": int(memory * total),
            # Together with a seed for each request it crashes on the CPU.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": _LONGEST_ON_CPU,
        }
        if longest is not None and longest > _LONGEST_ON_CPU:
            options["max_model_len"] = _LONGEST_ON_CPU
    return LLM(**options)


def _prompt(request: Request) -> dict[str, Any]:
    from PIL import Image

    images = [Image.fromarray(image) for image in request.images]
    return {"prompt": request.prompt, "multi_modal_data": {"image": images}}


@contextmanager
def _guarded() -> Iterator[None]:
    """Keeps the global random generators and torch's threads from what vLLM does to them."""
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    threads = torch.get_num_threads()
    set_threads = torch.set_num_threads
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        torch.set_num_threads = set_threads
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
