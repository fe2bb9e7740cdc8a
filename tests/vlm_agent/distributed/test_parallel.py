"""A policy inside the wrappers that train a module in several processes."""

import pytest
import torch
import torch.distributed as dist
from torch.distributed.fsdp import (
    FSDPModule,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.nn.parallel import DistributedDataParallel

from vlm_agent.models import scoring


@pytest.fixture
def processes(tmp_path):
    """A process group of one process, which runs the same code as larger groups."""
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def in_parallel(policy):
    return DistributedDataParallel(policy, find_unused_parameters=True)


def in_shards(policy):
    for layer in policy.network.get_decoder().layers:
        fully_shard(layer)
    fully_shard(policy)
    register_fsdp_forward_method(policy, "act")
    return policy


def loss(scores):
    return -scores.log_probs.sum() + scores.values.sum() - scores.entropies.sum()


def gradients(module):
    return {
        name.removeprefix("module."): getattr(p.grad, "to_local", lambda p=p: p.grad)()
        for name, p in module.named_parameters()
        if p.grad is not None and p.grad.any()
    }


@pytest.mark.parametrize("tokens", [None, 3], ids=["all at once", "in chunks"])
@pytest.mark.parametrize("wrap", [in_parallel, in_shards])
def test_a_wrapped_policy_has_the_gradients_of_a_bare_one(
    make_policy, observations, processes, wrap, tokens, monkeypatch
):
    policy = make_policy()
    if tokens:
        monkeypatch.setattr(scoring, "_CHUNK_LOGITS", tokens * len(policy.banned))
        monkeypatch.setattr(scoring, "_MIN_SHARE_OF_WEIGHTS", 2**40)
    with torch.no_grad():
        policy.value_head.layers[-1].weight.fill_(0.1)
    replies = [reply.tokens for reply in policy.act(observations)]
    loss(policy.score(observations, replies, entropy=True)).backward()
    expected = gradients(policy)
    policy.zero_grad()
    policy.seed(1)
    written = policy.act(observations)
    wrapped = wrap(policy)
    calls = []
    policy.network.get_output_embeddings().register_forward_hook(lambda *_: calls.append(1))
    policy.seed(1)
    assert policy.act(observations) == written
    assert isinstance(wrapped, DistributedDataParallel | FSDPModule)
    for _ in range(2):  # the second pass starts from the state that the first one left
        wrapped.zero_grad()
        calls.clear()
        loss(wrapped(observations, replies, entropy=True)).backward()
        assert (len(calls) > 1) == bool(tokens)
        found = gradients(wrapped)
        assert found.keys() == expected.keys()
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, msg=name)
