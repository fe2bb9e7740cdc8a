"""vLLM as the engine, in this process: `make test-vllm`."""

import copy
import gc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.architectures import ARCHITECTURES, parts
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.errors import EngineError
from vlm_agent.core.types import Observation, Task
from vlm_agent.engines.vllm import local
from vlm_agent.engines.vllm.local import LocalVLLM
from vlm_agent.models.policy import VLMPolicy

pytestmark = pytest.mark.vllm
MEMORY = 0.01
TAKEN = (
    "LLaVA-1.5",
    "LLaVA with SigLIP",
    "LLaVA-OneVision",
    "Qwen2-VL",
    "Qwen2.5-VL",
    "Qwen3-VL",
    "Idefics3",
    "SmolVLM",
)
# Rounding of float32 over a model's layers; a wrong distribution or weight gives far more.
EQUAL = 1e-4


@pytest.fixture(autouse=True)
def sizes(monkeypatch):
    """Heads of 32: vLLM's attention on the CPU takes no smaller ones."""
    monkeypatch.setitem(parts.SIZES, "hidden_size", 64)


def moments(count=6):
    rng = np.random.default_rng(0)
    task = Task("You are shown a number.", ("+", "-"))
    return [
        Observation(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8), task, task.action_names)
        for _ in range(count)
    ]


def draws(count):
    return [np.random.default_rng(index) for index in range(count)]


def engine_of(policy, replies=8):
    return LocalVLLM(policy, replies, MEMORY)


def gap(policy, observations, found):
    """Largest distance of a token's log-probability from the policy's own."""
    with torch.no_grad():
        scores = policy.score(observations, [each.tokens for each in found])
    return max(
        (scores.log_probs[row, : len(each.tokens)] - torch.tensor(each.log_probs)).abs().max()
        for row, each in enumerate(found)
    ).item()


def written(policy, engine, observations):
    with engine.writing():
        return engine.write(observations, draws(len(observations)))


@pytest.mark.parametrize("name", TAKEN)
def test_it_samples_from_the_policys_own_distribution(name, tmp_path):
    # Saved and loaded, so that it prepares pictures with the same library as vLLM.
    VLMPolicy(*ARCHITECTURES[name]()).save(tmp_path)
    policy = VLMPolicy.load(tmp_path, temperature=0.7, max_new_tokens=12)
    engine = engine_of(policy)
    try:
        observations = moments()
        found = written(policy, engine, observations)
        assert gap(policy, observations, found) < EQUAL
        unwritable = set(policy.encoder.unwritable_tokens)
        assert not any(unwritable & set(each.tokens) for each in found)
        assert {each.finish_reason for each in found} <= {"stop", "length"}
    finally:
        engine.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The directory of the embedded model, with random weights."""
    from vlm_agent.core.prompts import build_prompt
    from vlm_agent.models.tiny import build_tiny

    texts = [build_prompt(each) for each in moments(1)]
    directory = tmp_path_factory.mktemp("models") / "tiny"
    VLMPolicy(*build_tiny(texts), GenerationConfig(max_new_tokens=16)).save(directory)
    return directory


@pytest.mark.parametrize(
    "settings",
    [{"temperature": 2.0}, {"temperature": 0.7, "top_p": 0.9}, {"temperature": 0.7, "top_k": 5}],
    ids=str,
)
def test_its_filters_are_the_policys(tiny, settings):
    policy = VLMPolicy.load(tiny, **settings)
    engine = engine_of(policy)
    try:
        observations = moments(16)
        found = written(policy, engine, observations)
        assert gap(policy, observations, found) < EQUAL
    finally:
        engine.close()


@pytest.fixture
def running(tiny):
    policy = VLMPolicy.load(tiny, temperature=0.7)
    engine = engine_of(policy)
    yield policy, engine
    engine.close()


@pytest.mark.parametrize("wrong", ["ban", "temperature"])
def test_another_distribution_shows(running, monkeypatch, wrong):
    """The control: what is left out of the requests is found by the same comparison."""
    policy, engine = running
    options = local.sampling_options

    def without(policy):
        found = options(policy)
        return {**found, **({"logit_bias": {}} if wrong == "ban" else {"temperature": 0.8})}

    monkeypatch.setattr(local, "sampling_options", without)
    observations = moments(16)
    assert gap(policy, observations, written(policy, engine, observations)) > 5 * EQUAL


def test_a_reply_depends_on_its_seed_alone(running):
    policy, engine = running
    observations = moments()
    together = written(policy, engine, observations)
    assert written(policy, engine, observations) == together
    with engine.writing():
        alone = engine.write(observations[2:3], draws(6)[2:3])
    assert alone[0].tokens == together[2].tokens


def test_threads_ask_while_it_writes(running):
    policy, engine = running
    observations = moments()
    together = written(policy, engine, observations)
    with engine.writing(), ThreadPoolExecutor(6) as threads:
        apart = list(threads.map(engine.answer, observations, draws(6)))
    assert [each.tokens for each in apart] == [each.tokens for each in together]
    assert gap(policy, observations, apart) < EQUAL


def test_an_error_of_vllm_reaches_all_who_wait(running, monkeypatch):
    _, engine = running

    def fail():
        raise RuntimeError("out of memory")

    monkeypatch.setattr(engine._vllm.llm_engine, "step", fail)
    with engine.writing(), ThreadPoolExecutor(3) as threads:
        asked = list(map(threads.submit, [engine.answer] * 3, moments(3), draws(3)))
        for each in asked:
            with pytest.raises(EngineError, match="writes no replies any more: .*out of memory"):
                each.result(timeout=60)
    with pytest.raises(EngineError, match="out of memory"):
        engine.write(moments(1), draws(1))


def test_a_greedy_reply_is_the_models_own(tiny):
    policy = VLMPolicy.load(tiny, temperature=0.0)
    engine = engine_of(policy)
    try:
        observations = moments()
        found = written(policy, engine, observations)
        own = policy.write(observations)
        assert [each.tokens for each in found] == [each.tokens for each in own]
        assert all(set(each.log_probs) == {0.0} for each in found)
    finally:
        engine.close()


def test_its_weights_are_in_step_and_memory_stays(running):
    """Twenty times in a row; each change alone moves log-probabilities by far more."""
    import resource

    policy, engine = running
    observations = moments()
    last = written(policy, engine, observations)
    grown = []
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        with torch.no_grad():
            for parameter in policy.model.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
        assert gap(policy, observations, last) > 100 * EQUAL
        last = written(policy, engine, observations)
        assert gap(policy, observations, last) < EQUAL
        gc.collect()
        grown.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)
    assert grown[-1] - grown[4] < 50, "MiB"
    assert engine.metrics()["engine/weight_sync_gib"] > 0


def test_compiled_it_has_the_policys_distribution_and_weights(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(tmp_path))
    policy = VLMPolicy.load(tiny, temperature=0.7)
    engine = LocalVLLM(policy, 8, MEMORY, compiles="always")
    try:
        assert any(tmp_path.rglob("*.so")), "compiled"
        observations = moments(16)
        last = written(policy, engine, observations)
        assert gap(policy, observations, last) < EQUAL
        with torch.no_grad():
            for parameter in policy.model.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape))
        assert gap(policy, observations, last) > 100 * EQUAL
        assert gap(policy, observations, written(policy, engine, observations)) < EQUAL
    finally:
        engine.close()


@pytest.mark.parametrize("parts_of", [("language",), ("vision", "projector", "language")], ids=str)
def test_an_adapter_is_merged_for_it(tiny, parts_of):
    options = ModelOptions(lora=True, lora_rank=4, lora_parts=parts_of)
    policy = VLMPolicy.load(tiny, options=options, temperature=0.7)
    engine = engine_of(policy)
    try:
        observations = moments()
        before = written(policy, engine, observations)
        with torch.no_grad():
            for name, parameter in policy.model.named_parameters():
                if ".lora_B." in name:
                    parameter.copy_(0.02 * torch.randn(parameter.shape))
        kept = copy.deepcopy(policy.model.state_dict())
        assert gap(policy, observations, before) > 100 * EQUAL
        assert gap(policy, observations, written(policy, engine, observations)) < EQUAL
        after = policy.model.state_dict()
        assert all(torch.equal(after[name], value) for name, value in kept.items())
    finally:
        engine.close()


def test_what_is_global_stays_as_it_was(tiny):
    state = torch.get_rng_state(), np.random.get_state()[1].copy(), torch.get_num_threads()
    policy = VLMPolicy.load(tiny, temperature=0.7)
    engine = engine_of(policy)
    with engine.writing():
        assert torch.equal(torch.get_rng_state(), state[0])
        engine.write(moments(), draws(6))  # which draws from torch's generator
    engine.close()
    assert np.array_equal(np.random.get_state()[1], state[1])
    assert torch.get_num_threads() == state[2]


def test_another_prompt_ends_the_run(running, monkeypatch):
    policy, engine = running
    requests_for = local.requests_for

    def others(*asked):
        return [replace(each, prompt=each.prompt + "?") for each in requests_for(*asked)]

    monkeypatch.setattr(local, "requests_for", others)
    with pytest.raises(EngineError, match="vLLM read another prompt than the policy"):
        written(policy, engine, moments(2))
