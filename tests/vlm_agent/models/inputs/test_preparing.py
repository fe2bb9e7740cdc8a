"""Processors are called for what is not remembered, in bounded calls, in worker threads."""

import copy
import dataclasses
import threading

import numpy as np
import pytest
import torch
import transformers as hf
from PIL import Image

from tests.support.architectures.idefics import idefics3
from tests.support.architectures.llava import llava_next
from vlm_agent.models.inputs import preparing
from vlm_agent.models.inputs.cache import key_of, unpack_row

GIB = 2**30


def nothing(digest):
    return False


def images(count, size=40, first=0):
    return [
        np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
        for seed in range(first, first + count)
    ]


def counting(processor):
    """Makes a processor, and its copies, count calls: observations, bytes and thread of each."""
    calls = []

    class Counting(type(processor)):
        def __call__(self, **arguments):
            outputs = super().__call__(**arguments)
            nbytes = sum(value.nbytes for value in outputs.values())
            calls.append((len(arguments["text"]), nbytes, threading.current_thread()))
            return outputs

    processor.__class__ = Counting
    return calls


@pytest.fixture
def counted(make_policy):
    """A tiny policy, and the calls of its processor."""
    policy = make_policy()
    return policy, counting(policy.processor)


def play(policy, observations, epochs=4, size=4):
    """Encodes as an update does: all for their lengths, then batches of each epoch."""
    policy.prompt_lengths(observations)
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(observations))
        for start in range(0, len(order), size):
            policy.encode([observations[index] for index in order[start : start + size]])


@pytest.fixture
def moments(observations):
    """Twenty moments, all with different pictures."""
    return [dataclasses.replace(observations[0], image=image) for image in images(20)]


def test_what_fits_is_processed_once_for_all_epochs(counted, moments):
    policy, calls = counted
    play(policy, moments)
    assert sum(count for count, *_ in calls) == 20
    policy.encode([dataclasses.replace(o, image=o.image.copy()) for o in moments])
    assert sum(count for count, *_ in calls) == 20
    assert policy.encoder.preparer.metrics()["system/input_cache_hit_rate"] == 1 - 20 / 120
    assert policy.encoder.preparer.metrics()["system/input_cache_hit_rate"] is None


@pytest.mark.parametrize("rows", [1, 3])
def test_calls_are_bounded_where_nothing_fits(counted, moments, monkeypatch, rows):
    policy, calls = counted
    play(policy, moments[:1])
    largest = calls[0][1]
    monkeypatch.setattr(preparing, "CALL_BYTES", rows * largest)
    policy.encoder.preparer.limit(0.0)
    policy.encoder.preparer.metrics()
    calls.clear()
    play(policy, moments)
    assert sum(count for count, *_ in calls) >= 4 * 20, "in every epoch again"
    assert max(count for count, *_ in calls) == rows
    assert max(nbytes for _, nbytes, _ in calls) <= rows * largest
    assert policy.encoder.preparer.cache.nbytes == 0
    assert policy.encoder.preparer.metrics()["system/input_cache_hit_rate"] == 0


def test_lengths_do_not_need_pictures(counted, moments):
    policy, calls = counted
    preparer = policy.encoder.preparer
    policy.encode(moments)
    # Room for prompts, and for less than one picture.
    preparer.cache._pictures.clear()
    preparer.cache._picture_bytes = 0
    before = len(calls)
    expected = [policy.encode([each])["input_ids"].shape[1] for each in moments[:2]]
    assert len(calls) == before + 2
    assert policy.prompt_lengths(moments)[:2] == expected
    assert len(calls) == before + 2


def test_a_moment_that_is_asked_for_twice_at_once_is_processed_once(counted, moments):
    policy, calls = counted
    policy.encode([*moments[:2], *moments[:2]])
    assert sum(count for count, *_ in calls) == 2


def test_earlier_pictures_are_stored_once(counted, moments):
    policy, _ = counted
    preparer = policy.encoder.preparer
    pictures = [each.image for each in moments]
    token = policy.processor.image_token
    keys = [key_of(token * 3, pictures[start : start + 3]) for start in range(10)]
    found = preparer.prepare(keys)
    assert len({picture.digest for _, shown in found for picture in shown}) == 12
    assert len(preparer.cache._pictures) == 12, "not 3 for each of 10 prompts"
    for start, each in enumerate(found):
        expected = policy.processor(
            text=[token * 3],
            images=[[Image.fromarray(image) for image in pictures[start : start + 3]]],
            return_tensors="pt",
        )
        assert torch.equal(unpack_row(*each)["pixel_values"], expected["pixel_values"])


def test_workers_prepare_ahead_without_the_caller_and_without_its_tokenizer(counted, moments):
    policy, calls = counted
    expected = policy.encode(moments)
    policy.encoder.preparer = preparer = preparing.Preparer(policy.processor, None)
    policy.encode(moments[:1])
    calls.clear()
    tokenizers = []
    process = preparer._process
    preparer._process = lambda own, part: tokenizers.append(own.tokenizer) or process(own, part)
    policy.prefetch(moments)
    policy.prefetch(moments)
    found = policy.encode(moments)
    assert sum(count for count, *_ in calls) == 19
    assert threading.main_thread() not in {thread for *_, thread in calls}
    assert tokenizers
    assert policy.tokenizer not in tokenizers
    for name, value in expected.items():
        assert torch.equal(found[name], value)
    policy.prefetch(moments)
    policy.encode(moments)
    assert sum(count for count, *_ in calls) == 19, "all was remembered"


def test_what_was_prepared_in_vain_is_dropped(counted, moments):
    policy, _ = counted
    preparer = policy.encoder.preparer
    for start in range(0, 12, 4):
        policy.prefetch(moments[start : start + 4])
    assert len(preparer._ahead) == 8, "this time's and the last's"


def test_an_error_of_a_worker_is_raised_where_its_result_is_asked_for(counted, moments):
    policy, _ = counted
    policy.encode(moments[:1])
    policy.encoder.preparer.max_length = 5
    policy.prefetch(moments)
    with pytest.raises(ValueError, match="for a model with a context of at most 5"):
        policy.encode(moments)


def big_llava_next():
    """With the sizes of the published processor: a 300 px picture is three tiles of 336."""
    _, processor = llava_next()
    pinpoints = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
    processor.image_processor = hf.LlavaNextImageProcessorPil(
        size={"shortest_edge": 336},
        crop_size={"height": 336, "width": 336},
        image_grid_pinpoints=pinpoints,
    )
    processor.patch_size = 14
    return processor


def big_smol_vlm():
    """With the sizes of the published processor: seventeen tiles of 512."""
    _, processor = idefics3(smol=True)
    processor.image_processor = hf.SmolVLMImageProcessorPil(
        size={"longest_edge": 2048}, max_image_size={"longest_edge": 512}
    )
    return processor


@pytest.mark.parametrize(
    ("make", "before", "most"),
    [(big_llava_next, 4.0e6, 1.32e6), (big_smol_vlm, 89e6, 13.7e6)],
)
def test_bytes_of_an_observation_with_a_big_picture(make, before, most):
    processor = make()
    preparer = preparing.Preparer(processor, None)
    preparer.limit(1.0)
    (picture,) = images(1, 300)
    ((prompt, pictures),) = preparer.prepare([key_of("<image> What is it?", [picture])])
    row = unpack_row(prompt, pictures)
    assert sum(value.nbytes for value in row.values()) >= before, "what the processor returns"
    assert picture.nbytes < preparer.cache.nbytes <= most
    (own,) = preparing._rows(processor, [prompt.key], None)
    assert row.keys() == own.keys()
    assert all(torch.equal(row[name], value) for name, value in own.items())


def test_a_copied_policy_prepares_for_itself(make_policy, observations):
    policy = make_policy()
    policy.encoder.preparer.limit(0.5)
    expected = policy.encode(observations)
    copied = copy.deepcopy(policy)
    assert copied.encoder.preparer.cache.capacity == GIB // 2
    assert copied.encoder.preparer.cache.nbytes == 0
    found = copied.encode(observations)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
