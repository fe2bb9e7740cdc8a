"""The engine that asks a server, in front of a server that needs no vLLM."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from tests.support.scripted_vllm import CONFIG, scripted_vllm
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.errors import EngineError
from vlm_agent.distributed.processes import Processes
from vlm_agent.engines.vllm.server import VLLMServer
from vlm_agent.models.policy import VLMPolicy


@pytest.fixture
def serving(make_policy):
    policy = make_policy(max_new_tokens=6)
    with scripted_vllm(copy.deepcopy(policy)) as (url, script):
        yield policy, url, script


@pytest.fixture
def swapping(make_policy, tmp_path):
    """A policy with an adapter, in front of a server of its base that takes adapters."""
    make_policy(max_new_tokens=6).save(tmp_path / "base")

    def adapted(**options):
        given = {"lora_rank": 2, "lora_parts": ("language",), **options}
        policy = VLMPolicy.load(tmp_path / "base", options=ModelOptions(lora=True, **given))
        move(policy)
        return policy

    with scripted_vllm(VLMPolicy.load(tmp_path / "base")) as (url, script):
        script.config = {**CONFIG, "lora_config": {"max_lora_rank": 8}}
        script.env = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": True}
        yield adapted, url, script


@torch.no_grad()
def move(policy):
    """Changes what an adapter adds."""
    for name, weight in policy.model.named_parameters():
        if ".lora_B." in name:
            weight.add_(0.3 * torch.randn(weight.shape))


@pytest.fixture
def engine(serving):
    policy, url, _ = serving
    found = VLLMServer(policy, url, 4, timeout=30)
    yield found
    found.close()


def expected(policy, observation, seed):
    """The reply by the seed that is drawn of a generator, of the policy itself."""
    drawn = int(np.random.default_rng(seed).integers(2**62))
    (found,) = policy.write([observation], [np.random.default_rng(drawn)])
    return found._replace(value=None)


def alike(found, wanted):
    assert found._replace(log_probs=()) == wanted._replace(log_probs=())
    assert found.log_probs == pytest.approx(wanted.log_probs, abs=1e-5)


def test_replies_are_those_of_the_weights_that_it_was_sent(serving, engine, observations):
    policy, _, script = serving
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    asked = observations[:4]
    with engine.writing():
        found = engine.write(asked, [np.random.default_rng(seed) for seed in range(4)])
        with ThreadPoolExecutor(4) as threads:  # as environments ask
            draws = [np.random.default_rng(seed) for seed in range(4)]
            apart = list(threads.map(engine.answer, asked, draws))
    for seed, observation in enumerate(asked):
        alike(found[seed], expected(policy, observation, seed))
        alike(apart[seed], found[seed])
    assert script.calls[-3:] == ["/collective_rpc", "/reset_prefix_cache", "/reset_encoder_cache"]
    assert engine.metrics()["engine/weight_sync_gib"] > 0


def test_adapters_alone_are_sent_to_a_server_that_takes_them(swapping, observations):
    adapted, url, script = swapping
    policy, asked = adapted(), observations[:2]
    engine = VLLMServer(policy, url, 4, timeout=30)
    names = []
    for _ in range(3):
        with engine.writing():
            found = engine.write(asked, [np.random.default_rng(seed) for seed in range(2)])
        for seed, observation in enumerate(asked):
            alike(found[seed], expected(policy, observation, seed))
        names += script.adapted
        move(policy)
    assert len(set(names)) == 3, "one at a time, each by a name of its own"
    loading, unloading = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
    assert script.calls[-5:] == [loading, loading, unloading, loading, unloading]
    adapter = sum(w.nbytes for name, w in policy.model.named_parameters() if ".lora_" in name)
    assert engine.metrics()["engine/weight_sync_gib"] == adapter / 2**30
    engine.close()
    assert script.adapted == {}


def test_other_processes_ask_for_the_adapter_that_the_first_has_sent(swapping, observations):
    adapted, url, script = swapping
    told = []

    class Told(Processes):
        def gather(self, value):
            told.append(value)
            return [told[0]]

    engines = []
    for rank in (0, 1):
        processes = Told()
        processes.rank = rank
        engines.append(VLLMServer(adapted(), url, 4, timeout=30, processes=processes))
    written = []
    for engine in engines:
        with engine.writing():
            written.append(engine.write(observations[:1], [np.random.default_rng(0)]))
    assert written[0] == written[1]
    assert script.calls.count("/v1/load_lora_adapter") == 1
    for engine in reversed(engines):
        engine.close()
    assert script.calls.count("/v1/unload_lora_adapter") == 1


def test_adapters_that_the_server_would_get_wrong_are_refused(swapping, make_policy):
    adapted, url, script = swapping
    for policy, message in (
        (make_policy(), "--enable-lora, and the policy has no adapter: train with --lora"),
        (adapted(lora_parts=("language", "projector")), "adapters to the language model alone"),
        (
            adapted(lora_rank=24),
            "rank 24, and the server .* most 8: start it with --max-lora-rank 32",
        ),
        (adapted(lora_rank=513), "most 8: train one of a lower --lora-rank"),
    ):
        with pytest.raises(EngineError, match=message):
            VLLMServer(policy, url, 4, timeout=30)
    policy = adapted()
    policy.model.peft_config["default"].rank_pattern = {"q_proj": 4}
    with pytest.raises(EngineError, match="adapters of one rank and one alpha"):
        VLLMServer(policy, url, 4, timeout=30)
    script.env = {}
    with pytest.raises(EngineError, match="but no new ones .VLLM_ALLOW_RUNTIME_LORA_UPDATING=1."):
        VLLMServer(adapted(), url, 4, timeout=30)


@pytest.mark.parametrize("digest", ["", "another", None])
def test_a_server_of_another_base_is_refused(swapping, digest):
    adapted, url, script = swapping
    script.digest = digest
    engine = VLLMServer(adapted(), url, 4, timeout=30)
    with pytest.raises(EngineError, match="(?s)weights .* serve the folder.*--model .*base --out"):
        engine.writing().__enter__()
    assert "/v1/load_lora_adapter" not in script.calls
    engine.close()


def test_a_server_that_was_started_again_gets_the_adapter_again(swapping, observations):
    adapted, url, script = swapping
    engine = VLLMServer(adapted(), url, 4, timeout=30)
    with engine.writing():
        pass
    script.adapted.clear()
    with engine.writing():
        (found,) = engine.write(observations[:1], [np.random.default_rng(0)])
    assert found.tokens
    script.broken = {"/v1/load_lora_adapter"}
    with pytest.raises(EngineError, match="refused /v1/load_lora_adapter with status 500"):
        engine.writing().__enter__()
    engine.close()


def test_one_process_alone_sends_weights(serving):
    policy, url, script = serving
    second = Processes()
    second.rank = 1
    engine = VLLMServer(policy, url, 4, timeout=30, processes=second)
    asked = list(script.calls)
    with engine.writing():
        assert script.calls == asked
    assert not engine.metrics()
    engine.close()


def test_where_the_main_process_cannot_send_them_all_end(serving):
    policy, url, script = serving
    script.broken = {"/collective_rpc"}
    told = []

    class Told(Processes):
        def gather(self, value):
            told.append(value)
            return [told[0]]

    for rank in (0, 1):
        processes = Told()
        processes.rank = rank
        engine = VLLMServer(policy, url, 4, timeout=30, processes=processes)
        with (
            pytest.raises(EngineError, match="refused /collective_rpc with status 500"),
            engine.writing(),
        ):
            raise AssertionError
        engine.close()


def test_a_server_that_was_started_otherwise_is_refused(serving):
    policy, url, script = serving
    for part, name, value, message in (
        ("parallel_config", "worker_extension_cls", "", "its --worker-extension-cls is ''"),
        ("model_config", "logprobs_mode", "raw_logprobs", "its --logprobs-mode is 'raw_logprobs'"),
        ("model_config", "generation_config", "auto", "its --generation-config is 'auto'"),
        ("model_config", "dtype", "torch.float16", "in torch.float16 and the policy in torch.fl"),
        ("load_config", "load_format", "dummy", "started with --load-format dummy"),
    ):
        script.config = copy.deepcopy(CONFIG)
        script.config[part][name] = value
        with pytest.raises(EngineError, match=f"(?s){message}.*; start it by.*vllm serve"):
            VLLMServer(policy, url, 4, timeout=30)


def test_without_development_mode_it_is_refused(serving):
    policy, url, script = serving
    script.broken = {"/server_info"}
    with pytest.raises(EngineError, match="does not take new weights .VLLM_SERVER_DEV_MODE=1"):
        VLLMServer(policy, url, 4, timeout=30)
