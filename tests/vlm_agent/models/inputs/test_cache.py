"""The cache of prepared prompts and pictures: what is found, shared and evicted."""

import numpy as np
import pytest
import torch

from vlm_agent.models.inputs.cache import InputCache, key_of, pack_row, unpack_row
from vlm_agent.models.inputs.packing import Packer


def image(number, size=8):
    return np.full((size, size, 3), number, np.uint8)


def row(tokens, *numbers, size=4):
    """Ten tokens, and floats for each picture, which are no levels."""
    row = {
        "input_ids": torch.full((1, 10), tokens),
        "attention_mask": torch.ones(1, 10, dtype=torch.int64),
    }
    if numbers:
        seeds = (torch.Generator().manual_seed(number) for number in numbers)
        row["pixel_values"] = torch.stack([torch.randn(size, generator=seed) for seed in seeds])
    return row


def put(cache, prompt, *numbers, **options):
    images = [image(number) for number in numbers]
    made = row(options.pop("tokens", 1), *numbers, **options)
    return cache.put(*pack_row(key_of(prompt, images), made, Packer(None)))


def get(cache, prompt, *images):
    found = cache.prompt(key_of(prompt, images))
    return found, None if found is None else cache.pictures(found)


def test_equal_pictures_are_found_and_no_others():
    cache = InputCache()
    picture = image(0, 40)
    cache.put(*pack_row(key_of("prompt", [picture]), row(1, 0), Packer(None)))
    found = get(cache, "prompt", picture.copy())
    assert torch.equal(unpack_row(*found)["input_ids"], row(1)["input_ids"])
    assert torch.equal(unpack_row(*found)["pixel_values"], row(1, 0)["pixel_values"])
    assert get(cache, "other", picture) == (None, None)
    changed = picture.copy()
    changed[1, 1, 0] = 1  # the hash skips this pixel, but the comparison does not
    assert get(cache, "prompt", changed) == (None, None)
    cache.put(*pack_row(key_of("prompt", [changed]), row(2, 0), Packer(None)))
    assert unpack_row(*get(cache, "prompt", changed))["input_ids"][0, 0] == 2
    assert unpack_row(*get(cache, "prompt", picture))["input_ids"][0, 0] == 1


def test_a_picture_of_many_prompts_is_stored_once():
    cache = InputCache()
    put(cache, "a", 1)
    first = cache.nbytes
    put(cache, "b", 1)
    second = cache.nbytes - first
    assert first - second == image(1).nbytes + 16, "the original, and its four floats"
    put(cache, "c", 1, 1)
    assert cache.nbytes - first - second == second
    put(cache, "a", 1)
    assert cache.nbytes - first - second == second, "the same again"
    found, pictures = get(cache, "c", image(1), image(1))
    assert pictures[0] is pictures[1]
    assert torch.equal(unpack_row(found, pictures)["pixel_values"], row(1, 1, 1)["pixel_values"])


def test_the_least_recently_used_pictures_are_evicted_and_prompts_stay():
    cache = InputCache(100_000)
    put(cache, "a", 1, size=10_000)  # 40 KB
    put(cache, "b", 2, size=10_000)
    assert all(get(cache, "a", image(1)))
    put(cache, "c", 3, size=10_000)
    assert all(get(cache, "a", image(1)))
    prompt, pictures = get(cache, "b", image(2))
    assert pictures is None
    assert prompt.length == 10
    put(cache, "b", 2, size=10_000)  # prepared again
    assert all(get(cache, "b", image(2)))
    assert get(cache, "c", image(3))[1] is None


def test_prompts_of_earlier_updates_make_room_for_pictures():
    cache = InputCache(100_000)
    for update in range(6):
        for _ in range(5):  # in each epoch
            for number in range(20):
                put(cache, f"{update} {number}", 20 * update + number, size=1000)
    kept = [
        len([1 for key in cache._prompts if key[0].startswith(f"{update} ")]) for update in range(6)
    ]
    assert kept[-1] == 20, "all of the last update"
    assert sum(kept) <= 60, "and few of those before it"
    pictures = [get(cache, f"5 {number}", image(100 + number))[1] for number in range(20)]
    assert len([each for each in pictures if each]) >= 12


def test_nothing_is_kept_beyond_the_capacity():
    cache = InputCache(2000)
    for number in range(50):
        prompt, pictures = put(cache, f"prompt {number}", number)
        assert cache.nbytes <= 2000
        assert torch.equal(
            unpack_row(prompt, pictures)["pixel_values"], row(1, number)["pixel_values"]
        ), "what was put is usable, whether it was kept or not"
    kept = [each for each in range(50) if get(cache, f"prompt {each}", image(each))[0]]
    assert kept == [*range(50 - len(kept), 50)], "the latest"
    assert 1 < len(kept) < 8


@pytest.mark.parametrize("capacity", [0, 500])
def test_counts_are_those_of_what_is_kept(capacity):
    cache = InputCache(10_000)
    for number in (0, 1, 0, 2, 1):
        put(cache, f"{number}", number, number)
        put(cache, f"{number}", number, tokens=2)
    assert cache.nbytes > 500
    cache.resize(capacity)
    held = {id(original): original for original in cache._originals}
    assert cache.nbytes == (
        sum(each.image.nbytes for each in held.values())
        + sum(each.nbytes for each in cache._prompts.values())
        + sum(each.nbytes for each in cache._pictures.values())
    )
    assert cache.nbytes <= capacity
