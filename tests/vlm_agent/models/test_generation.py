"""Work that is shared while replies are written: equal prompts, and heads with the same keys."""

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from transformers import LlamaConfig, LlamaForCausalLM

from vlm_agent.models.generation.attention import packing_heads


def rows_of(policy, call):
    """Returns the result of a call, and the batch size of each pass in it."""
    rows = []
    handle = policy.network.get_output_embeddings().register_forward_pre_hook(
        lambda _, args: rows.append(len(args[0]))
    )
    try:
        return call(), rows
    finally:
        handle.remove()


def test_equal_observations_are_read_once(make_policy, observations):
    policy = make_policy(max_new_tokens=8)
    with torch.no_grad():  # a fresh value head returns 0
        for parameter in policy.value_head.parameters():
            parameter.normal_(std=0.1)
    asked = [*observations[:3], *observations[2::-1], *observations[:5], observations[3]]

    def act():
        return policy.act(asked, [np.random.default_rng(row) for row in range(len(asked))])

    replies, rows = rows_of(policy, act)
    assert rows[:2] == [5, len(asked)]
    values, rows = rows_of(policy, lambda: policy.values(asked))
    assert rows == [5]
    policy.encoder._shares_prompts = False
    alone, rows = rows_of(policy, act)
    assert rows[0] == len(asked)
    assert [reply.tokens for reply in replies] == [reply.tokens for reply in alone]
    assert len({reply.tokens for reply in replies}) == len(asked), "each with its own draws"
    for one, other, value in zip(replies, alone, values, strict=True):
        assert one.log_probs == pytest.approx(other.log_probs, abs=1e-5)
        assert one.value == pytest.approx(other.value, abs=1e-5) == value
    assert len({reply.value for reply in replies}) == 5


class Queries(TorchFunctionMode):
    """Records the shapes of attention's queries."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is torch.nn.functional.scaled_dot_product_attention:
            self.shapes.append(tuple(args[0].shape))
        return function(*args, **(kwargs or {}))


def test_heads_that_share_keys_are_one_query():
    config = LlamaConfig(
        vocab_size=20,
        hidden_size=48,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
    )
    torch.manual_seed(0)
    network = LlamaForCausalLM(config).eval()
    ids = torch.randint(20, (3, 7))

    @torch.no_grad()
    def read():
        with Queries() as queries:
            cache = network(input_ids=ids[:, :6], use_cache=True).cache
            logits = network(input_ids=ids[:, 6:], cache=cache).logits
        return logits, queries.shapes

    expected, shapes = read()
    assert shapes == [(3, 6, 6, 8)] * 2 + [(3, 6, 1, 8)] * 2
    with packing_heads(network):
        found, shapes = read()
    assert shapes == [(3, 6, 6, 8)] * 2 + [(3, 2, 3, 8)] * 2
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert network.config._attn_implementation == "sdpa"
    # The control: a prompt's last token attends to all of it too.
    with torch.no_grad():
        torch.testing.assert_close(network(input_ids=ids).logits[:, -1:], found)
