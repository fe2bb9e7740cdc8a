"""Compares sharded policies with unsharded ones; started in several processes by Accelerate.

Usage: in_shards.py ARCHITECTURES-AS-JSON
"""

import json
import sys

import torch

from tests.support.in_two_processes import prepare_for_cpus
from tests.vlm_agent.distributed.test_parallel import loss
from tests.vlm_agent.models.test_architectures import make_policy, moments
from vlm_agent.distributed.processes import Processes
from vlm_agent.models import scoring
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.lora import cast_weights


def gradients(policy, processes):
    found = {name: p.grad for name, p in policy.named_parameters() if p.grad is not None}
    found = processes.unshard(found) if processes else found
    # In processes other than the main one, unsharded tensors are `None`.
    return {
        name: gradient
        for name, gradient in found.items()
        if gradient is not None and gradient.any()
    }


def compare(name):
    policy = make_policy(name)
    observations = moments(name)
    policy.seed(1)
    written = policy.act(observations)
    replies = [reply.tokens for reply in written]
    loss(policy.score(observations, replies, entropy=True)).backward()
    expected = gradients(policy, None)
    policy.zero_grad()
    weights = {key: value.clone() for key, value in policy.state_dict().items()}

    processes = Processes()
    module, optimizer = processes.prepare(policy, torch.optim.Adam(policy.parameters()))
    with processes.gathered():
        for _ in range(1 + processes.rank):  # processes need not act equally often
            policy.seed(1)
            again = policy.act(observations)
        policy.values(observations)
    assert [reply.tokens for reply in again] == replies
    batch = (observations, replies)
    usual = scoring._CHUNK_LOGITS, scoring._MIN_SHARE_OF_WEIGHTS
    for in_chunks in (False, True):
        optimizer.zero_grad()
        # One process may have few tokens, and score them all at once.
        if in_chunks and processes.is_main:
            scoring._CHUNK_LOGITS, scoring._MIN_SHARE_OF_WEIGHTS = 1000, 2**40
        # Processes need not have equally many micro-batches.
        parts = [batch] * (processes.rank + 1)
        for part, counts in processes.accumulate(module, parts, filler=batch):
            # The sum over processes is the gradient of one batch.
            share = counts / (len(parts) * processes.count)
            processes.backward(share * loss(module(*part, entropy=True)))
        found = gradients(policy, processes)
        if processes.is_main:
            assert found.keys() == expected.keys()
            # In chunks, sums have another order.
            rtol, atol = (5e-5, 1e-4) if in_chunks else (1.3e-6, 1e-5)
            for key, gradient in expected.items():
                torch.testing.assert_close(found[key], gradient, rtol=rtol, atol=atol)
    scoring._CHUNK_LOGITS, scoring._MIN_SHARE_OF_WEIGHTS = usual
    gathered = GatheredPolicy(policy, processes)
    gathered.gather()
    if processes.is_main:
        saved = {
            f"{m}.{n}": value for m, part in gathered._weights.items() for n, value in part.items()
        }
        assert saved.keys() == weights.keys()
        assert all(torch.equal(value, weights[key]) for key, value in saved.items())
    processes.finish()


def compare_in_bfloat16(name):
    """Compares a policy whose weights are in float32 with one that was loaded in bfloat16."""
    observations = moments(name)
    loaded = make_policy(name)
    cast_weights(loaded.model, torch.bfloat16)
    loaded.compute_dtype = torch.bfloat16
    loaded.seed(1)
    expected = loaded.act(observations)
    replies = [reply.tokens for reply in expected]
    policy = make_policy(name)
    policy.compute_dtype = torch.bfloat16
    processes = Processes()
    module, _ = processes.prepare(policy, torch.optim.Adam(policy.parameters()))
    with processes.gathered():
        policy.seed(1)
        assert policy.act(observations) == expected
        scored = policy.score(observations, replies)
        torch.testing.assert_close(scored, loaded.score(observations, replies), atol=0, rtol=0)
    again = module(observations, replies)
    torch.testing.assert_close(again.log_probs, scored.log_probs, atol=0, rtol=0)
    assert again.values.dtype == torch.float32
    processes.finish()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)  # models have to be built with the same weights in all processes
    prepare_for_cpus()
    for architecture in json.loads(sys.argv[1]):
        compare(architecture)
        compare_in_bfloat16(architecture)
