"""Runs trainings, one after the other; Accelerate starts it in several processes.

Usage: in_two_processes.py TRAININGS-AS-JSON
"""

import json
import sys

import torch

from vlm_agent.ppo_config import PPOConfig
from vlm_agent.ppo_training import resume_ppo, train_ppo


def main(trainings):
    torch.set_num_threads(1)
    for options in trainings:
        if "resume" in options:
            resume_ppo(options["resume"])
        else:
            train_ppo(PPOConfig(**options))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
