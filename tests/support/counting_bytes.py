"""Counts the bytes that training takes in each of several processes; started by Accelerate.

Usage: counting_bytes.py [MODEL, TRAININGS]-AS-JSON
"""

import dataclasses
import json
import sys

import torch

from tests.support.in_two_processes import prepare_for_cpus
from tests.support.live_bytes import LiveBytes
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.environments import make_env
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy


def moment(seed):
    env = make_env("gym_cards/NumberLine-v0")
    now = observe(task_of(env), *env.reset(seed=seed))
    env.close()
    return now


def count(model, options, gradient_dtype="float32"):
    """Returns the numbers of weights, the bytes at the peaks, and how gradients were rounded."""
    processes = Processes()
    # Other gradients in each process, whose sum has more digits than they have.
    observation, reply = moment(processes.rank), (5, 6, 7)
    with LiveBytes() as live:
        policy = VLMPolicy.load(model, options=ModelOptions(**options), processes=processes)
        policy.generation_config = dataclasses.replace(policy.generation_config, max_new_tokens=3)
        trained = [p for p in policy.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(trained)
        counts = {
            "trained": sum(p.numel() for p in trained),
            "frozen": sum(p.numel() for p in policy.parameters() if not p.requires_grad),
        }
        del trained
        module, optimizer = processes.prepare(
            policy, optimizer, gradient_dtype=getattr(torch, gradient_dtype)
        )

        def update(passes):
            batch = ([observation], [reply])
            parts = [batch] * passes
            for part, _ in processes.accumulate(module, parts, filler=batch):
                scores = module(*part)
                processes.backward(scores.log_probs.sum() + scores.values.sum())
            optimizer.step()

        update(passes=1)
        counts["rounded"] = rounded(policy)
        processes.zero_grad(optimizer)
        with processes.gathered(), policy.writing():
            live.mark("rollout")
            policy.act([observation])
            # In the host's memory, which is the device's here: weights that an adapter changes.
            hosted = sum(original.nbytes for _, original in policy._merging._originals)
        live.mark("update")
        update(passes=2)
        live.mark("end")
    processes.wait()
    return {**counts, "rollout": live.peak["rollout"] - hosted, "update": live.peak["update"]}


def rounded(policy):
    """Returns the share of gradients that bfloat16 can hold."""
    found = [p.grad for p in policy.network.parameters() if p.grad is not None]
    values = torch.cat([getattr(each, "_local_tensor", each).flatten() for each in found])
    values = values[values != 0]
    return (values.bfloat16() == values).float().mean().item()


def main(model, trainings):
    for training in trainings:
        row = {**training, **count(model, **training)}
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    prepare_for_cpus()
    main(*json.loads(sys.argv[1]))
