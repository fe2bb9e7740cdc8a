"""Image features of a frozen vision part are computed once per picture, while that is asked for."""

import dataclasses
import gc
import weakref

import pytest
import torch

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


def test_rows_that_were_evicted_are_recomputed_without_another_pass(policy, passes, observations):
    with policy.vision.remembering():
        score(policy, observations)
        once = len(passes)
        row = weakref.ref(
            policy.encoder.rows(observations[:1], policy.prompt_builder)[0]["pixel_values"]
        )
        policy.encoder._cache = EncodingCache()
        gc.collect()
        assert row() is None, "features keep no row alive"
        score(policy, observations)
    assert len(passes) == once


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
