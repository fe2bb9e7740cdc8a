"""Tests of both canvases: they draw the same pixels and refuse the same input."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

from gym_cards.render import canvas, plain_canvas

try:
    from gym_cards.render import _canvas
except ImportError:
    _canvas = None

COMPILED = pytest.mark.skipif(_canvas is None, reason="the canvas was not compiled")
KINDS = pytest.mark.parametrize(
    "kind",
    [pytest.param(_canvas, marks=COMPILED, id="compiled"), pytest.param(plain_canvas, id="plain")],
)


def random_frame(height=40, width=50, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(256, size=(height, width, 3), dtype=np.uint8)


def parts_of(whole, rng):
    """Yields parts of an array, each with a place in a frame of the same shape."""
    height, width, _ = whole.shape
    while True:
        top, left = int(rng.integers(height)), int(rng.integers(width))
        bottom, right = int(rng.integers(top, height + 1)), int(rng.integers(left, width + 1))
        # All rows, every second row, or the rows from bottom to top.
        part = whole[top:bottom, left:right][:: int(rng.choice([1, 2, -1]))]
        x = int(rng.integers(width - part.shape[1] + 1))
        y = int(rng.integers(height - part.shape[0] + 1))
        yield part, x, y


@COMPILED
def test_the_compiled_canvas_is_used():
    assert canvas.Canvas is _canvas.Canvas


@KINDS
@pytest.mark.parametrize("contiguous", [False, True])
def test_pictures_are_put_one_over_the_other(kind, contiguous):
    # The frame lies in the middle of an array, the rest of which must not be written to.
    room = random_frame(120, 50)
    frame = room[40:80]
    expected = room.copy()
    drawn = kind.Canvas(frame)
    parts = parts_of(random_frame(seed=1), np.random.default_rng(1))
    for part, x, y in (next(parts) for _ in range(300)):
        picture = part.copy() if contiguous else part
        drawn.put(picture, x, y)
        expected[40 + y : 40 + y + picture.shape[0], x : x + picture.shape[1]] = picture
        assert np.array_equal(room, expected)
    assert drawn.frame is frame


@KINDS
def test_a_part_of_the_frame_may_be_put_elsewhere_in_it(kind):
    frame = random_frame()
    drawn = kind.Canvas(frame)
    parts = parts_of(frame, np.random.default_rng(2))
    for part, x, y in (next(parts) for _ in range(300)):
        expected = frame.copy()
        expected[y : y + part.shape[0], x : x + part.shape[1]] = part.copy()
        drawn.put(part, x, y)
        assert np.array_equal(frame, expected)
    # A part of an array in which the frame lies, which begins above or ends below it.
    room = random_frame(60, 50)
    drawn = kind.Canvas(room[10:50])
    for part in (room[:20, :10], room[40:, :10], room[::3, :10], room[::-2, :10]):
        expected = room.copy()
        expected[15 : 15 + len(part), 3:13] = part.copy()
        drawn.put(part, 3, 5)
        assert np.array_equal(room, expected)


@KINDS
def test_places_may_be_integers_of_numpy(kind):
    frame = random_frame()
    kind.Canvas(frame).put(np.full((2, 3, 3), 9, np.uint8), np.int64(4), np.int64(5))
    assert (frame[5:7, 4:7] == 9).all()


@KINDS
@pytest.mark.parametrize("place", [(-1, 0), (0, -1), (48, 0), (0, 39), (2**40, 0), (0, -(2**40))])
def test_a_picture_outside_of_the_frame_is_an_error(kind, place):
    frame = random_frame()
    before = frame.copy()
    drawn = kind.Canvas(frame)
    x, y = place
    message = rf"picture of 3 x 2 pixels at \({x}, {y}\): expected one inside the frame of 50 x 40"
    with pytest.raises(ValueError, match=message):
        drawn.put(np.zeros((2, 3, 3), np.uint8), x, y)
    for height, width in [(41, 50), (40, 51)]:
        with pytest.raises(ValueError, match="expected one inside the frame of 50 x 40"):
            drawn.put(np.zeros((height, width, 3), np.uint8), 0, 0)
    assert np.array_equal(frame, before)


@KINDS
@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((2, 3), np.uint8),
        np.zeros((2, 3, 4), np.uint8),
        np.zeros((2, 3, 3), np.uint16),
        np.zeros((2, 3, 3), np.int8),
        np.zeros((2, 3, 3), np.bool_),
        np.zeros((2, 3, 3)),
        np.zeros((1, 2, 3, 3), np.uint8),
        np.zeros((2, 3, 3), np.uint8)[:, ::-1],
        np.zeros((2, 6, 3), np.uint8)[:, ::2],
        np.zeros((2, 3, 3), np.uint8)[..., ::-1],
        np.zeros((2, 3, 3), np.uint8).transpose(1, 0, 2),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}{array.strides}",
)
def test_an_array_that_is_no_picture_is_an_error(kind, picture):
    drawn = kind.Canvas(random_frame())
    with pytest.raises(ValueError, match=r"uint8 array of shape \(height, width, 3\)"):
        drawn.put(picture, 0, 0)
    with pytest.raises(ValueError, match=r"uint8 array of shape \(height, width, 3\)"):
        kind.Canvas(picture)


@KINDS
def test_a_frame_that_cannot_be_drawn_on_is_an_error(kind):
    for frame in (random_frame()[:, 10:20], random_frame()[::-1]):
        with pytest.raises(ValueError, match="contiguous"):
            kind.Canvas(frame)
    frozen = random_frame()
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only|writable"):
        kind.Canvas(frozen)


@COMPILED
def test_wrong_arguments_are_errors():
    for arguments in [(), ("a frame",), (random_frame(), True)]:
        with pytest.raises(TypeError):
            _canvas.Canvas(*arguments)
    drawn = _canvas.Canvas(random_frame())
    picture = random_frame()
    for arguments in [(), (picture,), (picture, 0), (picture, 0.5, 0), ("x", 0, 0)]:
        with pytest.raises(TypeError):
            drawn.put(*arguments)
    with pytest.raises(AttributeError):
        drawn.frame = random_frame()


class Referenced(np.ndarray):
    """Array that weak references can point to."""


@COMPILED
def test_pictures_and_frames_are_released():
    frame, picture = (random_frame().view(Referenced) for _ in range(2))
    gone = [weakref.ref(frame), weakref.ref(picture)]
    before = sys.getrefcount(frame), sys.getrefcount(picture)
    drawn = _canvas.Canvas(frame)
    for _ in range(100):
        drawn.put(picture, 0, 0)
        drawn.put(frame, 0, 0)
        with pytest.raises(ValueError, match="inside the frame"):
            drawn.put(picture, 99, 1)
        with pytest.raises(ValueError, match="contiguous rows"):
            drawn.put(picture[:, ::-1], 0, 0)
        with pytest.raises(ValueError, match="contiguous"):
            _canvas.Canvas(picture[:, :5])
    assert sys.getrefcount(picture) == before[1]
    del picture
    gc.collect()
    assert gone[1]() is None
    del drawn
    assert sys.getrefcount(frame) == before[0]
    del frame
    assert gone[0]() is None


PLAYED = """
import hashlib
import gymnasium as gym, numpy as np, gym_cards
from gym_cards.render import canvas
digest = hashlib.sha256()
for name, kwargs in [
    ("NumberLine", {}), ("NumberLine", {"display": "line"}), ("EZPoints", {}), ("Points24", {}),
    ("Points24", {"size": 180, "position_jitter": 40, "rotation_jitter": 9}),
    ("Blackjack", {}), ("Blackjack", {"rotation_jitter": 20}),
]:
    for copy in (True, False):
        envs = gym.make_vec(f"gym_cards/{name}-v0", num_envs=5, copy=copy, **kwargs)
        digest.update(envs.reset(seed=3)[0])
        rng = np.random.default_rng(0)
        for _ in range(60):
            digest.update(envs.step(rng.integers(envs.single_action_space.n, size=5))[0])
played = canvas.Canvas.__module__, digest.hexdigest()
"""
PLAIN = 'import sys; sys.modules["gym_cards.render._canvas"] = None'


@COMPILED
def test_games_look_the_same_where_nothing_was_compiled():
    here: dict[str, tuple[str, str]] = {}
    exec(PLAYED, here)
    ran = subprocess.run(
        [sys.executable, "-c", f"{PLAIN}{PLAYED}print(*played)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    module, digest = here["played"]
    assert module == "gym_cards.render._canvas"
    assert ran.stdout.split() == ["gym_cards.render.plain_canvas", digest]
