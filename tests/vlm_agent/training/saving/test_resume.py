import dataclasses
import errno
import json
import math
import os
import random
import shutil
import signal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from packaging.version import Version
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.killed import outcome, settings
from tests.support.updates import NUMBER_LINE
from tests.vlm_agent.rollout.test_resumable_env import Unsteady, limited
from vlm_agent.cli.main import main
from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.sft import SFTConfig
from vlm_agent.core.run_directory import read_metrics
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.models.tiny import build_tiny
from vlm_agent.rollout.collector import Collector
from vlm_agent.training import losses
from vlm_agent.training.optimization import optimizer as steps
from vlm_agent.training.optimization.optimizer import NotFiniteError
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.saving.checkpoint_manager import CheckpointManager
from vlm_agent.training.saving.checkpoints import find_checkpoint
from vlm_agent.training.saving.tensor_tree import read_tree
from vlm_agent.training.sft.trainer import resume_sft, train_sft


def stop_after(monkeypatch, updates):
    """Breaks a training off right after an update, as a crash would."""
    updated = CheckpointManager.updated

    def stopped(self, step, number, **options):
        updated(self, step, number, **options)
        if number == updates:
            raise RuntimeError("a crash")

    monkeypatch.setattr(CheckpointManager, "updated", stopped)


def broken_and_resumed(monkeypatch, train, resume, options, updates):
    with monkeypatch.context() as patch:
        stop_after(patch, updates)
        with pytest.raises(RuntimeError, match="a crash"):
            train(options)
    torch.manual_seed(99)  # another process has other numbers to come
    resume(options.out)
    return outcome(options.out)


def in_directory(options, name):
    return dataclasses.replace(options, out=options.out.replace("whole", name))


# Earlier releases of bitsandbytes have no kernel for the CPU.
EIGHT_BITS = pytest.mark.skipif(
    not find_spec("bitsandbytes") or Version(version("bitsandbytes")) < Version("0.50"),
    reason="needs bitsandbytes >= 0.50",
)


@pytest.mark.parametrize(
    "changes",
    [
        {
            "algorithm": "gigpo",
            "group_size": 2,
            "imitation_coef": 0.0,
            "kl_coef": 0.0,
            "stop_value_gradient": None,
            "standardise_values": None,
        },
        {"lora": True, "lora_rank": 2, "warmup_steps": 3, "weight_decay": 0.1},
        {
            **{"dtype": "bfloat16", "kl_coef": 0.0, "imitation_coef": 0.0, "max_new_tokens": 3},
            **{"history": "actions", "history_length": 2},
        },
        {
            "record_episodes": 0,
            "checkpoint_every": 3,
            "imitation_coef": 0.0,
            "kl_coef": 0.0,
            "history": "replies",
            "history_length": 2,
            "history_tokens": 220,
        },
        pytest.param(
            {
                **{"optimizer": "adamw_8bit", "weight_decay": 0.1, "warmup_ratio": 0.5},
                **{"imitation_coef": 0.0, "kl_coef": 0.0, "max_new_tokens": 3},
            },
            marks=EIGHT_BITS,
        ),
        pytest.param(
            {
                "env": "gym_cards/ALFWorld-v0",
                "env_kwargs": {"split": "valid_unseen", "num_games": 3, "view": "map", "size": 150},
                "imitation_coef": 0.0,
                "kl_coef": 0.0,
            },
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not find_spec("alfworld"), reason="needs alfworld"),
            ],
        ),
    ],
    ids=["groups", "adapter", "bfloat16", "every third", "8 bits", "household"],
)
def test_every_way_to_train_goes_on_alike(make_policy, tmp_path, monkeypatch, changes):
    make_policy().save(tmp_path / "start")
    whole = settings(tmp_path, "whole", **changes)
    train_ppo(whole)
    other = in_directory(whole, "other")
    updates = 1 if "group_size" in changes else 3  # a group is several updates' worth of steps
    found = broken_and_resumed(monkeypatch, train_ppo, resume_ppo, other, updates)
    assert found == outcome(whole.out)


def test_an_adapter_goes_on_without_the_model_that_the_last_checkpoint_held(
    make_policy, tmp_path, monkeypatch
):
    make_policy().save(tmp_path / "start")
    adapter = {"lora": True, "lora_rank": 2, "keep_checkpoints": 1, "total_steps": 8}
    options = small(tmp_path, "other", **adapter)
    with monkeypatch.context() as patch:
        # So that the first checkpoint, which the second one pushes out, holds the model itself.
        at_update(patch, 1, lambda: shutil.rmtree(tmp_path / "start"))
        stop_after(patch, 1)
        with pytest.raises(RuntimeError, match="a crash"):
            train_ppo(options)
    first = find_checkpoint(options.out, "ppo").path
    assert (first / "policy" / "base").is_dir()
    shutil.rmtree(Path(options.out) / "base")
    trained = resume_ppo(options.out).state_dict()
    assert not first.exists()
    for place in (options.out, find_checkpoint(options.out, "ppo").path / "policy"):
        loaded = VLMPolicy.load(place).state_dict()
        assert loaded.keys() == trained.keys()
        assert all(torch.equal(loaded[name], trained[name]) for name in trained)


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_an_adapter_on_another_runs_checkpoint_keeps_what_it_lies_on(
    whole, tmp_path, monkeypatch, dtype
):
    start = find_checkpoint(whole.out, "ppo").path / "policy"
    model = VLMPolicy.load(start).model.state_dict()
    adapter = {"lora": True, "lora_rank": 2, "keep_checkpoints": 1, "total_steps": 8}
    options = small(tmp_path, "unbroken", model=str(start), dtype=dtype, **adapter)
    trained = train_ppo(options).state_dict()
    options = dataclasses.replace(options, out=str(tmp_path / "other"))
    with monkeypatch.context() as patch:
        stop_after(patch, 1)
        with pytest.raises(RuntimeError, match="a crash"):
            train_ppo(options)
    shutil.rmtree(start.parent)  # as when the other run's next checkpoint pushes it out
    moved = Path(options.out).rename(tmp_path / "moved")
    resume_ppo(moved)
    for place in (moved, find_checkpoint(moved, "ppo").path / "policy"):
        loaded = VLMPolicy.load(place, options=options).state_dict()
        assert loaded.keys() == trained.keys()
        assert all(torch.equal(loaded[name], trained[name]) for name in trained)
    # Once, as it was saved, and not in the number format that was computed in.
    assert [path.parent for path in moved.rglob("base")] == [moved]
    base = VLMPolicy.load(moved / "base").model.state_dict()
    assert all(torch.equal(base[name], model[name]) for name in model)


def small(tmp_path, name="whole", **changes):
    """A run without anything that takes time."""
    plain = {"imitation_coef": 0.0, "kl_coef": 0.0, "entropy_coef": 0.0, "history_length": 0}
    return settings(tmp_path, name, **{**plain, "max_new_tokens": 4, **changes})


@pytest.fixture(scope="module")
def finished(texts, tmp_path_factory):
    """The directory of a model, and of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    VLMPolicy(*build_tiny(texts), GenerationConfig(temperature=1.0)).save(folder / "start")
    torch.manual_seed(0)  # a checkpoint holds the state of torch's own generator, too
    train_ppo(small(folder))
    return folder


@pytest.fixture
def whole(finished, tmp_path):
    """The options of a copy of this run."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    torch.manual_seed(0)
    return small(tmp_path)


def at_update(monkeypatch, number, happens):
    """Lets something happen in the rollout before an update."""
    collect, calls = Collector.collect, []

    def collected(self, policy, steps):
        calls.append(1)
        if len(calls) == number:
            happens()
        return collect(self, policy, steps)

    monkeypatch.setattr(Collector, "collect", collected)


def test_ctrl_c_ends_after_the_update_and_loses_nothing(whole, tmp_path, monkeypatch, capsys):
    other = small(tmp_path, "other", checkpoint_every=100)
    with monkeypatch.context() as patch:
        at_update(patch, 2, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            train_ppo(other)
    assert "stopping after this update" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert [row["step"] for row in read_metrics(other.out)] == [4, 8]
    assert find_checkpoint(other.out, "ppo").step == 8
    resume_ppo(other.out)
    assert outcome(other.out) == outcome(whole.out)


def test_a_second_ctrl_c_ends_at_once(whole, tmp_path, monkeypatch):
    def impatient():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    other = small(tmp_path, "other")
    with monkeypatch.context() as patch:
        at_update(patch, 3, impatient)
        with pytest.raises(KeyboardInterrupt):
            train_ppo(other)
    assert [row["step"] for row in read_metrics(other.out)] == [4, 8], "one update is lost"
    resume_ppo(other.out)
    assert outcome(other.out) == outcome(whole.out)


@pytest.mark.usefixtures("no_sigterm_handler")
def test_a_command_ends_after_the_update_when_a_scheduler_tells_it_to(
    whole, tmp_path, monkeypatch, capsys
):
    def told_twice():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)

    other = small(tmp_path, "other", checkpoint_every=100)
    saved = tmp_path / "options.yaml"
    saved.write_text(json.dumps(dataclasses.asdict(other)))
    with monkeypatch.context() as patch:
        at_update(patch, 2, told_twice)
        assert main(["ppo", "--config", str(saved)]) == 130
    said = capsys.readouterr().err
    assert said.count("stopping after this update\n") == 1
    assert f"continue with: vlm-agent ppo --resume {other.out}" in said
    assert [row["step"] for row in read_metrics(other.out)] == [4, 8]
    resume_ppo(other.out)
    assert outcome(other.out) == outcome(whole.out)


def test_a_full_disk_ends_the_run_with_what_to_do(whole, tmp_path, monkeypatch, capsys):
    other = small(tmp_path, "other")
    save = VLMPolicy.save

    def full(self, directory, weights=None):
        # From the third update on; the second checkpoint may still be being written then.
        if "step-000000012" in str(directory) or Path(directory) == Path(other.out):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, directory, weights)

    with monkeypatch.context() as patch:
        patch.setattr(VLMPolicy, "save", full)
        saved = tmp_path / "options.yaml"
        saved.write_text(json.dumps(dataclasses.asdict(other)))
        assert main(["ppo", "--config", str(saved)]) == 1
    said = capsys.readouterr().err
    assert "the checkpoint at step 12 cannot be written (No space left on device)" in said
    assert "nor could the policy be saved" in said
    assert f"continue with: vlm-agent ppo --resume {other.out}" in said
    assert find_checkpoint(other.out, "ppo").step == 8, "no more than one update is lost"
    assert main(["ppo", "--resume", other.out]) == 0
    assert f"saved in {other.out}" in capsys.readouterr().out
    assert outcome(other.out) == outcome(whole.out)


def test_a_damaged_checkpoint_is_got_around(whole, capsys):
    expected = outcome(whole.out)
    newest = Path(whole.out, "checkpoints", "step-000000016")
    with (newest / "training.safetensors").open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    assert main(["ppo", "--resume", whole.out]) == 1
    said = capsys.readouterr().err
    assert f"{newest} is damaged: training.safetensors is not what was written" in said
    older = said.rpartition("--resume ")[2].strip()
    assert older.endswith("step-000000012")
    assert main(["ppo", "--resume", older]) == 0
    assert outcome(whole.out) == expected, "also what was logged after it is not there twice"


def test_a_finished_run_has_nothing_to_do(whole):
    expected = outcome(whole.out)
    resume_ppo(whole.out)
    assert outcome(whole.out) == expected


def test_a_run_that_was_moved_goes_on_where_it_is(whole, tmp_path):
    expected = outcome(whole.out)
    moved = Path(whole.out).rename(tmp_path / "moved")
    resume_ppo(moved / "checkpoints" / "step-000000012")
    assert outcome(moved) == expected
    assert not Path(whole.out).exists()


def test_options_cannot_be_changed(whole, capsys):
    assert main(["ppo", "--resume", whole.out, "--gamma", "0.5"]) == 1
    assert "--gamma with --resume: a run continues with" in capsys.readouterr().err
    path = Path(whole.out, "run.json")
    options = json.loads(path.read_text())
    for name, value in (("gamma", 0.5), ("total_steps", 9)):
        path.write_text(json.dumps({**options, name: value}))
        assert main(["ppo", "--resume", whole.out]) == 1
        message = f"{name}={value}, and the checkpoint was trained with {name}={options[name]}"
        assert message in capsys.readouterr().err
    path.write_text(json.dumps(options))
    assert main(["sft", "--resume", whole.out]) == 1


def test_a_run_of_before_with_an_option_that_nothing_used_is_resumed_again(whole):
    """Checkpoints after the first resumption do not hold it, and the run's own file does."""
    expected = outcome(whole.out)
    path = Path(whole.out, "run.json")
    options = {**json.loads(path.read_text()), "lora_rank": 8}
    path.write_text(json.dumps(options))
    resume_ppo(Path(whole.out, "checkpoints", "step-000000012"))
    assert outcome(whole.out) == expected
    path.write_text(json.dumps({**options, "lora": True}))
    with pytest.raises(ValueError, match="says lora=True, and the checkpoint was trained with"):
        resume_ppo(whole.out)


def test_an_extended_run_that_was_interrupted_stays_extended(whole, monkeypatch):
    def crash():
        raise RuntimeError("a crash")

    with monkeypatch.context() as patch:
        at_update(patch, 1, crash)
        with pytest.raises(RuntimeError, match="a crash"):
            resume_ppo(whole.out, total_steps=20)
    assert find_checkpoint(whole.out, "ppo").step == 16
    resume_ppo(whole.out)
    assert [row["step"] for row in read_metrics(whole.out)] == [4, 8, 12, 16, 20]


def test_a_run_without_checkpoints_is_not_resumed(make_policy, tmp_path, capsys):
    make_policy().save(tmp_path / "start")
    options = small(tmp_path, checkpoint_every=0, total_steps=4)
    train_ppo(options)
    assert not Path(options.out, "checkpoints").exists()
    assert main(["ppo", "--resume", options.out]) == 1
    assert "holds no checkpoint to resume from" in capsys.readouterr().err


def test_a_shortened_file_of_metrics_is_refused(whole):
    os.truncate(Path(whole.out, "metrics.jsonl"), 100)
    with pytest.raises(ValueError, match=r"metrics\.jsonl has 100 bytes, and had"):
        resume_ppo(whole.out)


def test_a_checkpoint_is_a_policy(whole):
    policy = VLMPolicy.load(Path(whole.out, "checkpoints", "step-000000016", "policy"))
    final = VLMPolicy.load(whole.out)
    for one, other in zip(policy.parameters(), final.parameters(), strict=True):
        assert torch.equal(one, other)


def test_generators_that_belong_to_nobody_go_on(whole):
    step = Path(whole.out, "checkpoints", "step-000000012")
    state = read_tree(step, "training")["own"][0]["random"]
    with torch.random.fork_rng():
        resume_ppo(step)
        assert random.getstate()[1][:3] == tuple(state["python"][1][:3])
        assert np.random.get_state()[1].tolist() == state["numpy"][1].tolist()
        assert torch.equal(torch.get_rng_state(), state["torch"])


def test_the_recorded_threads_and_torch_count(whole, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.0.0")
    torch.set_num_threads(2)
    try:
        with pytest.warns(UserWarning, match="this is 2.0.0"):
            resume_ppo(whole.out)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(1)


def test_an_environment_that_does_not_come_back_goes_on_all_the_same(
    make_policy, tmp_path, monkeypatch
):
    make_policy().save(tmp_path / "start")
    gym.register("test/Unsteady-v0", lambda: limited(Unsteady)())
    try:
        other = small(tmp_path, "other", env="test/Unsteady-v0")
        with monkeypatch.context() as patch:
            stop_after(patch, 2)
            with pytest.raises(RuntimeError, match="a crash"):
                train_ppo(other)
        with pytest.warns(UserWarning, match="2 of 2 environments cannot be restored"):
            resume_ppo(other.out)
        assert [row["step"] for row in read_metrics(other.out)] == [4, 8, 12, 16]
    finally:
        del gym.registry["test/Unsteady-v0"]


def test_left_out_steps_stay_counted(make_policy, tmp_path, monkeypatch):
    """Five in a row end a run, also where it was interrupted in between."""
    make_policy().save(tmp_path / "start")
    monkeypatch.setattr(losses, "clipped_objective", lambda ratio, *_: ratio * math.nan)
    other = small(tmp_path, "other", checkpoint_every=1)
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(RuntimeError, match="a crash"):
            train_ppo(other)
    rows = read_metrics(other.out)
    assert [row["train/skipped_steps"] for row in rows] == [1, 1, 1]
    with monkeypatch.context() as patch:
        patch.setattr(steps, "_PATIENCE", 4)
        with pytest.raises(NotFiniteError, match="4 optimizer steps in a row.*policy_loss is"):
            resume_ppo(other.out)


def test_tensorboard_shows_no_step_twice(whole):
    resume_ppo(Path(whole.out, "checkpoints", "step-000000012"))
    events = EventAccumulator(str(Path(whole.out, "tensorboard"))).Reload()
    assert [each.step for each in events.Scalars("train/value_loss")] == [4, 8, 12, 16]


SFT = {
    "env": NUMBER_LINE,
    "samples": 16,
    "batch_size": 4,
    "micro_batch_size": 2,
    "random_share": 0.5,
    "detour_share": 0.2,
    "history_length": 1,
    "checkpoint_every": 2,
}


LESSONS = {
    "caption_samples": 6,
    "reasoning_samples": 8,
    "samples": 4,
    "probe_weight": 1.0,
    "optimizer": "muon",
}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"optimizer": "adamw_8bit", "warmup_steps": 2}, marks=EIGHT_BITS),
        {"lora": True, "lora_dropout": 0.5, "lora_rank": 2, "weight_decay": 0.1},
        LESSONS,
    ],
    ids=["8 bits", "adapter", "lessons"],
)
def test_fine_tuning_goes_on_alike(make_policy, tmp_path, monkeypatch, changes):
    make_policy().save(tmp_path / "start")
    model = str(tmp_path / "start") if "lora" in changes else "tiny"
    whole = SFTConfig(**{**SFT, **changes}, model=model, out=str(tmp_path / "whole"))
    torch.manual_seed(1)
    train_sft(whole)
    torch.manual_seed(1)
    other = in_directory(whole, "other")
    assert broken_and_resumed(monkeypatch, train_sft, resume_sft, other, 3) == outcome(whole.out)
    steps = [row["step"] for row in read_metrics(other.out)]
    assert steps == ([4, 8, 12, 16, 20] if changes is LESSONS else [4, 8, 12, 16])
