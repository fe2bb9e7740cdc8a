"""What a processor returns is stored in few bytes, and comes back bit by bit."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vlm_agent.models.inputs import packing
from vlm_agent.models.inputs.packing import Packer, content_digest


@pytest.fixture(autouse=True)
def low_limit(monkeypatch):
    monkeypatch.setattr(packing, "SMALL", 4096)


MEAN, STD = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]


def image_processor(mean=MEAN, std=STD, **changes):
    settings = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    return SimpleNamespace(image_mean=mean, image_std=std, **settings | changes)


def levels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def normalised(picture, mean=MEAN, std=STD):
    """As processors without torchvision do, channels in the third dimension from the end."""
    scaled = (picture * np.float64(1 / 255)).astype(np.float32)
    mean, std = (np.asarray(each, np.float32)[:, None, None] for each in (mean, std))
    return torch.from_numpy((scaled - mean) / std)


def fused(picture):
    """As processors with torchvision do: rescaled and normalised at once."""
    mean, std = (torch.tensor(each)[:, None, None] * 255.0 for each in (MEAN, STD))
    return (torch.from_numpy(picture).float() - mean) / std


def patches(picture, last):
    """In patches of 8 pixels: channel after channel, or with the channels of a pixel together."""
    tiles = normalised(picture).unfold(1, 8, 8).unfold(2, 8, 8)
    order = (1, 2, 3, 4, 0) if last else (1, 2, 0, 3, 4)
    return tiles.permute(order).reshape(-1, 3 * 64)


def padded(picture):
    """With a tile of zeros, in a place where no level is 0."""
    return torch.cat([normalised(picture), torch.zeros(1, *picture.shape[1:])])


@pytest.mark.parametrize(
    ("make", "picture", "bytes_each"),
    [
        (normalised, levels(2, 3, 32, 32), 1),
        (fused, levels(2, 3, 32, 32), 1),
        (lambda p: patches(p, last=False), levels(3, 32, 32), 1),
        (lambda p: patches(p, last=True), levels(3, 32, 32), 1),
        (padded, levels(2, 3, 32, 32), 1.125),
        (torch.from_numpy, levels(2, 3, 32, 32).astype(np.float32), 4),  # no levels of this kind
        (lambda p: normalised(p) + 1e-6 * torch.randn(p.shape), levels(2, 3, 32, 32), 4),
        (lambda p: -0.0 * normalised(p).abs(), levels(3, 32, 32), 4),
        (lambda p: normalised(p).to(torch.bfloat16), levels(3, 32, 32), 2),
    ],
)
def test_floats_come_back_in_a_byte_where_they_are_levels(make, picture, bytes_each):
    packer = Packer(image_processor())
    for seed in range(3):  # levels that were not seen are learned on the way
        value = make(levels(*picture.shape, seed=seed).astype(picture.dtype))
        packed = packer.pack(value)
        assert packed.nbytes == bytes_each * value.numel()
        found = packed.unpack()
        assert found.dtype == value.dtype
        assert torch.equal(found.view(torch.uint8), value.contiguous().view(torch.uint8))


def test_channels_that_are_alike_need_no_place():
    packer = Packer(image_processor([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]))
    value = normalised(levels(3, 32, 32), [0.5] * 3, [0.5] * 3).permute(1, 2, 0).reshape(32, -1)
    assert packer.pack(value).nbytes == value.numel()
    assert torch.equal(packer.pack(value).unpack(), value)


def test_a_processor_that_only_rescales():
    packer = Packer(image_processor(do_normalize=False))
    value = torch.from_numpy(levels(3, 32, 32)) * (1 / 255)
    assert packer.pack(value).nbytes == value.numel()
    assert torch.equal(packer.pack(value).unpack(), value)


@pytest.mark.parametrize(
    ("value", "nbytes"),
    [
        (torch.ones(2, 3000, dtype=torch.int64), 8),
        (torch.ones(2, 3000, dtype=torch.bool), 1),
        (torch.arange(256).repeat(4, 1), 1024),
        (torch.arange(-1, 255).repeat(4, 1), 2048),
        (torch.arange(70_000), 280_000),
        (torch.arange(1000) * 2**31, 8000),
        (torch.tensor([True, False]).repeat(5000), 10_000),
        (torch.arange(500), 4000),
        (torch.zeros(0, 5, dtype=torch.int64), 0),
        (torch.zeros(0, 5), 0),
        (torch.tensor(7), 8),
    ],
)
def test_integers_are_as_narrow_as_their_range_unless_they_are_few(value, nbytes):
    packed = Packer(image_processor()).pack(value)
    assert packed.nbytes == nbytes
    assert packed.unpack().dtype == value.dtype
    assert torch.equal(packed.unpack(), value)


def test_a_copy_is_kept():
    packer = Packer(image_processor())
    for value in (torch.randn(4), torch.randn(4000), torch.arange(4000), torch.arange(4000) < 7):
        packed = packer.pack(value)
        before = value.clone()
        value.zero_()
        assert torch.equal(packed.unpack(), before)


def test_digests_are_those_of_content():
    packer = Packer(image_processor())
    values = [normalised(levels(2, 3, 32, 32, seed=seed)) for seed in range(2)]
    values += [values[0][:1], values[0].to(torch.bfloat16), padded(levels(2, 3, 32, 32))]

    def digest(value):
        return content_digest({"pixel_values": packer.pack(value)})

    first = [digest(value) for value in values]
    assert len(set(first)) == len(values)
    assert [digest(value.clone()) for value in values] == first
    assert content_digest({"other": packer.pack(values[0])}) not in first


def test_floats_of_equal_levels_have_digests_of_their_own():
    """A processor that resizes floats may return anything next to a level."""
    packer = Packer(image_processor())
    grey = [normalised(np.full((3, 32, 32), 100, np.uint8)) + 1e-4 * n for n in range(3)]
    packed = [packer.pack(value) for value in grey]
    assert all(each.table is not None for each in packed), "the levels are equal"
    for each, value in zip(packed, grey, strict=True):
        assert torch.equal(each.unpack(), value)
    for one, other in itertools.combinations(packed, 2):
        assert content_digest({"": one}) != content_digest({"": other})
