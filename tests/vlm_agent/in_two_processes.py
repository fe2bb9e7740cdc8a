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
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from vlm_agent.ppo_config import PPOConfig
from vlm_agent.ppo_training import resume_ppo, train_ppo


def pass_for_accelerators():
    """Lets Accelerate take its configuration of FSDP, which it does for accelerators alone."""
    PartialState(cpu=True)
    PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def break_off(run, copy, checkpoint):
    """A copy of a run as it was at a checkpoint."""
    if PartialState().is_main_process:
        shutil.copytree(run, copy)
        for each in (Path(copy) / "checkpoints").iterdir():
            if each.name > checkpoint:
                shutil.rmtree(each)
    PartialState().wait_for_everyone()


def show_share(policy):
    """Says how many numbers of all parameters this process keeps."""
    parameters = list(policy.parameters())
    kept = sum((p.to_local() if isinstance(p, DTensor) else p).numel() for p in parameters)
    sys.stdout.write(json.dumps({"kept": kept, "of": sum(p.numel() for p in parameters)}) + "\n")


def main(trainings):
    torch.set_num_threads(1)
    for options in trainings:
        if "resume" in options:
            policy = resume_ppo(options["resume"])
        elif "break_off" in options:
            break_off(**options["break_off"])
            continue
        else:
            policy = train_ppo(PPOConfig(**options))
        show_share(policy)


if __name__ == "__main__":
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        pass_for_accelerators()
    main(json.loads(sys.argv[1]))
