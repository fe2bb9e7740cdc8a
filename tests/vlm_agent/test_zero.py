"""Training in two processes by DeepSpeed's ZeRO, started by Accelerate as a user would."""

import importlib.metadata
import json
import re
import sys
from importlib.util import find_spec

import pytest
import torch

from tests.vlm_agent.architectures import ARCHITECTURES
from tests.vlm_agent.in_two_processes import main
from tests.vlm_agent.launching import (
    ROOT,
    check_alike,
    check_interrupted,
    check_went_on,
    launch,
    options,
    shown,
    weights,
)
from vlm_agent import zero
from vlm_agent.model_options import LoadOptions
from vlm_agent.policy import VLMPolicy
from vlm_agent.processes import Processes

needs_deepspeed = pytest.mark.skipif(
    find_spec("deepspeed") is None, reason='needs DeepSpeed: pip install "gym-cards[deepspeed]"'
)
STAGES = (1, 2, 3)


@pytest.fixture
def documented(tmp_path):
    """The configuration that the documentation shows."""
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    text = re.search(r"```yaml\n(compute_environment[^`]*DEEPSPEED.*?)```", page, re.DOTALL)[1]
    (tmp_path / "zero.yaml").write_text(text, encoding="utf-8")
    return "--config_file", str(tmp_path / "zero.yaml")


@needs_deepspeed
def test_two_processes_train_what_one_would(make_policy, tmp_path, documented):
    make_policy().save(tmp_path / "start")
    trained = {
        # Unequal numbers of passes, a copied reference, two norms, an update that ends early.
        **{"minibatch_size": 3, "micro_batch_size": 1, "kl_coef": 0.1, "entropy_coef": 0.01},
        **{"imitation_coef": 0.5, "imitation_memory": 18},
        **{"standardise_values": True, "stop_value_gradient": True, "target_kl": 0.02},
        **{"total_steps": 24, "epochs": 1},
    }
    main([options(tmp_path, "one", **trained)])
    again = {"run": str(tmp_path / "zero-3"), "copy": str(tmp_path / "again")}
    todo = [
        *({"zero_steps": stage} for stage in STAGES),
        *({"zero_stage": 2}, options(tmp_path, "zero-2", **trained)),
        *({"zero_stage": 3}, options(tmp_path, "zero-3", **trained)),
        *({"break_off": {**again, "checkpoint": f"step-{12:09d}"}}, {"resume": again["copy"]}),
    ]
    found = launch(todo, how=documented, cpu="false")
    assert found.returncode == 0, found.stderr
    shares = [json.loads(line) for line in found.stdout.splitlines() if line.startswith("{")]
    shares = [each["kept"] / each["of"] for each in shares]
    # Two processes: by stage 2, by stage 3, and by stage 3 again.
    assert [share == 1.0 for share in shares].count(True) == 2
    assert [0.45 < share < 0.55 for share in shares].count(True) == 2 * 2
    steps = [row["train/optimizer_steps"] for row in shown(tmp_path / "one")]
    assert min(steps) < 4, "the divergence ended an update"
    before = weights(tmp_path / "start")
    moved = max((w - before[n]).abs().max() for n, w in weights(tmp_path / "one").items())
    assert moved > 1e-3
    for stage in (2, 3):
        check_alike(tmp_path / "one", tmp_path / f"zero-{stage}")
    # Broken off after the first of two updates, it goes on to the same end, to the last bit.
    whole, resumed = weights(tmp_path / "zero-3"), weights(tmp_path / "again")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert shown(tmp_path / "again") == shown(tmp_path / "zero-3")


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("stage", STAGES)
def test_adapters_and_bfloat16(make_policy, tmp_path, documented, stage):
    make_policy().save(tmp_path / "start")
    short = {"minibatch_size": 1, "micro_batch_size": 1, "total_steps": 12, "epochs": 1}
    adapter = {"lora": True, "lora_rank": 4, "kl_coef": 0.1}
    exact = {
        # The reference is the model without it; one of the processes has no step.
        "adapter": {**short, **adapter, "gradient_checkpointing": True},
        "group": {"advantages": "grpo", "group_size": 2, "total_steps": 24, "epochs": 1},
        "warm": {"value_warmup": 1, "total_steps": 24, "epochs": 1},
    }
    narrow = {"dtype": "bfloat16", "total_steps": 24, "epochs": 1}
    rough = {"full": narrow, "narrow-adapter": {**narrow, **adapter}}
    trained = {**exact, **rough}
    main([options(tmp_path, f"{name}-1", **each) for name, each in trained.items()])
    again = [
        {"run": str(tmp_path / f"{name}-2"), "copy": str(tmp_path / f"{name}-again")}
        for name in rough
    ]
    todo = [
        {"zero_stage": stage},
        *(options(tmp_path, f"{name}-2", **each) for name, each in trained.items()),
        *({"break_off": {**each, "checkpoint": f"step-{12:09d}"}} for each in again),
        *({"resume": each["copy"]} for each in again),
    ]
    found = launch(todo, how=documented, cpu="false")
    assert found.returncode == 0, found.stderr
    for name in exact:
        check_alike(tmp_path / f"{name}-1", tmp_path / f"{name}-2")
    assert VLMPolicy.load(tmp_path / "adapter-2").has_adapter
    before = VLMPolicy.load(tmp_path / "start").state_dict()
    for name in rough:
        check_went_on(tmp_path, name)
        assert all(row["train/first_ratio_error"] < 1e-3 for row in shown(tmp_path / f"{name}-2"))
        loaded = VLMPolicy.load(tmp_path / f"{name}-2", options=LoadOptions(dtype="float32"))
        if loaded.has_adapter:
            loaded.merge_adapter()
        moved = loaded.state_dict()
        assert all(value.isfinite().all() for value in moved.values())
        assert max((moved[key] - before[key]).abs().max() for key in before) > 1e-3


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("stage", [2, 3])
def test_every_architecture_has_the_gradients_of_a_bare_one(documented, stage):
    how = (*documented, "--zero_stage", str(stage))
    found = launch(list(ARCHITECTURES), how=how, script="in_shards", cpu="false")
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
@needs_deepspeed
@pytest.mark.parametrize("stage", [1, 3])
def test_ctrl_c_ends_after_the_update_and_saves(make_policy, tmp_path, documented, stage):
    make_policy().save(tmp_path / "start")
    how = (*documented, "--zero_stage", str(stage))
    check_interrupted(tmp_path, how, cpu="false")


@pytest.fixture
def configured(monkeypatch):
    """Sets what `accelerate launch` does for DeepSpeed, and more or other."""

    def configure(**variables):
        asked = {"ACCELERATE_MIXED_PRECISION": "no", "ACCELERATE_USE_DEEPSPEED": "true"}
        for name, value in {**asked, **variables}.items():
            monkeypatch.setenv(name, value)

    return configure


@needs_deepspeed
@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("ACCELERATE_DEEPSPEED_ZERO_STAGE", "0", "zero_stage=0: expected zero_stage: 1, 2 or 3"),
        ("ACCELERATE_DEEPSPEED_ZERO3_INIT", "true", "expected zero3_init_flag: false"),
        ("ACCELERATE_GRADIENT_CLIPPING", "1.0", "gradient_clipping=1.0.*--max-grad-norm"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4", "accumulation_steps=4.*--micro-batch-size"),
        ("ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "cpu", "offload_optimizer.device=cpu"),
        ("ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE", "nvme", "offload_param.device=nvme"),
        ("ACCELERATE_USE_CPU", "True", "expected use_cpu: false"),
        ("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR", "no dynamo_config"),
    ],
)
def test_what_deepspeed_is_not_used_for_is_refused(configured, variable, value, told):
    configured(**{variable: value})
    with pytest.raises(ValueError, match=f"configured for DeepSpeed with .*{told}"):
        Processes()


@needs_deepspeed
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"gradient_clipping": 0.5}, "gradient_clipping=0.5.*--max-grad-norm"),
        ({"optimizer": {"type": "AdamW"}}, "optimizer.type=AdamW.*the trainer has its own"),
        ({"scheduler": {"type": "WarmupLR"}}, "scheduler.type=WarmupLR.*--learning-rate"),
        ({"fp16": {"enabled": True}}, "fp16.enabled=True.*--dtype"),
        ({"bf16": {"enabled": True}}, "bf16.enabled=True.*--dtype"),
        ({"train_micro_batch_size_per_gpu": 4}, "per_gpu=4.*--micro-batch-size"),
        ({"prescale_gradients": True}, "prescale_gradients=True.*takes it into account"),
        (
            {"zero_optimization": {"stage": 3, "zero_quantized_weights": True}},
            "zero_quantized_weights=True",
        ),
        (
            {"zero_optimization": {"stage": 2, "round_robin_gradients": True}},
            "round_robin_gradients=True.*other weights",
        ),
        ({"zero_optimization": {"stage": 4}}, "zero_stage=4"),
    ],
)
def test_files_for_deepspeed_are_checked(configured, tmp_path, section, told):
    plain = {
        "zero_optimization": {"stage": 2, "overlap_comm": True, "reduce_bucket_size": 1000},
        "fp16": {"enabled": False, "loss_scale": 0},
        "train_batch_size": "auto",
        "gradient_clipping": "auto",
    }
    file = tmp_path / "zero.json"
    file.write_text(json.dumps(plain))
    configured(ACCELERATE_DEEPSPEED_CONFIG_FILE=str(file))
    zero.check_configuration()
    file.write_text(json.dumps({**plain, **section}))
    with pytest.raises(ValueError, match=f"configured for DeepSpeed with .*{told}"):
        Processes()


def test_deepspeed_has_to_be_installed(configured, monkeypatch):
    configured()
    monkeypatch.setitem(sys.modules, "deepspeed", None)
    with pytest.raises(ImportError, match=r'pip install "gym-cards\[deepspeed\]"'):
        Processes()


@needs_deepspeed
def test_deepspeed_of_an_untried_version_is_refused(configured, monkeypatch):
    configured()
    real = importlib.metadata.version
    newer = {"deepspeed": "0.20.0"}
    monkeypatch.setattr(importlib.metadata, "version", lambda name: newer.get(name) or real(name))
    with pytest.raises(ImportError, match=r'older than 0\.20.*pip install "deepspeed<0\.20"'):
        Processes()
