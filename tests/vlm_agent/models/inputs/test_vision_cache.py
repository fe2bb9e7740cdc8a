"""Image features of a frozen vision part are computed once per picture, while that is asked for."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest
import torch

from vlm_agent.core.types import Observation, PastStep, Task
from vlm_agent.models.inputs.cache import InputCache


@pytest.fixture
def policy(make_policy):
    """A policy whose language model alone is trained."""
    policy = make_policy()
    for name, parameter in policy.network.named_parameters():
        parameter.requires_grad_("language_model" in name)
    return policy


@pytest.fixture
def passes(policy):
    """A list that grows by one with every pass of the vision tower."""
    counted = []
    tower = policy.network.get_encoder(modality="image")
    tower.register_forward_pre_hook(lambda *_: counted.append(None))
    return counted


def showing(number, goal=None):
    """A moment with a picture of its own."""
    picture = np.random.default_rng(number).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    task = Task("Add.", ("+", "-"))
    return Observation(picture, task, task.action_names, goal=goal)


def score(policy, observations):
    reply = policy.encode_reply('{"action": "+"}')
    return policy.score(observations, [reply] * len(observations))


def test_pictures_are_told_apart_by_their_content(policy, passes, observations):
    first, second = observations[0], observations[2]
    expected = score(policy, [first, second]).log_probs
    passes.clear()
    with policy.vision.remembering():
        for _ in range(2):
            found = score(policy, [first, second]).log_probs
            torch.testing.assert_close(found, expected)
        assert len(passes) == 2
        score(policy, [dataclasses.replace(first, image=first.image.copy(), goal="another")])
        assert len(passes) == 2, "another prompt with the same picture"
        score(policy, [dataclasses.replace(first, image=255 - first.image)])
        assert len(passes) == 3


def test_an_update_encodes_each_picture_once_whatever_the_input_cache_holds(policy, passes):
    """Thirty-two moments with eight pictures, in four epochs: 8 passes instead of 128."""
    moments = [showing(number % 8, f"goal {number}") for number in range(32)]
    expected = score(policy, moments).log_probs
    preparer = policy.encoder.preparer
    preparer.cache = InputCache()
    policy.prompt_lengths(moments)
    # As if no picture had found room, at once and later.
    preparer.cache.pictures = lambda prompt: None
    processed = preparer.processed
    passes.clear()
    with policy.vision.remembering():
        for epoch in range(4):
            order = np.random.default_rng(epoch).permutation(32)
            for rows in order.reshape(8, 4):
                policy.prefetch([moments[row] for row in rows])
                found = score(policy, [moments[row] for row in rows]).log_probs
                torch.testing.assert_close(found, expected[rows])
    assert len(passes) == 8
    assert 8 <= preparer.processed - processed < 32, "in the first epoch"
    assert policy.vision.metrics() == {"system/vision_cache_hit_rate": 1 - 8 / 128}


def test_earlier_pictures_are_encoded_once(policy, passes, observations):
    now = dataclasses.replace(observations[0], image=showing(9).image)
    steps = [PastStep(showing(number).image, "+") for number in range(4)]
    moments = [dataclasses.replace(now, history=tuple(steps[:count])) for count in range(5)]
    expected = score(policy, moments).log_probs
    passes.clear()
    with policy.vision.remembering():
        torch.testing.assert_close(score(policy, moments).log_probs, expected)
    assert len(passes) == 5, "not 1 + 2 + 3 + 4 + 5"


def test_features_beyond_the_limit_are_computed_again(policy, passes):
    moments = [showing(number) for number in range(4)]
    with policy.vision.remembering():
        score(policy, moments)
        size = sum(features.nbytes for features in policy.vision._features.values()) / 4
    expected = score(policy, moments).log_probs
    passes.clear()
    with policy.vision.remembering(2.5 * size / 2**30):
        for epoch in range(1, 4):
            torch.testing.assert_close(score(policy, moments).log_probs, expected)
            assert len(policy.vision._features) == 2
            assert len(passes) == 2 + 2 * epoch


def test_features_and_pixels_are_freed(policy):
    with policy.vision.remembering():
        score(policy, [showing(1)])
        (features,) = policy.vision._features.values()
        pooled = weakref.ref(features.pooler_output[0])
        (prepared,) = policy.encoder.preparer.cache._pictures.values()
        pixels = weakref.ref(prepared.tensors["pixel_values"].data)
        del features, prepared
        policy.encoder.preparer.cache = InputCache()
        gc.collect()
        assert pixels() is None, "features keep no pixels alive"
        assert pooled() is not None
    gc.collect()
    assert pooled() is None


def test_nothing_is_kept_outside_of_the_context(policy, passes, observations):
    score(policy, observations[:1])
    score(policy, observations[:1])
    assert len(passes) == 2
    for count in (3, 4):
        with policy.vision.remembering():
            score(policy, observations[:1])
            score(policy, observations[:1])
        assert len(passes) == count
        assert policy.vision._features is None


@pytest.mark.parametrize("part", ["vision_tower", "multi_modal_projector"])
def test_nothing_is_remembered_of_a_part_that_learns(policy, passes, observations, part):
    for name, parameter in policy.network.named_parameters():
        if part in name:
            parameter.requires_grad_(True)
    with policy.vision.remembering():
        assert not policy.vision.is_remembering
        score(policy, observations[:1]).log_probs.sum().backward()
        score(policy, observations[:1])
    assert len(passes) == 2
    gradients = (p.grad for name, p in policy.network.named_parameters() if part in name)
    assert any(g is not None and g.any() for g in gradients)
