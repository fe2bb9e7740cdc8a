"""Started by Accelerate in several processes, and in one: trains, and tells what came of it.

Usage: accelerate launch … in_two_processes.py FOLDER OPTIONS-AS-JSON
"""

import json
import sys

import torch

from vlm_agent.ppo_config import PPOConfig
from vlm_agent.ppo_training import resume_ppo, train_ppo


def main(options):
    torch.set_num_threads(1)
    if resumed := options.pop("resume", None):
        resume_ppo(resumed)
    else:
        train_ppo(PPOConfig(**options))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
