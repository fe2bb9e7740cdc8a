"""Launches trainings in two processes with Accelerate, as a user would, and checks the results."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.support.updates import NUMBER_LINE
from vlm_agent.core.run_directory import METRICS_FILE, read_metrics
from vlm_agent.training.saving.checkpoints import find_checkpoint

ROOT = Path(__file__).resolve().parents[2]
_DDP = ("--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")


def launch(trainings, how=_DDP, script="in_two_processes"):
    """Runs a script in two processes.

    Args:
        trainings: Argument of the script, written as JSON.
        how: Options of `accelerate launch`.
        script: Name of the script in this folder.
    """
    return subprocess.run(
        _command(trainings, how, script),
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def launch_and_interrupt(training, how, errors):
    """Sends Ctrl-C after the first update and returns the exit status.

    Args:
        training: Options of the training.
        how: Options of `accelerate launch`.
        errors: File for the standard error of the processes.
    """
    with errors.open("w") as file:
        process = subprocess.Popen(
            _command([training], how or _DDP, "in_two_processes"),
            env=_environment(),
            stdout=subprocess.DEVNULL,
            stderr=file,
            start_new_session=True,
        )
        try:
            metrics = Path(training["out"], METRICS_FILE)
            for _ in range(1200):
                if process.poll() is not None or (metrics.exists() and metrics.read_text()):
                    break
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            return process.wait(timeout=120)
        finally:
            if process.poll() is None:
                process.kill()


def _command(trainings, how, script):
    return [
        *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", *how),
        *("--num_processes", "2", "--main_process_port", "0"),
        *(str(Path(__file__).with_name(f"{script}.py")), json.dumps(trainings)),
    ]


def _environment():
    return {
        **os.environ,
        "ACCELERATE_USE_CPU": "true",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


def weights(out):
    return {
        f"{file.stem}/{name}": value
        for file in Path(out).glob("*.safetensors")
        for name, value in load_file(file).items()
    }


def shown(out):
    return [
        {k: v for k, v in row.items() if not k.startswith(("time/", "system/"))}
        for row in read_metrics(out)
    ]


def fine_tuning(folder, name, **changes):
    """Options of a short fine-tuning, on a model in the folder unless changed."""
    return {
        "command": "sft",
        "env": NUMBER_LINE,
        "model": str(folder / "start"),
        "out": str(folder / name),
        "samples": 24,
        "batch_size": 6,
        "micro_batch_size": 2,
        "random_share": 0.5,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
        "keep_checkpoints": 4,
        **changes,
    }


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
        "ppo_epochs": 2,
        "learning_rate": 1e-3,
        "checkpoint_every": 1,
        "keep_checkpoints": 3,
        **changes,
    }


def check_interrupted(folder, how, command="ppo"):
    """Checks that a training is saved after the update in which Ctrl-C was pressed."""
    if command == "sft":
        given = fine_tuning(folder, "run", samples=12_000, checkpoint_every=500)
    else:
        given = options(folder, "run", total_steps=12_000, checkpoint_every=500)
    status = launch_and_interrupt(given, how, folder / "errors")
    assert status != 0, "the training was not finished"
    assert "stopping after this update" in (folder / "errors").read_text()
    last = read_metrics(given["out"])[-1]["step"]
    assert 6 <= last < 12_000
    checkpoint = find_checkpoint(given["out"], command)
    assert checkpoint.step == last
    saved, kept = weights(given["out"]), weights(checkpoint.path / "policy")
    assert saved.keys() == kept.keys() == weights(folder / "start").keys()
    assert all(torch.equal(saved[name], kept[name]) for name in saved)


def check_resumed(folder, name):
    """Checks that an interrupted training resumes to the same weights, in the usual formats."""
    one, two, resumed = (weights(folder / f"{name}-{which}") for which in (1, 2, "again"))
    formats = [{key: each[key].dtype for key in each} for each in (one, two)]
    assert formats[0] == formats[1]
    assert all(value.isfinite().all() for value in two.values())
    assert two.keys() == resumed.keys()
    assert all(torch.equal(resumed[key], two[key]) for key in two)
    assert shown(folder / f"{name}-again") == shown(folder / f"{name}-2")


def check_alike(one, two):
    """Checks that several processes trained the same weights as a single one."""
    weights_of_one, weights_of_two = weights(one), weights(two)
    assert set(weights_of_one) == set(weights_of_two)
    for key, value in weights_of_one.items():
        torch.testing.assert_close(weights_of_two[key], value, atol=2e-4, rtol=1e-3, msg=key)
    for row, other in zip(shown(one), shown(two), strict=True):
        assert set(row) == set(other)
        for key in ("step", "rollout/episodes", "rollout/illegal_rate", "rollout/reply_tokens"):
            assert row[key] == other[key]
        for key in row:
            if (
                key.startswith("train/")
                and key != "train/first_ratio_error"
                and row[key] is not None
            ):
                assert other[key] == pytest.approx(row[key], rel=1e-2, abs=1e-3), key
        assert other["train/first_ratio_error"] < 1e-3
