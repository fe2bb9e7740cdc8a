"""Runs trainings, one after the other; Accelerate starts it in several processes.

Usage: in_two_processes.py TRAININGS-AS-JSON
"""

import json
import os
import shutil
import sys
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from tests.vlm_agent import zero_steps
from vlm_agent.ppo_config import PPOConfig
from vlm_agent.ppo_training import resume_ppo, train_ppo


def prepare_for_cpus():
    """Lets Accelerate and DeepSpeed do on CPUs what they do on GPUs."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        # Accelerate takes its configuration of FSDP for accelerators alone.
        PartialState(cpu=True)
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
    if os.environ.get("ACCELERATE_USE_DEEPSPEED") == "true":
        import deepspeed.ops

        # It would compile a program for CPUs, for a minute, where torch exchanges things as well.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False


def break_off(run, copy, checkpoint):
    """A copy of a run as it was at a checkpoint."""
    if PartialState().is_main_process:
        shutil.copytree(run, copy)
        for each in (Path(copy) / "checkpoints").iterdir():
            if each.name > checkpoint:
                shutil.rmtree(each)
    PartialState().wait_for_everyone()


def choose_stage(stage):
    """Has DeepSpeed spread something else from now on."""
    AcceleratorState._reset_state()
    os.environ["ACCELERATE_DEEPSPEED_ZERO_STAGE"] = str(stage)


def show_share(policy):
    """Says how many numbers of all parameters this process keeps."""
    parameters = list(policy.parameters())
    kept = sum(memory(p).numel() for p in parameters)
    total = sum(getattr(p, "ds_numel", p.numel()) for p in parameters)
    sys.stdout.write(json.dumps({"kept": kept, "of": total}) + "\n")


def memory(parameter):
    """What this process keeps of a parameter."""
    if isinstance(parameter, DTensor):
        return parameter.to_local()
    return getattr(parameter, "ds_tensor", parameter)


def main(trainings):
    torch.set_num_threads(1)
    for options in trainings:
        if "resume" in options:
            policy = resume_ppo(options["resume"])
        elif "break_off" in options:
            break_off(**options["break_off"])
            continue
        elif "zero_stage" in options:
            choose_stage(options["zero_stage"])
            continue
        elif "zero_steps" in options:
            choose_stage(options["zero_steps"])
            zero_steps.check()
            continue
        else:
            policy = train_ppo(PPOConfig(**options))
        show_share(policy)


if __name__ == "__main__":
    prepare_for_cpus()
    main(json.loads(sys.argv[1]))
