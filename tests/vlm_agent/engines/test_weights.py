"""The weights that engines get: under the names of checkpoints, with adapters merged."""

import pytest
import torch
from safetensors.torch import load_file

from tests.support.architectures import ARCHITECTURES
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.errors import EngineError
from vlm_agent.engines.vllm.support import SUPPORTED, check_supported
from vlm_agent.engines.vllm.weights import check_adapters, engine_weights
from vlm_agent.models.policy import VLMPolicy


def sent(policy, dtype=torch.float32):
    with policy.merged():
        return {name: value.clone() for name, value in engine_weights(policy, dtype)}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_they_are_those_of_a_saved_model(name, tmp_path):
    policy = VLMPolicy(*ARCHITECTURES[name]())
    policy.save(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    inner = "vision_model."  # a part of published names that newer files leave out
    found = {key.replace(inner, ""): value for key, value in sent(policy).items()}
    more = found.keys() - {key.replace(inner, "") for key in saved}
    assert all(key.endswith("lm_head.weight") for key in more), "once in a file, if they are tied"
    for key, value in saved.items():  # a KeyError would be a weight that is missing
        assert torch.equal(found[key.replace(inner, "")], value), key


def test_towers_have_their_published_names(make_policy):
    names = sent(make_policy()).keys()
    towers = [name for name in names if name.startswith("vision_tower.")]
    assert towers
    assert all(name.startswith("vision_tower.vision_model.") for name in towers)


@pytest.fixture
def adapted(make_policy, tmp_path):
    make_policy().save(tmp_path / "model")
    policy = VLMPolicy.load(tmp_path / "model", options=ModelOptions(lora=True, lora_rank=2))
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if ".lora_B." in name:
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    return policy


def test_adapters_are_merged_and_left_as_they_were(adapted, tmp_path):
    before = {name: value.clone() for name, value in adapted.model.state_dict().items()}
    check_adapters(adapted)
    found = sent(adapted)
    after = adapted.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    adapted.merge_adapter()
    expected = sent(adapted)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-6)


def test_they_are_in_the_format_of_the_engine(adapted):
    assert {value.dtype for value in sent(adapted, torch.bfloat16).values()} == {torch.bfloat16}


def test_adapters_that_cannot_be_merged_are_refused(make_policy, tmp_path):
    from peft import LoraConfig, get_peft_model

    policy = make_policy()
    config = LoraConfig(r=2, target_modules=["q_proj"], modules_to_save=["linear_1"])
    policy = VLMPolicy(get_peft_model(policy.model, config), policy.processor)
    with pytest.raises(EngineError, match="adapter of .*linear_1 cannot be merged for an engine"):
        check_adapters(policy)


def test_models_that_were_not_tested_are_refused_by_name():
    config = ARCHITECTURES["Mllama"]()[0].config
    with pytest.raises(EngineError, match="models of type 'mllama': expected one of idefics3"):
        check_supported(config)
    for kind in SUPPORTED:
        check_supported(type("Config", (), {"model_type": kind}))
