"""Loading of models, adapters and processors, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoProcessor

from tests.support.architectures import ARCHITECTURES
from vlm_agent.cli.main import main
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.models.inputs.processors import load_processor
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.value_head import VALUE_HEAD_FILE


def log_probs(policy, observations, replies):
    with torch.no_grad():
        return policy.score(observations, [reply.tokens for reply in replies]).log_probs


# ----- processors ---------------------------------------------------------------------------------


def test_a_processor_is_loaded_without_its_video_processor(tmp_path, monkeypatch):
    model, processor = ARCHITECTURES["Qwen2.5-VL"]()
    processor.save_pretrained(tmp_path)
    model.config.save_pretrained(tmp_path)

    def fails(*args, **kwargs):  # as without torchvision
        raise ImportError("Qwen2VLVideoProcessor requires the Torchvision library")

    monkeypatch.setattr(AutoProcessor, "from_pretrained", fails)
    loaded = load_processor(str(tmp_path), model.config)
    assert type(loaded).__name__ == "Qwen2_5_VLProcessor"
    loaded.save_pretrained(tmp_path / "again")
    saved = json.loads((tmp_path / "again" / "processor_config.json").read_text())
    assert saved["processor_class"] == "Qwen2_5_VLProcessor"


@pytest.mark.parametrize(
    ("message", "package"),
    [
        ("PixtralProcessor requires the Torchvision library", "torchvision"),
        ("Package `num2words` is required to run SmolVLM processor.", "num2words"),
    ],
)
def test_a_missing_package_is_named(saved, monkeypatch, message, package):
    def fails(*args, **kwargs):
        raise ImportError(message)

    monkeypatch.setattr(AutoProcessor, "from_pretrained", fails)
    with pytest.raises(ImportError, match=rf"model needs {package}.*pip install {package}"):
        VLMPolicy.load(saved)


# ----- errors ------------------------------------------------------------------------------------


def test_code_that_comes_with_a_model_runs_only_if_trusted(saved, tmp_path, monkeypatch):
    """A model with its own classes, which create a file when they are imported."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    mark = tmp_path / "ran"
    (saved / "modeling_own.py").write_text(
        "from transformers import LlavaConfig, LlavaForConditionalGeneration\n"
        f"open({str(mark)!r}, 'w').close()\n"
        "class OwnConfig(LlavaConfig):\n    model_type = 'own'\n"
        "class OwnModel(LlavaForConditionalGeneration):\n    config_class = OwnConfig\n"
    )
    config = json.loads((saved / "config.json").read_text())
    config["model_type"] = "own"
    config["auto_map"] = {
        "AutoConfig": "modeling_own.OwnConfig",
        "AutoModelForImageTextToText": "modeling_own.OwnModel",
    }
    (saved / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="--trust-remote-code"):
        VLMPolicy.load(saved)
    assert not mark.exists()
    policy = VLMPolicy.load(saved, options=LoadOptions(trust_remote_code=True))
    assert type(policy.model).__name__ == "OwnModel"


def test_pickled_weights_are_not_read(saved):
    torch.save(load_file(saved / "model.safetensors"), saved / "pytorch_model.bin")
    (saved / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        VLMPolicy.load(saved)


def test_a_pickled_adapter_is_neither_read_nor_downloaded(small_adapter, monkeypatch):
    def asked(*args, **kwargs):
        raise AssertionError("the hub was asked for a local file")

    for place in ("huggingface_hub.file_download", "peft.utils.save_and_load", "peft.config"):
        monkeypatch.setattr(f"{place}.hf_hub_download", asked)
    monkeypatch.setattr("peft.utils.save_and_load.file_exists", asked)
    weights = load_file(small_adapter / "adapter_model.safetensors")
    (small_adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="no adapter_model.safetensors"):
        VLMPolicy.load(small_adapter)
    torch.save(weights, small_adapter / "adapter_model.bin")
    with pytest.raises(FileNotFoundError, match="pickled"):
        VLMPolicy.load(small_adapter)


def test_only_low_rank_adapters_are_read(small_adapter):
    config = json.loads((small_adapter / "adapter_config.json").read_text())
    config["peft_type"] = "XLORA"
    (small_adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="type 'XLORA': expected 'LORA'"):
        VLMPolicy.load(small_adapter)


def test_an_adapter_of_an_adapter_is_an_error(saved, small_adapter):
    # Inside a model's directory, from which transformers would load it by itself.
    shutil.copy(small_adapter / "adapter_config.json", saved)
    with pytest.raises(ValueError, match="is an adapter itself"):
        VLMPolicy.load(small_adapter)


@pytest.mark.parametrize("name", ["./model", "~/model", "here/model", "a/b/c", "/a/b"])
def test_the_hub_is_not_asked_for_a_path_that_does_not_exist(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(FileNotFoundError, match="no directory"):
        VLMPolicy.load(name)


def test_an_adapter_is_downloaded_without_pickles(
    small_adapter, observations, tmp_path, monkeypatch
):
    (small_adapter / "adapter_model.bin").write_bytes(b"never read")

    def fetch(name, allow_patterns):
        files = [f for f in small_adapter.iterdir() if any(map(f.match, allow_patterns))]
        (tmp_path / "cache").mkdir()
        for file in files:
            shutil.copy(file, tmp_path / "cache")
        return str(tmp_path / "cache")

    found = {"someone/adapter": str(small_adapter / "adapter_config.json")}
    monkeypatch.setattr("vlm_agent.models.places.find_adapter_config_file", found.get)
    monkeypatch.setattr("vlm_agent.models.places.get_hf_file_metadata", lambda _: None)
    monkeypatch.setattr("vlm_agent.models.places.cached_file", lambda *_, **__: None)
    monkeypatch.setattr("vlm_agent.models.places.snapshot_download", fetch)
    fetched = VLMPolicy.load("someone/adapter")
    assert not (tmp_path / "cache" / "adapter_model.bin").exists()
    expected = VLMPolicy.load(small_adapter)
    assert fetched.generation_config == expected.generation_config
    replies = expected.act(observations)
    assert torch.equal(
        log_probs(fetched, observations, replies), log_probs(expected, observations, replies)
    )


def test_a_value_head_of_another_version_or_size(saved):
    weights = load_file(saved / VALUE_HEAD_FILE)
    save_file(weights, saved / VALUE_HEAD_FILE, {"format": "99"})
    with pytest.raises(ValueError, match="format 99, and this version reads format 1"):
        VLMPolicy.load(saved)
    wide = {name: torch.zeros(3, 3) for name in weights}
    save_file(wide, saved / VALUE_HEAD_FILE, {"format": "1"})
    with pytest.raises(ValueError, match="does not fit its model"):
        VLMPolicy.load(saved)
    (saved / VALUE_HEAD_FILE).unlink()
    assert VLMPolicy.load(saved).value_head.layers[-1].weight.abs().sum() == 0


# ----- adapters and their base models ------------------------------------------------------------


def test_an_adapter_without_its_base_model_is_a_clear_error(saved, tmp_path):
    VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2)).save(tmp_path / "adapter")
    shutil.move(saved, tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="base_model_name_or_path"):
        VLMPolicy.load(tmp_path / "adapter")


def test_a_base_model_without_a_name_is_saved_with_its_adapter(
    saved, observations, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    # A relative path, as on a command line, which looks like the name of a model on the hub.
    policy = VLMPolicy.load(saved.name, options=ModelOptions(lora=True, lora_rank=2))
    shutil.rmtree(saved)  # as if a run replaced the one that it started from
    policy.save(tmp_path / "adapter")
    replies = policy.act(observations)
    shutil.move(tmp_path / "adapter", tmp_path / "moved")
    loaded = VLMPolicy.load(tmp_path / "moved")
    assert torch.equal(
        log_probs(loaded, observations, replies), log_probs(policy, observations, replies)
    )


def test_an_adapter_saved_by_peft_has_the_processor_of_its_base_model(
    saved, observations, tmp_path
):
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2))
    policy.model.save_pretrained(tmp_path / "adapter")
    policy.tokenizer.save_pretrained(tmp_path / "adapter")  # as some trainers add
    loaded = VLMPolicy.load(tmp_path / "adapter")
    assert type(loaded.processor) is type(policy.processor)
    assert loaded.prompt(observations[0]) == policy.prompt(observations[0])


def test_an_adapter_is_trained_further_or_merged_before_training(saved, observations, tmp_path):
    policy = VLMPolicy.load(saved, options=ModelOptions(lora=True, lora_rank=2))
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            if ".lora_B." in name:
                parameter.fill_(0.02)
    policy.save(tmp_path / "adapter")
    replies = policy.act(observations)
    expected = log_probs(policy, observations, replies)
    on = VLMPolicy.load(tmp_path / "adapter", options=ModelOptions(lora=True))
    assert on.model.peft_config["default"].r == 2, "a saved adapter keeps its rank"
    assert all(p.requires_grad == (".lora_" in n) for n, p in on.model.named_parameters())
    whole = VLMPolicy.load(tmp_path / "adapter", options=ModelOptions())
    assert all(p.requires_grad for p in whole.model.parameters())
    assert not whole.has_adapter
    for each in (on, whole):
        found = log_probs(each, observations, replies)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_forward_is_score(make_policy, observations):
    policy = make_policy()
    replies = [reply.tokens for reply in policy.act(observations)]
    called, scored = policy(observations, replies), policy.score(observations, replies)
    assert torch.equal(called.log_probs, scored.log_probs)
    assert called.entropies is None


def test_a_processor_without_a_chat_template(make_policy, observations):
    policy = make_policy()
    policy.processor.chat_template = None
    assert policy.prompt(observations[0]).startswith("<image>You are")
    del policy.processor.image_token
    with pytest.raises(ValueError, match="chat_template"):
        policy.prompt(observations[0])


def test_the_generation_config_is_saved_with_a_policy(make_policy, tmp_path):
    make_policy(top_k=7, top_p=0.9).save(tmp_path)
    assert VLMPolicy.load(tmp_path).generation_config == GenerationConfig(
        temperature=1.0, max_new_tokens=24, top_k=7, top_p=0.9
    )
    loaded = VLMPolicy.load(tmp_path, top_k=0, top_p=1.0, temperature=None).generation_config
    assert loaded == GenerationConfig(temperature=1.0, max_new_tokens=24)
    with pytest.raises(TypeError, match="temprature"):
        VLMPolicy.load(tmp_path, temprature=0.5)


def test_the_embedded_model_has_to_be_built_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="vlm-agent sft --model tiny"):
        VLMPolicy.load("tiny")


# ----- the page about models ----------------------------------------------------------------------

PAGE = (Path(__file__).parents[3] / "docs" / "training" / "models.md").read_text(encoding="utf-8")


def test_the_page_names_every_tested_architecture():
    table = PAGE.split("| architecture |")[1].split("\n\n")[0]
    named = {"LLaVA with SigLIP": "LLaVA-1.5, with a CLIP or a SigLIP tower"}
    assert not {name for name in ARCHITECTURES if named.get(name, name) not in table}


def test_the_commands_and_the_code_of_the_page(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    VLMPolicy.load(saved).save("runs/sft")
    block = PAGE.split("```\nvlm-agent ppo")[1].split("```")[0].replace("\\\n", " ")
    train, merge = ("ppo" + block).replace("ORGANISATION/MODEL", str(saved)).split("vlm-agent ")
    small = "--total-steps 4 --num-envs 2 --rollout-steps 2 --minibatch-size 2 --micro-batch-size 2"
    assert main([*train.split(), *small.split()]) == 0
    assert main(merge.split()) == 0
    adapted, merged = VLMPolicy.load("runs/ppo"), VLMPolicy.load("runs/merged")
    assert adapted.has_adapter
    assert not merged.has_adapter
    code = PAGE.split("```python\n")[1].split("```")[0]
    exec(compile(code, "docs/training/models.md", "exec"), {})


def test_the_implementation_of_attention(saved, observations):
    policies = {
        name: VLMPolicy.load(saved, options=LoadOptions(attn_implementation=name))
        for name in ("auto", "eager", "sdpa")
    }
    used = {n: p.network.config.text_config._attn_implementation for n, p in policies.items()}
    assert used == {"auto": "sdpa", "eager": "eager", "sdpa": "sdpa"}
    replies = [reply.tokens for reply in policies["auto"].act(observations)]
    found = {name: p.score(observations, replies).log_probs for name, p in policies.items()}
    torch.testing.assert_close(found["eager"], found["auto"], atol=1e-4, rtol=1e-4)
    assert not torch.equal(found["eager"], found["auto"]), "another implementation"
    with pytest.raises(ValueError, match="attn_implementation='fast'"):
        LoadOptions(attn_implementation="fast")
    with pytest.raises(ImportError, match="(?i)flash"):
        VLMPolicy.load(saved, options=LoadOptions(attn_implementation="flash_attention_2"))
