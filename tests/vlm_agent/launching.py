"""Starts trainings in two processes by Accelerate, as a user would, and reads what came of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file

from tests.vlm_agent.updates import NUMBER_LINE
from vlm_agent.runs import read_metrics

ROOT = Path(__file__).resolve().parents[2]
_DDP = ("--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no")


def launch(trainings, how=_DDP, script="in_two_processes"):
    return subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", *how),
            *("--num_processes", "2", "--main_process_port", "0"),
            *(str(Path(__file__).with_name(f"{script}.py")), json.dumps(trainings)),
        ],
        env={
            **os.environ,
            "ACCELERATE_USE_CPU": "true",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


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
