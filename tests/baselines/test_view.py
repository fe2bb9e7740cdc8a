import numpy as np
import pytest
from gymnasium import spaces

from baselines.view import View, encode, shrink


def pictures(height=60, width=60):
    return np.random.default_rng(0).integers(256, size=(3, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("size", "factor"), [((20, 20), (3, 3)), ((30, 12), (2, 5))])
def test_new_pixels_are_the_means_of_their_areas(size, factor):
    old = pictures()
    high, wide = factor
    means = old.reshape(3, size[0], high, size[1], wide, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(shrink(old, size), means.transpose(0, 3, 1, 2), atol=0.6)


def test_sizes_that_do_not_divide_keep_the_mean_too():
    old = pictures()
    small = shrink(old, (47, 41))
    assert small.shape == (3, 3, 47, 41)
    np.testing.assert_allclose(small.mean(axis=(2, 3)), old.mean(axis=(1, 2)), atol=1)


@pytest.mark.parametrize("size", [(60, 60), (20, 20)])
def test_pictures_share_no_memory(size):
    old = pictures()
    small = shrink(old, size)
    assert small.flags.owndata or small.base.flags.owndata
    assert not np.shares_memory(small, old)


def test_texts_are_their_bytes():
    tokens = encode(["9*", "", "é"], 3)
    assert tokens.tolist() == [[57, 42, 0], [0, 0, 0], [195, 169, 0]]
    with pytest.raises(ValueError, match="5 bytes: expected at most 4"):
        encode(["12345"], 4)


@pytest.mark.parametrize("text", ["none", "given", "state"])
def test_a_space_tells_its_view(text):
    view = View((40, 30), text, 64 if text == "none" else 20)
    assert View.of(view.space()) == view
    seen = view.observe(pictures(), ["a", "b", "c"])
    one = seen[0] if text == "none" else {name: part[0] for name, part in seen.items()}
    assert view.space().contains(one)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (4,)),
        spaces.Discrete(3),
        spaces.Dict({"image": spaces.Box(0, 255, (3, 9, 9), np.uint8), "x": spaces.Box(0, 1)}),
        spaces.Dict({"image": spaces.Box(0, 255, (3, 9, 9), np.uint8), "state": spaces.Box(0, 1)}),
        spaces.Box(0, 255, (1, 84, 84), np.uint8),
        spaces.Box(0, 255, (12, 84, 84), np.uint8),
        spaces.Box(0, 255, (84, 84, 3), np.uint8),
        spaces.Box(0, 1, (3, 84, 84), np.float32),
        spaces.MultiBinary((3, 84, 84)),
    ],
    ids=str,
)
def test_other_spaces_are_refused(space):
    with pytest.raises(ValueError, match="the model observes .*expected one picture in colour"):
        View.of(space)


def test_texts_tell_what_the_view_asks_for():
    info = {"state": {"cards": "9 A", "formula": "9*"}, "given": ("formula",), "task": "win"}
    assert View((9, 9), "given").describe_info(info) == "win\nformula: 9*"
    assert View((9, 9), "state").describe_info(info) == "win\ncards: 9 A\nformula: 9*"
    assert View((9, 9)).describe_info(info) == ""
