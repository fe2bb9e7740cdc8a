"""vLLM as a server that `vllm serve` has started."""

from __future__ import annotations

import base64
import io
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.errors import EngineError
from vlm_agent.core.types import Observation
from vlm_agent.distributed.processes import Processes
from vlm_agent.engines.vllm.adapters import check_base, check_swappable, save_adapter_for_vllm
from vlm_agent.engines.vllm.files import save_weights, temporary_folder
from vlm_agent.engines.vllm.requests import (
    Request,
    check_sampling,
    requests_for,
    sampling_options,
    written,
)
from vlm_agent.engines.vllm.support import (
    WORKER_EXTENSION,
    check_history,
    check_supported,
    serve_command,
)
from vlm_agent.engines.vllm.weights import check_adapters
from vlm_agent.models.generation.replies import Written
from vlm_agent.models.policy import VLMPolicy

_UPDATES = "VLLM_ALLOW_RUNTIME_LORA_UPDATING"


class VLLMServer:
    """A server that `vllm serve` has started, and that gets the policy's weights.

    Args:
        policy: The policy whose replies it writes.
        url: Address of the server, without a path.
        num_envs: Largest number of replies that are written at once.
        timeout: Seconds without an answer after which it counts as dead.
        folder: Folder in which it finds new weights; by default a temporary one.
        processes: Those that train the policy together, and share the server; the main one sends
            the weights, which each of them has to have gathered.

    Raises:
        EngineError: If the server does not answer, was started otherwise than `serve_command`
            says; or if vLLM does not support the model.
        ValueError: If it cannot sample as the policy does.
    """

    def __init__(
        self,
        policy: VLMPolicy,
        url: str,
        num_envs: int,
        *,
        timeout: float,
        folder: str | None = None,
        processes: Processes | None = None,
    ) -> None:
        check_supported(policy.network.config)
        check_history(policy, server=True)
        check_adapters(policy)
        check_sampling(policy)
        self._policy = policy
        self._url = url.rstrip("/").removesuffix("/v1")
        self._timeout = timeout
        self._folder = folder
        self._processes = processes or Processes()
        self._metrics: dict[str, float] = {}
        self._swaps_adapters = False
        self._adapter: str | None = None
        self._adapter_files = ExitStack()
        limits = httpx.Limits(max_connections=num_envs, max_keepalive_connections=num_envs)
        self._client = httpx.Client(base_url=self._url, timeout=timeout, limits=limits)
        self._threads = ThreadPoolExecutor(num_envs, thread_name_prefix="vllm")
        self._model = self._check()

    def write(
        self, observations: Sequence[Observation], draws: Sequence[np.random.Generator] | None
    ) -> list[Written]:
        """Writes one reply to each observation; see `Engine.write`."""
        requests = requests_for(self._policy, observations, draws)
        return list(self._threads.map(self._ask, requests, observations))

    def answer(self, observation: Observation, rng: np.random.Generator) -> Written:
        """Writes one reply; see `Engine.answer`."""
        (request,) = requests_for(self._policy, [observation], [rng])
        return self._ask(request, observation)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Gives the server the policy's weights on entering.

        Raises:
            EngineError: In all processes, if it does not take them.
        """
        self._processes.wait()  # until no process has a reply left to be written
        failure: Exception | None = None
        if self._processes.is_main:
            try:
                self._send_weights()
            except Exception as error:
                failure = error
        about = (None if failure is None else str(failure), self._adapter)
        told, self._adapter = self._processes.gather(about)[0]
        if told is not None:
            raise failure or EngineError(told)
        yield

    def _send_weights(self) -> None:
        started = time.perf_counter()
        if self._swaps_adapters:
            sent = self._swap_adapter()
        else:
            with temporary_folder(self._policy, self._folder) as folder:
                sent = save_weights(self._policy, folder, self._policy.compute_dtype)
                self._call_workers("receive_folder", str(folder))
                self._reset_caches()
        self._metrics = {
            "time/weight_sync_seconds": time.perf_counter() - started,
            "engine/weight_sync_gib": sent / 2**30,
        }

    def _swap_adapter(self) -> int:
        """Gives the server the present adapter instead of that of before; returns its bytes."""
        if self._adapter is None:
            served = next(iter(self._call_workers("served_digest")), "")
            check_base(self._policy, served)
        with ExitStack() as kept:
            folder = kept.enter_context(temporary_folder(self._policy, self._folder))
            sent = save_adapter_for_vllm(self._policy, folder)
            # A name of its own each time, because what the server remembers of prompts goes by it.
            name = f"policy-{uuid.uuid4().hex[:12]}"
            self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)})
            self._unload_adapter()
            # The server may read it again as long as it is asked for.
            self._adapter, self._adapter_files = name, kept.pop_all()
        return sent

    def _unload_adapter(self) -> None:
        if self._adapter is not None and self._processes.is_main:
            with suppress(EngineError):  # a server that was started again has none
                body = {"lora_name": self._adapter}
                self._send("POST", "/v1/unload_lora_adapter", json=body, timeout=10)
        self._adapter_files.close()

    def metrics(self) -> Mapping[str, float]:
        """Returns what the last transfer of weights took."""
        return self._metrics

    def close(self) -> None:
        """Closes the connections, and takes the policy's adapter off the server, which stays."""
        self._unload_adapter()
        self._threads.shutdown(cancel_futures=True)
        self._client.close()

    def _check(self) -> str:
        """Returns the name under which the server has its model."""
        self._send("GET", "/version")
        served = self._send("GET", "/v1/models")["data"][0]["id"]
        try:
            found = self._send("GET", "/server_info", params={"config_format": "json"})
        except EngineError as error:
            raise self._wrong("it does not take new weights (VLLM_SERVER_DEV_MODE=1)") from error
        config = found["vllm_config"]
        if (extension := config["parallel_config"]["worker_extension_cls"]) != WORKER_EXTENSION:
            raise self._wrong(f"its --worker-extension-cls is {extension!r}")
        if (mode := config["model_config"]["logprobs_mode"]) != "processed_logprobs":
            raise self._wrong(f"its --logprobs-mode is {mode!r}")
        if (defaults := config["model_config"]["generation_config"]) != "vllm":
            # A model's own file may set more, such as a repetition penalty.
            raise self._wrong(f"its --generation-config is {defaults!r}")
        if config["load_config"]["load_format"] == "dummy":
            # Which also overwrites constants, such as those that pictures are normalised by.
            raise self._wrong("it was started with --load-format dummy")
        if (adapters := config.get("lora_config")) is not None:
            check_swappable(self._policy, adapters)
            if not found["vllm_env"].get(_UPDATES):
                raise self._wrong(f"it takes adapters, but no new ones ({_UPDATES}=1)")
            self._swaps_adapters = True
        dtype = str(self._policy.compute_dtype)
        if (found_dtype := config["model_config"]["dtype"]) != dtype:
            raise self._wrong(f"it computes in {found_dtype} and the policy in {dtype}")
        return str(served)

    def _wrong(self, what: str) -> EngineError:
        return EngineError(
            f"the server at {self._url}: {what}; start it by\n{serve_command(self._policy)}"
        )

    def _reset_caches(self) -> None:
        """Drops what weights of before made of prompts and pictures."""
        for name in ("prefix", "encoder"):
            answer = self._post(f"/reset_{name}_cache", None)
            if answer.get("success") is False:
                raise EngineError(
                    f"the server at {self._url} did not drop its {name} cache, because it still "
                    "writes other replies: use one server for one training"
                )

    def _call_workers(self, method: str, *arguments: str) -> list[Any]:
        """Calls a method of the workers by its name; returns the answer of each."""
        found = self._post("/collective_rpc", {"method": method, "args": list(arguments)})
        return list(found.get("results", ()))

    def _ask(self, request: Request, observation: Observation) -> Written:
        messages = self._policy.prompt_builder.messages(observation)
        body = self._body(request, _messages(messages, request.images))
        return self._read(request, self._post("/v1/chat/completions", body))

    def _body(self, request: Request, messages: list[dict[str, Any]]) -> dict[str, Any]:
        options = sampling_options(self._policy)
        del options["detokenize"], options["logprobs"]
        bias = {str(token): value for token, value in options.pop("logit_bias").items()}
        return {
            "model": self._adapter or self._model,
            "messages": messages,
            **options,
            "logit_bias": bias,
            "logprobs": True,
            "top_logprobs": 0,
            "return_token_ids": True,
            "skip_special_tokens": False,
            "seed": request.seed,
            "add_special_tokens": request.adds_special_tokens,
        }

    def _read(self, request: Request, answer: Mapping[str, Any]) -> Written:
        if "choices" not in answer:
            raise EngineError(f"the server at {self._url} answered {answer!s:.500}")
        choice = answer["choices"][0]
        tokens = choice.get("token_ids") or []
        found = (choice.get("logprobs") or {}).get("content") or []
        if choice["finish_reason"] not in ("stop", "length") or len(found) != len(tokens):
            raise EngineError(
                f"the server at {self._url} ended a reply with {choice['finish_reason']!r}, "
                f"{len(tokens)} tokens and {len(found)} log-probabilities: expected it whole"
            )
        log_probs = [each["logprob"] for each in found]
        return written(self._policy, request, answer["prompt_token_ids"], tokens, log_probs)

    def _post(self, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        return self._send("POST", path, json=body)

    def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Returns the answer to a request.

        Raises:
            EngineError: If there is none, or one that refuses it.
        """
        try:
            answer = self._client.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise EngineError(
                f"the server at {self._url} has not answered for {self._timeout:g} s: it is dead "
                "or too slow; raise --engine-timeout, or lower --num-envs or --max-new-tokens"
            ) from error
        except httpx.HTTPError as error:
            raise EngineError(
                f"no server at {self._url} ({error}); start it by\n{serve_command(self._policy)}"
            ) from error
        if answer.status_code != httpx.codes.OK:
            raise EngineError(
                f"the server at {self._url} refused {path} with status {answer.status_code}: "
                f"{answer.text:.500}"
            )
        is_json = "json" in answer.headers.get("Content-Type", "")
        found: Any = answer.json() if is_json and answer.content else {}
        return found if isinstance(found, dict) else {"answer": found}


def _messages(
    messages: Sequence[Mapping[str, Any]], images: Sequence[NDArray[np.uint8]]
) -> list[dict[str, Any]]:
    """Returns messages with the pictures in their places."""
    left = iter(images)
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "image_url", "image_url": {"url": _data_url(next(left))}}
                if part["type"] == "image"
                else {"type": "text", "text": part["text"]}
                for part in message["content"]
            ],
        }
        for message in messages
    ]


def _data_url(image: NDArray[np.uint8]) -> str:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
