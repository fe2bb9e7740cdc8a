"""The cache of encoded observations, and batches joined from it."""

import dataclasses

import numpy as np
import torch

from vlm_agent.models.inputs.cache import EncodingCache


def row(number, size=10):
    return {"input_ids": torch.full((1, size), number)}


def test_equal_pictures_are_found_and_no_others():
    cache = EncodingCache()
    picture = np.zeros((40, 40, 3), np.uint8)
    cache.put("prompt", (picture,), row(1))
    assert cache.get("prompt", (picture.copy(),))["input_ids"][0, 0] == 1
    assert cache.get("other", (picture,)) is None
    # The key skips this pixel, but the comparison does not.
    changed = picture.copy()
    changed[1, 1, 0] = 1
    assert cache.get("prompt", (changed,)) is None
    cache.put("prompt", (changed,), row(2))
    assert cache.get("prompt", (changed,))["input_ids"][0, 0] == 2


def test_the_least_recently_used_row_is_evicted():
    picture = np.zeros((8, 8, 3), np.uint8)  # 192 bytes, plus 80 of a row
    cache = EncodingCache(capacity=600)
    cache.put("a", (picture,), row(1))
    cache.put("b", (picture,), row(2))
    assert cache.get("a", (picture,)) is not None
    cache.put("c", (picture,), row(3))
    assert cache.get("b", (picture,)) is None
    assert cache.get("a", (picture,)) is not None
    assert cache.get("c", (picture,)) is not None


def test_a_joined_batch_equals_the_output_of_the_processor(make_policy, observations):
    policy = make_policy()
    prompts = [policy.prompt(observation) for observation in observations]
    from PIL import Image

    expected = policy.processor(
        text=prompts,
        images=[[Image.fromarray(o.image)] for o in observations],
        padding=True,
        padding_side="left",
        return_tensors="pt",
    )
    for _ in range(2):  # the second time from the cache
        found = policy.encode(observations)
        mask = expected["attention_mask"].bool()
        assert torch.equal(found["attention_mask"].bool(), mask)
        assert torch.equal(found["input_ids"][mask], expected["input_ids"][mask])
        assert torch.equal(found["pixel_values"], expected["pixel_values"])


def test_a_picture_is_processed_once(make_policy, observations, monkeypatch):
    policy = make_policy()
    policy.encode(observations)
    asked = []
    process = policy.encoder._process
    monkeypatch.setattr(policy.encoder, "_process", lambda *a: asked.append(a) or process(*a))
    policy.encode(observations)
    policy.encode([dataclasses.replace(o, image=o.image.copy()) for o in observations])
    assert not asked
    policy.encode([dataclasses.replace(observations[0], image=255 - observations[0].image)])
    assert len(asked) == 1
