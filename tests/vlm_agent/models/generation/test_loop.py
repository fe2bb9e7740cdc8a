"""The loop that writes replies, and its cache."""

import pytest
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from tests.support.products import Operations
from vlm_agent.models import sampling
from vlm_agent.models.generation.cache import _ROOM, reserve_room
from vlm_agent.models.generation.loop import sampling_chooser, write_replies


def written(policy, observations, check_every):
    """Returns the replies with their log-probabilities, and how often the loop asked."""
    inputs = policy.encode(observations)
    numbers = sampling.uniform(len(observations), 24, torch.Generator().manual_seed(0))
    passes = []
    handle = policy.network.register_forward_pre_hook(lambda *_: passes.append(1))
    with torch.no_grad(), Operations() as found:
        result = write_replies(
            policy.network,
            inputs,
            sampling_chooser(policy.token_log_probs, numbers),
            end_tokens=policy.encoder.end_tokens,
            pad_token=policy.encoder.pad_token,
            max_new_tokens=24,
            check_every=check_every,
        )
    handle.remove()
    tokens = [policy.encoder.until_end(each) for each in result.tokens]
    log_probs = [each[: len(t)] for each, t in zip(result.log_probs, tokens, strict=True)]
    return tokens, log_probs, len(passes), found.names["_local_scalar_dense"]


@pytest.mark.parametrize("check_every", [3, 8, 100])
def test_replies_do_not_depend_on_how_often_their_end_is_asked_for(
    make_policy, observations, check_every
):
    policy = make_policy()
    policy.encoder.end_tokens[:] = range(20, 80)  # replies of random weights end at random
    tokens, log_probs, passes, asked = written(policy, observations, 1)
    lengths = {len(each) for each in tokens}
    assert min(lengths) < 8, "the control: replies end early"
    assert len(lengths) > 3, "the control: they end at different times"
    late_tokens, late_log_probs, late_passes, late_asked = written(
        policy, observations, check_every
    )
    assert late_tokens == tokens
    for late, each in zip(late_log_probs, log_probs, strict=True):
        torch.testing.assert_close(torch.tensor(late), torch.tensor(each), atol=1e-4, rtol=1e-4)
    assert late_passes == min(-(-passes // check_every) * check_every, 24)
    assert asked - late_asked == passes - late_passes // check_every


def test_a_cache_with_room_is_not_copied_for_every_token():
    torch.manual_seed(0)
    plain, roomy = DynamicCache(), DynamicCache()
    moved = {id(plain): 0, id(roomy): 0}
    for step in range(_ROOM + 5):
        states = [torch.randn(3, 2, 7 if step == 0 else 1, 4) for _ in range(2)]
        if step == 9:
            for cache in (plain, roomy):
                cache.batch_select_indices(torch.tensor([0, 2]))
        states = [each[: 3 if step < 9 else 2] for each in states]
        for cache in (plain, roomy):
            before = cache.layers[0].keys.data_ptr() if step else 0
            found = cache.update(*states, 0)
            moved[id(cache)] += found[0].data_ptr() != before
        expected, found = (cache.layers[0] for cache in (plain, roomy))
        assert torch.equal(expected.keys, found.keys)
        assert torch.equal(expected.values, found.values)
        assert expected.get_seq_length() == found.get_seq_length()
        assert expected.get_mask_sizes(1) == found.get_mask_sizes(1)
        if step == 0:
            reserve_room(roomy)
    assert moved[id(roomy)] < 4 < _ROOM < moved[id(plain)]


def test_only_layers_that_grow_get_room():
    cache = DynamicCache()
    cache.layers = [DynamicLayer(), DynamicSlidingWindowLayer(sliding_window=4), DynamicLayer()]
    for index in range(2):
        cache.layers[index].update(torch.ones(1, 1, 2, 4), torch.ones(1, 1, 2, 4))
    kept = cache.layers[1:]
    reserve_room(cache)
    assert cache.layers[1:] == kept, "a sliding window, and a layer without states"
    assert type(cache.layers[0]) is not DynamicLayer
    reserve_room(None)


def test_generation_uses_a_cache_with_room(make_policy, observations, monkeypatch):
    policy = make_policy()
    counts = {}
    for name in ("room", "none"):
        if name == "none":
            monkeypatch.setattr("vlm_agent.models.generation.loop.reserve_room", lambda cache: None)
        counts[name] = written(policy, observations, 1)
    assert counts["room"][0] == counts["none"][0]
    with Operations() as found:
        written(policy, observations, 1)
    monkeypatch.undo()
    with Operations() as fewer:
        written(policy, observations, 1)
    layers = policy.network.config.text_config.num_hidden_layers
    assert found.names["cat"] - fewer.names["cat"] == 2 * layers * (24 - 1)
