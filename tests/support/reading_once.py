"""Loads models in several processes, of which one reads; started by Accelerate.

Usage: reading_once.py [FOLDER, ARCHITECTURES]-AS-JSON
"""

import json
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import modeling_utils

from tests.support.in_two_processes import prepare_for_cpus
from tests.support.live_bytes import LiveBytes
from tests.vlm_agent.models.test_architectures import make_policy, moments
from vlm_agent.config.model import ModelOptions
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.policy import VLMPolicy


@contextmanager
def counting_reads():
    """Counts the files of weights that transformers opens."""
    opened, original = [], modeling_utils.safe_open

    def counted(file, *args, **kwargs):
        opened.append(file)
        return original(file, *args, **kwargs)

    modeling_utils.safe_open = counted
    try:
        yield opened
    finally:
        modeling_utils.safe_open = original


def bytes_of(policy):
    return sum(each.nbytes for each in (*policy.parameters(), *policy.buffers()))


def facts(policy):
    """Returns what a policy depends on that is neither a parameter nor a buffer."""
    parameters = policy.named_parameters(remove_duplicate=False)
    known = {}
    return {
        "tied": [(name, known.setdefault(id(p), name)) for name, p in parameters],
        "trained": [name for name, p in policy.named_parameters() if p.requires_grad],
        "modes": [name for name, module in policy.named_modules() if module.training],
        "compute_dtype": policy.compute_dtype,
        "ends": policy.encoder.end_tokens,
        "unwritable": policy.encoder.unwritable_tokens,
        "name": policy.network.name_or_path,
        "config": policy.network.config.to_dict(),
        "generation": policy.network.generation_config.to_dict(),
    }


def check(place, name, options, processes):
    observations = moments(name)
    with counting_reads() as opened:
        expected = VLMPolicy.load(place, options=options)
    assert len(opened) == 1, "a control: every process reads a model of its own"
    known = facts(expected)
    values = {key: each.detach().clone() for key, each in expected.named_parameters()}
    buffers = dict(expected.named_buffers())
    expected.seed(1)
    written = expected.act(observations)

    with counting_reads() as opened, LiveBytes() as live:
        policy = VLMPolicy.load(place, options=options, processes=processes)
        live.mark("loaded")
        if processes.is_main:
            assert not any(each.is_meta for each in policy.network.parameters())
        else:
            assert all(each.is_meta for each in policy.network.get_decoder().parameters())
        optimizer = torch.optim.Adam([p for p in policy.parameters() if p.requires_grad])
        _, optimizer = processes.prepare(policy, optimizer)
        # Weights of its share, or with DDP all, and what gradients are exchanged in.
        least, most = (0.45, 0.65) if processes.is_sharded else (0.9, 2.2)
        deadline = time.monotonic() + 5
        while not processes.is_main and time.monotonic() < deadline:
            if live.alive() < most * bytes_of(expected):
                break
            time.sleep(0.01)  # a thread of gloo still holds the last exchange
        live.mark("prepared")
    assert len(opened) == (1 if processes.is_main else 0)
    if not processes.is_main:
        # Before `prepare` there are no weights but those of small adapters.
        assert live.peak[""] < 0.5 * bytes_of(expected)
        held = live.end["loaded"] / bytes_of(expected)
        assert least < held < most, (name, held, live.peak, live.end)
    parameters = dict(policy.named_parameters())
    if processes.is_main:
        assert {id(p) for group in optimizer.param_groups for p in group["params"]} == {
            id(p) for p in parameters.values() if p.requires_grad
        }
    for key, value in facts(policy).items():
        assert value == known[key], key
    found = dict(policy.named_buffers())
    assert found.keys() == buffers.keys()
    for key, value in buffers.items():
        assert found[key].dtype == value.dtype
        assert torch.equal(found[key], value), key
    assert parameters.keys() == values.keys()
    for key, parameter in parameters.items():
        whole = getattr(parameter, "full_tensor", lambda p=parameter: p)()
        assert whole.dtype == values[key].dtype
        assert torch.equal(whole, values[key]), key
    with processes.gathered():
        policy.seed(1)
        again = policy.act(observations)
    assert [reply.tokens for reply in again] == [reply.tokens for reply in written]
    processes.wait()


def save_adapter(place, options):
    adapted = VLMPolicy.load(place, options=options)
    for key, parameter in adapted.model.named_parameters():
        if ".lora_B." in key:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save(place / "adapter")


def main(folder, names):
    processes = Processes()
    for name in names:
        place = Path(folder) / name.replace(" ", "-")
        if processes.is_main:
            make_policy(name).save(place)
        processes.wait()
        check(place, name, ModelOptions(), processes)
        lora = ModelOptions(lora=True, lora_rank=2, dtype="bfloat16")
        check(place, name, lora, processes)
        if processes.is_main:
            save_adapter(place, lora)
        processes.wait()
        check(place / "adapter", name, lora, processes)
    processes.finish()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    prepare_for_cpus()
    main(*json.loads(sys.argv[1]))
