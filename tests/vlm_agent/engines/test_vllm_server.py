"""`vllm serve` as the engine: `make test-vllm`."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch

from tests.vlm_agent.engines.test_vllm import EQUAL, gap, moments, written
from vlm_agent.config.commands import MergeConfig
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.errors import EngineError
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.engines.merging import merge
from vlm_agent.engines.vllm.server import VLLMServer
from vlm_agent.engines.vllm.support import serve_command
from vlm_agent.models.policy import VLMPolicy

pytestmark = pytest.mark.vllm
NUMBER_LINE = "gym_cards/NumberLine-v0"
ON_THE_CPU = (
    "--enforce-eager --no-enable-chunked-prefill --max-num-batched-tokens 8192 "
    "--max-model-len 2048 --max-num-seqs 16 --kv-cache-memory-bytes 67108864"
)
SETTINGS = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
STARTS_WITHIN = 600  # seconds, on a machine that does much else


class Server:
    """A server, started by the commands that errors tell."""

    def __init__(self, policy, folder, *more, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        (command,) = re.findall(r"vllm serve .*", serve_command(policy))
        self._words = [*shlex.split(command)[1:], *shlex.split(ON_THE_CPU), *more]
        self._settings = {**SETTINGS, **settings}
        self.start()

    def start(self):
        program = [sys.executable, "-m", "vllm.entrypoints.cli.main", *self._words]
        with (self._folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [*program, "--port", str(self.port)],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._settings},
                start_new_session=True,
            )
        end = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < end:
            assert self._process.poll() is None, (self._folder / "server.log").read_text()[-3000:]
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        self.kill()
        raise AssertionError("the server does not start")

    def memory(self):
        """The memory of its processes, in MiB."""
        pages = os.sysconf("SC_PAGE_SIZE")
        processes = (int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit())
        own = [each for each in processes if os.getpgid(each) == self._process.pid]
        held = (int(Path(f"/proc/{each}/statm").read_text().split()[1]) for each in own)
        return sum(held) * pages / 2**20

    def kill(self):
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The directory of an embedded model for NumberLine, with random weights."""
    from vlm_agent.config.generation import GenerationConfig
    from vlm_agent.core.environments import make_env
    from vlm_agent.core.prompts import build_prompt
    from vlm_agent.core.protocol import observe, task_of
    from vlm_agent.models.tiny import build_tiny

    env = make_env(NUMBER_LINE)
    texts = [build_prompt(observe(task_of(env), *env.reset(seed=0)))]
    directory = tmp_path_factory.mktemp("models") / "tiny"
    config = GenerationConfig(temperature=0.7, max_new_tokens=8)
    VLMPolicy(*build_tiny(texts), config).save(directory)
    return directory


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    merge(MergeConfig(str(model), str(folder / "served"), for_vllm=True))
    started = Server(VLMPolicy.load(model), folder)
    yield started
    started.kill()


def test_it_has_the_policys_distribution_and_weights(server, model):
    policy = VLMPolicy.load(model)
    engine = VLLMServer(policy, server.url, 8, timeout=200)
    try:
        observations = moments()
        last = None
        for _ in range(3):
            found = written(policy, engine, observations)
            assert gap(policy, observations, found) < EQUAL
            assert found != last
            last = found
            with torch.no_grad():
                for parameter in policy.model.parameters():
                    parameter.add_(0.05 * torch.randn(parameter.shape))
            assert gap(policy, observations, found) > 100 * EQUAL
        alone = engine.write(observations[1:2], [np.random.default_rng(1)])
        with engine.writing():
            assert engine.write(observations[1:2], [np.random.default_rng(1)]) != alone
    finally:
        engine.close()


def test_adapters_are_swapped_and_its_base_stays(model, tmp_path):
    adapter = ModelOptions(lora=True, lora_rank=4, lora_parts=("language",))
    policy = VLMPolicy.load(model, options=adapter, temperature=0.7)
    merge(MergeConfig(str(model), str(tmp_path / "served"), for_vllm=True))
    lora = ("--enable-lora", "--max-lora-rank", "8")
    server = Server(policy, tmp_path, *lora, VLLM_ALLOW_RUNTIME_LORA_UPDATING="1")
    try:
        engine = VLLMServer(policy, server.url, 8, timeout=200)
        observations, held = moments(), []
        last = written(policy, engine, observations)
        assert gap(policy, observations, last) < EQUAL, "an adapter that adds nothing yet"
        generator = torch.Generator().manual_seed(0)
        for _ in range(20):
            with torch.no_grad():
                for name, weight in policy.model.named_parameters():
                    if ".lora_B." in name:
                        weight.copy_(0.02 * torch.randn(weight.shape, generator=generator))
            assert gap(policy, observations, last) > 100 * EQUAL
            last = written(policy, engine, observations)
            assert gap(policy, observations, last) < EQUAL
            held.append(server.memory())
        assert held[-1] - held[4] < 50, held
        sent = sum(w.nbytes for name, w in policy.model.named_parameters() if ".lora_" in name)
        assert engine.metrics()["engine/weight_sync_gib"] == sent / 2**30
        engine.close()
        (left,) = httpx.get(f"{server.url}/v1/models").json()["data"]
        assert "served" in left["id"], "the adapter is gone"
        with pytest.raises(EngineError, match="the policy has no adapter"):
            VLLMServer(VLMPolicy.load(model), server.url, 8, timeout=20)
        with torch.no_grad():
            policy.network.lm_head.weight.mul_(1.01)
        other = VLLMServer(policy, server.url, 8, timeout=200)
        with pytest.raises(EngineError, match="other weights than those that the adapter was"):
            other.writing().__enter__()
        other.close()
    finally:
        server.kill()


def test_a_server_of_another_format_is_refused(server, model):
    policy = VLMPolicy.load(model)
    policy.compute_dtype = torch.bfloat16
    with pytest.raises(EngineError, match="computes in torch.float32 and the policy in torch.bf"):
        VLLMServer(policy, server.url, 8, timeout=20)


def test_where_there_is_no_server_the_error_says_how_to_start_one(model):
    with pytest.raises(EngineError, match="no server at http://127.0.0.1:9 .*start it by\n.*merge"):
        VLLMServer(VLMPolicy.load(model), "http://127.0.0.1:9", 8, timeout=20)


def ppo(*words):
    return [sys.executable, "-m", "vlm_agent", "ppo", *map(str, words)]


def test_a_run_whose_server_dies_is_saved_and_goes_on(server, model, tmp_path):
    run = tmp_path / "run"
    words = [
        *("--env", NUMBER_LINE, "--model", model, "--out", run, "--engine", "vllm"),
        *("--engine-url", server.url, "--num-envs", 4, "--rollout-steps", 4),
        *("--total-steps", 480, "--minibatch-size", 16, "--micro-batch-size", 16),
    ]
    with subprocess.Popen(ppo(*words), stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 300
        while time.monotonic() < end and process.poll() is None:
            if (run / "metrics.jsonl").is_file() and len(read_metrics(run)) >= 2:
                break
            time.sleep(0.2)
        server.kill()
        _, errors = process.communicate(timeout=300)
    try:
        assert process.returncode
        assert "vlm-agent: no server at" in errors
        assert "Traceback" not in errors
        done = read_metrics(run)[-1]["step"]
        assert done < 480
        assert any((run / "checkpoints").iterdir())
    finally:
        server.start()
    subprocess.run(ppo("--resume", run), check=True, capture_output=True)
    assert read_metrics(run)[-1]["step"] == 480
    assert all(row["train/sampling_gap"] < EQUAL for row in read_metrics(run))


def api(server, tmp_path, **changes):
    from vlm_agent.config.api import ApiOptions
    from vlm_agent.serving.api_model import ApiModel

    name = changes.pop("name", None) or httpx.get(f"{server.url}/v1/models").json()["data"][0]["id"]
    given = {"api_base_url": f"{server.url}/v1", "api_max_tokens": 8, "api_retries": 0, **changes}
    options = ApiOptions(api_cache=str(tmp_path / "cache.sqlite"), **given)
    return ApiModel(name, options, temperature=0.7)


# What the policy's own distribution needs beyond the usual fields.
def further(policy, seed):
    return {
        "seed": seed,
        "logit_bias": {str(token): -100 for token in policy.encoder.unwritable_tokens},
        "stop_token_ids": policy.encoder.end_tokens,
        "ignore_eos": True,
        "logprobs": True,
        "return_token_ids": True,
        "skip_special_tokens": False,
    }


def test_as_an_api_it_gets_the_same_prompts_and_gives_the_same_replies(server, model, tmp_path):
    """`--policy api:` sends what the engine's requests send, pictures included."""
    policy = VLMPolicy.load(model)
    engine = VLLMServer(policy, server.url, 8, timeout=200)
    try:
        (observation,) = moments(1)
        draws = [np.random.default_rng(5)]
        seed = int(np.random.default_rng(5).integers(2**62))
        with engine.writing():
            (expected,) = engine.write([observation], draws)
        player = api(server, tmp_path, api_extra=further(policy, seed))
        request = player._request(observation)
        answer = player._client._complete(request)
        choice = answer.choices[0]
        assert tuple(choice.token_ids) == expected.tokens
        found = [each.logprob for each in choice.logprobs.content]
        assert found == pytest.approx(list(expected.log_probs), abs=EQUAL)
        assert answer.prompt_token_ids == policy.encode([observation])["input_ids"][0].tolist()
        (reply,) = player.act_in_episodes([observation], [0])
        assert reply.text == policy.encoder.decode(expected.tokens)
        assert reply.usage.prompt_tokens == len(answer.prompt_token_ids)
        (other,) = api(server, tmp_path, api_extra=further(policy, seed + 1)).act_in_episodes(
            [observation], [0]
        )
        assert other.text != reply.text
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "another"}, "rejects the request: HTTP 404, .*`another` does not exist"),
        (
            {"api_max_tokens": 4000},
            "rejects the request: HTTP 400, .*max_model_len=2048",
        ),
    ],
    ids=["another model", "too long"],
)
def test_as_an_api_it_says_what_is_wrong(server, tmp_path, changes, message):
    from vlm_agent.serving.api_client import ApiError

    with pytest.raises(ApiError, match=message):
        api(server, tmp_path, **changes).act_in_episodes(moments(1), [0])
