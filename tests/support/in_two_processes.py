"""Runs several trainings in turn; started in several processes by Accelerate.

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

from vlm_agent.config.sft import SFTConfig
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.ppo_trainer import resume_ppo, train_ppo
from vlm_agent.training.sft.trainer import resume_sft, train_sft

COMMANDS = {"ppo": (PPOConfig, train_ppo, resume_ppo), "sft": (SFTConfig, train_sft, resume_sft)}


def prepare_for_cpus():
    """Makes Accelerate treat CPUs like GPUs."""
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        # Accelerate uses its FSDP configuration on accelerators only.
        PartialState(cpu=True)
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU


def interrupt(run, copy, checkpoint):
    """Copies a run as it was at a checkpoint."""
    if PartialState().is_main_process:
        shutil.copytree(run, copy)
        for each in (Path(copy) / "checkpoints").iterdir():
            if each.name > checkpoint:
                shutil.rmtree(each)
    PartialState().wait_for_everyone()


def show_share(policy):
    """Prints the number of parameters that this process stores, and their total."""
    parameters = list(policy.parameters())
    kept = sum(shard(p).numel() for p in parameters)
    total = sum(p.numel() for p in parameters)
    sys.stdout.write(json.dumps({"kept": kept, "of": total}) + "\n")


def shard(parameter):
    """Returns this process's shard of a parameter."""
    return parameter.to_local() if isinstance(parameter, DTensor) else parameter


def main(trainings):
    torch.set_num_threads(1)
    for options in map(dict, trainings):
        config, train, resume = COMMANDS[options.pop("command", "ppo")]
        if "resume" in options:
            policy = resume(options["resume"])
        elif "interrupt" in options:
            interrupt(**options["interrupt"])
            continue
        else:
            policy = train(config(**options))
        show_share(policy)


if __name__ == "__main__":
    prepare_for_cpus()
    main(json.loads(sys.argv[1]))
