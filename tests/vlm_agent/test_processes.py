"""Training in two processes, started by Accelerate as a user would."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.vlm_agent.in_two_processes import main
from tests.vlm_agent.updates import NUMBER_LINE
from vlm_agent.processes import Processes
from vlm_agent.runs import read_metrics

ROOT = Path(__file__).resolve().parents[2]
LAUNCH = (
    *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu"),
    *("--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"),
    *("--dynamo_backend", "no", "--main_process_port", "0"),
)


def launch(trainings, **environment):
    return subprocess.run(
        [*LAUNCH, str(Path(__file__).with_name("in_two_processes.py")), json.dumps(trainings)],
        env={
            **os.environ,
            "ACCELERATE_USE_CPU": "true",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def weights(out):
    return {
        f"{file}/{name}": value
        for file in ("model", "value_head")
        for name, value in load_file(Path(out) / f"{file}.safetensors").items()
    }


def shown(out):
    return [
        {k: v for k, v in row.items() if not k.startswith(("time/", "system/"))}
        for row in read_metrics(out)
    ]


def options(folder, name, **changes):
    return {
        "env": NUMBER_LINE,
        "model": str(folder / "start"),
        "out": str(folder / name),
        "num_envs": 4,
        "rollout_steps": 3,
        "total_steps": 36,
        "minibatch_size": 6,
        "micro_batch_size": 3,
        "max_new_tokens": 12,
        "temperature": 1.0,
        "illegal_penalty": 0.5,
        "epochs": 2,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
        "keep_checkpoints": 3,
        **changes,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture
def start(folder, make_policy):
    if not (folder / "start").exists():
        make_policy().save(folder / "start")
    return folder


def test_two_processes_train_what_one_would(start):
    main([options(start, "one")])
    found = launch([options(start, "two")])
    assert found.returncode == 0, found.stderr
    one, two = weights(start / "one"), weights(start / "two")
    before = weights(start / "start")
    moved = max((one[name] - before[name]).abs().max().item() for name in one)
    assert moved > 1e-3
    for name in one:
        torch.testing.assert_close(two[name], one[name], atol=2e-4, rtol=1e-3, msg=name)
    for row, other in zip(shown(start / "one"), shown(start / "two"), strict=True):
        for key in ("step", "rollout/episodes", "rollout/illegal_rate", "rollout/reply_tokens"):
            assert row[key] == other[key], "every environment plays what it would in one process"
        for key in ("train/policy_loss", "train/value_loss", "train/gradient_norm"):
            assert other[key] == pytest.approx(row[key], rel=1e-2, abs=1e-3)
        assert other["train/first_ratio_error"] < 1e-3

    # Broken off after the first of three updates, it goes on to the same end.
    shutil.copytree(start / "two", start / "again")
    for step in (24, 36):
        shutil.rmtree(start / "again" / "checkpoints" / f"step-{step:09d}", ignore_errors=True)
    run = start / "again" / "run.json"
    saved = start / "again" / "checkpoints" / f"step-{12:09d}"
    assert saved.is_dir()
    assert run.is_file()
    found = launch([{"resume": str(saved)}])
    assert found.returncode == 0, found.stderr
    again = weights(start / "again")
    for name in two:
        assert torch.equal(again[name], two[name]), name
    assert shown(start / "again") == shown(start / "two")
    with pytest.raises(ValueError, match="is of 2 processes, and there are 1 now"):
        main([{"resume": str(start / "two")}])


def test_what_cannot_be_shared_out_is_refused(monkeypatch):
    processes = Processes()
    assert (processes.count, processes.rank, processes.is_main) == (1, 0, True)
    processes.count = 2
    assert processes.share(4, "num_envs") == 2
    with pytest.raises(ValueError, match="num_envs=3 .*2 processes: expected a multiple of 2"):
        processes.share(3, "num_envs")


@pytest.mark.parametrize("name", ["FSDP", "DeepSpeed"])
def test_sharded_weights_are_refused(monkeypatch, name):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv(f"ACCELERATE_USE_{name.upper()}", "true")
    with pytest.raises(ValueError, match=f"configured for {name}.*--multi_gpu"):
        Processes()


def test_another_number_format_is_refused(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(ValueError, match="mixed_precision: bf16.*--dtype"):
        Processes()
