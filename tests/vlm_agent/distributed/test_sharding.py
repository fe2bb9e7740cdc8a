"""Training in two processes with weights sharded over them by FSDP."""

import json
import shutil

import pytest
import torch
from accelerate.state import AcceleratorState
from torch import nn

from tests.support.architectures import ARCHITECTURES
from tests.support.in_two_processes import main
from tests.support.launching import (
    check_alike,
    check_interrupted,
    check_resumed,
    launch,
    options,
    shown,
    weights,
)
from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.errors import NotWholeError
from vlm_agent.distributed.processes import Processes
from vlm_agent.distributed.sharding import layer_classes
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.training.saving.run import Run

CONFIGURED = {
    "ACCELERATE_MIXED_PRECISION": "no",
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
}


@pytest.mark.slow
def test_two_processes_with_sharded_weights_train_like_one(make_policy, tmp_path, documented):
    make_policy().save(tmp_path / "start")
    trained = {
        "full": {
            # Unequal numbers of passes, a copied reference, two norms.
            **{"minibatch_size": 3, "micro_batch_size": 1, "kl_coef": 0.1, "entropy_coef": 0.01},
            **{"imitation_coef": 0.5, "imitation_buffer_size": 18},
            **{"standardise_values": True, "stop_value_gradient": True},
            **{"total_steps": 24, "ppo_epochs": 1},
        },
        "adapter": {
            # The reference is the model without adapter; one of the processes has no step.
            **{"lora": True, "lora_rank": 4, "kl_coef": 0.1, "gradient_checkpointing": True},
            **{"minibatch_size": 1, "micro_batch_size": 1, "total_steps": 12, "ppo_epochs": 1},
        },
    }
    main([options(tmp_path, f"{name}-1", **each) for name, each in trained.items()])
    first = f"step-{12:09d}"
    again = {"run": str(tmp_path / "full-2"), "copy": str(tmp_path / "again"), "checkpoint": first}
    found = launch(
        [
            *(options(tmp_path, f"{name}-2", **each) for name, each in trained.items()),
            {"interrupt": again},
            {"resume": again["copy"]},
        ],
        how=documented,
    )
    assert found.returncode == 0, found.stderr
    shares = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    assert len(shares) == 2 * 3
    assert all(0.45 * each["of"] < each["kept"] < 0.55 * each["of"] for each in shares)
    before = weights(tmp_path / "start")
    moved = max((w - before[n]).abs().max() for n, w in weights(tmp_path / "full-1").items())
    assert moved > 1e-3
    assert weights(tmp_path / "adapter-1")
    for name in trained:
        check_alike(tmp_path / f"{name}-1", tmp_path / f"{name}-2")
    # Interrupted after the first of two updates, the run resumes to a bit-identical end.
    whole, resumed = weights(tmp_path / "full-2"), weights(tmp_path / "again")
    for name in whole:
        assert torch.equal(resumed[name], whole[name]), name
    assert shown(tmp_path / "again") == shown(tmp_path / "full-2")
    # A single process can load it.
    assert VLMPolicy.load(tmp_path / "adapter-2").has_adapter


@pytest.mark.slow
@pytest.mark.parametrize("is_sharded", [False, True], ids=["DDP", "FSDP"])
def test_ctrl_c_ends_after_the_update_and_saves(make_policy, tmp_path, documented, is_sharded):
    make_policy().save(tmp_path / "start")
    how = documented if is_sharded else None
    check_interrupted(tmp_path, how)


@pytest.mark.slow
def test_in_bfloat16_sharded_weights_train_and_resume(make_policy, tmp_path, documented):
    make_policy().save(tmp_path / "start")
    narrow = {"dtype": "bfloat16", "total_steps": 24, "ppo_epochs": 1}
    trained = {"full": narrow, "adapter": {**narrow, "lora": True, "lora_rank": 4}}
    main([options(tmp_path, f"{name}-1", **each) for name, each in trained.items()])
    again = [
        {"run": str(tmp_path / f"{name}-2"), "copy": str(tmp_path / f"{name}-again")}
        for name in trained
    ]
    found = launch(
        [
            *(options(tmp_path, f"{name}-2", **each) for name, each in trained.items()),
            *({"interrupt": {**each, "checkpoint": f"step-{12:09d}"}} for each in again),
            *({"resume": each["copy"]} for each in again),
        ],
        how=documented,
    )
    assert found.returncode == 0, found.stderr
    before = VLMPolicy.load(tmp_path / "start").state_dict()
    for name in trained:
        check_resumed(tmp_path, name)
        rows = shown(tmp_path / f"{name}-2")
        assert all(row["train/first_ratio_error"] < 1e-3 for row in rows)
        assert all(row["train/skipped_steps"] == 0 for row in rows)
        loaded = VLMPolicy.load(tmp_path / f"{name}-2", options=LoadOptions(dtype="float32"))
        if loaded.has_adapter:
            loaded.merge_adapter()
        moved = loaded.state_dict()
        assert max((moved[key] - before[key]).abs().max() for key in before) > 1e-3


@pytest.mark.slow
def test_every_architecture_has_the_gradients_of_an_unsharded_one(documented):
    found = launch(list(ARCHITECTURES), how=documented, script="in_shards")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("FSDP_VERSION", "1", "fsdp_version: 2"),
        ("FSDP_VERSION", None, "fsdp_version: 2"),
        ("FSDP_AUTO_WRAP_POLICY", "SIZE_BASED_WRAP", "TRANSFORMER_BASED_WRAP"),
        ("FSDP_AUTO_WRAP_POLICY", None, "TRANSFORMER_BASED_WRAP"),
        ("FSDP_CPU_RAM_EFFICIENT_LOADING", "true", "fsdp_cpu_ram_efficient_loading: false"),
        ("FSDP_OFFLOAD_PARAMS", "true", "fsdp_offload_params: false"),
        ("FSDP_ACTIVATION_CHECKPOINTING", "true", "--gradient-checkpointing"),
        ("FSDP_IGNORED_MODULES", "model.vision_tower", "no fsdp_ignored_modules"),
        ("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR", "no dynamo_config"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG", "true", "no parallelism_config"),
    ],
)
def test_unsupported_settings_are_an_error(monkeypatch, variable, value, line):
    for name, needed in CONFIGURED.items():
        monkeypatch.setenv(name, needed)
    if value is None:
        monkeypatch.delenv(variable)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(ValueError, match=f"{variable}=.*{line}"):
        Processes()


def test_fsdp_without_gpus_is_an_error(monkeypatch):
    for name, needed in {**CONFIGURED, "ACCELERATE_USE_CPU": "true"}.items():
        monkeypatch.setenv(name, needed)
    try:
        with pytest.raises(ValueError, match="FSDP, which it supports on GPUs only.*--multi_gpu"):
            Processes()
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def test_weights_of_4_bits_are_not_sharded():
    processes = Processes()
    processes.check_options(load_in_4bit=True)
    processes.is_sharded = True
    processes.check_options(load_in_4bit=False)
    with pytest.raises(ValueError, match="4 bits.*without --load-in-4bit"):
        processes.check_options(load_in_4bit=True)


def test_a_model_that_does_not_list_its_layers():
    with pytest.raises(
        ValueError, match="Linear does not list.*fsdp_transformer_layer_cls_to_wrap"
    ):
        layer_classes(nn.Linear(2, 2))


def test_layers_that_the_configuration_names(monkeypatch):
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
    monkeypatch.setenv("FSDP_TRANSFORMER_CLS_TO_WRAP", "Linear, Tanh")
    assert layer_classes(model) == ["Linear", "Tanh"]
    monkeypatch.setenv("FSDP_TRANSFORMER_CLS_TO_WRAP", "Linear,Block")
    with pytest.raises(ValueError, match="no layers of class Block, .*_layer_cls_to_wrap"):
        layer_classes(model)


def test_an_adapter_is_never_saved_without_its_base_model(make_policy, tmp_path, monkeypatch):
    make_policy().save(tmp_path / "start")
    processes = Processes()
    processes.is_sharded = True
    whole = GatheredPolicy(
        VLMPolicy.load(tmp_path / "start", options=ModelOptions(lora=True, lora_rank=2)), processes
    )
    whole.gather()
    shutil.move(tmp_path / "start", tmp_path / "away")
    with pytest.raises(NotWholeError, match="base model of the adapter, .*start, is gone"):
        whole.save(tmp_path / "adapter")
    assert not list(tmp_path.glob("adapter/*"))
    shutil.move(tmp_path / "away", tmp_path / "start")
    whole.save(tmp_path / "adapter")
    assert not (tmp_path / "adapter" / "base").exists()
    # If it was gone before, or is gone for another process, its weights are gathered too.
    monkeypatch.setattr(processes, "any", lambda own: True)
    whole.gather()
    shutil.rmtree(tmp_path / "start")
    whole.save(tmp_path / "whole")
    saved, kept = VLMPolicy.load(tmp_path / "whole").state_dict(), whole.policy.state_dict()
    assert saved.keys() == kept.keys()
    assert all(torch.equal(saved[name], kept[name]) for name in kept)


def test_an_error_in_one_process_leaves_checkpoints_only(make_policy, tmp_path):
    processes = Processes()
    processes.is_sharded, processes.count = True, 2
    whole = GatheredPolicy(make_policy(), processes)
    with pytest.raises(NotWholeError, match="sharded over 2 processes.*--resume"):
        whole.save(tmp_path)
    run = Run(tmp_path / "run", SFTConfig(env="e", out="o"))

    def fail():
        with run.saving(whole):
            run.log(1, {})
            raise KeyError("what happened")

    with pytest.raises(KeyError, match="what happened") as caught:
        fail()
    assert "nor could the policy be saved: the weights are sharded" in caught.value.__notes__[0]
