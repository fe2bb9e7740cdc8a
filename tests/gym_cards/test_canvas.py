"""The compiled canvas and the plain one: what is put where, what waits, and what is refused."""

import gc
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from gym_cards.pictures import canvas, plain_canvas

try:
    from gym_cards.pictures import _canvas
except ImportError:
    _canvas = None

COMPILED = pytest.mark.skipif(_canvas is None, reason="the canvas was not compiled")
KINDS = pytest.mark.parametrize(
    "kind",
    [pytest.param(_canvas, marks=COMPILED, id="compiled"), pytest.param(plain_canvas, id="plain")],
)
WAITING = pytest.mark.parametrize("later", [False, True])


def frames(number, height=40, width=50):
    rng = np.random.default_rng(number)
    return rng.integers(256, size=(number, height, width, 3), dtype=np.uint8)


def pictures(rng, height=40, width=50):
    """Pictures, whole and cut out of others, and places for them in a frame."""
    whole = rng.integers(256, size=(height, width, 3), dtype=np.uint8)
    while True:
        top, left = int(rng.integers(height)), int(rng.integers(width))
        bottom, right = int(rng.integers(top, height + 1)), int(rng.integers(left, width + 1))
        # Every second row of some, and the rows of others upside down.
        picture = whole[top:bottom, left:right][:: int(rng.choice([1, 2, -1]))]
        x = int(rng.integers(width - picture.shape[1] + 1))
        y = int(rng.integers(height - picture.shape[0] + 1))
        yield picture.copy() if rng.random() < 0.5 else picture, x, y


@COMPILED
def test_the_compiled_canvas_is_used():
    assert canvas.Canvas is _canvas.Canvas


@KINDS
@WAITING
def test_pictures_are_put_one_over_the_other(kind, later):
    (frame,) = frames(1)
    expected = frame.copy()
    drawn = kind.Canvas(frame, later)
    for count, (picture, x, y) in zip(range(300), pictures(np.random.default_rng(1)), strict=False):
        drawn.put(picture, x, y)
        expected[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
        if count % 7 == 0:
            assert np.array_equal(drawn.frame, expected)
    assert drawn.frame is frame
    assert np.array_equal(frame, expected)


@KINDS
def test_what_may_not_wait_is_drawn_at_once(kind):
    (frame,) = frames(1)
    kind.Canvas(frame).put(np.full((2, 3, 3), 9, np.uint8), 4, 5)
    assert (frame[5:7, 4:7] == 9).all()


@COMPILED
def test_what_may_wait_is_drawn_when_the_canvas_is_finished():
    (frame,) = frames(1)
    before = frame.copy()
    drawn = _canvas.Canvas(frame, later=True)
    drawn.put(np.full((2, 3, 3), 9, np.uint8), 4, 5)
    assert np.array_equal(frame, before)
    _canvas.finish([drawn])
    assert (frame[5:7, 4:7] == 9).all()
    frame[...] = before
    _canvas.finish([drawn])
    assert np.array_equal(frame, before)


@KINDS
@WAITING
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 40, 50), (33, 299, 301), (93, 173, 181)], ids=str)
def test_frames_are_finished_and_copied_into_a_batch(kind, later, shape):
    number, height, width = shape
    buffer = frames(number, height, width)
    expected = buffer.copy()
    canvases = [kind.Canvas(frame, later) for frame in buffer]
    rng = np.random.default_rng(2)
    for _ in range(3):
        for index, drawn in enumerate(canvases):
            for picture, x, y in [next(pictures(rng, height, width)) for _ in range(index % 4)]:
                drawn.put(picture, x, y)
                part = expected[index, y : y + picture.shape[0], x : x + picture.shape[1]]
                part[...] = picture
        # One behind another array's end, where nothing may be written.
        room = np.full(expected.size + 77, 123, np.uint8)
        batch = room[13 : 13 + expected.size].reshape(expected.shape)
        kind.finish_into(canvases, batch)
        assert np.array_equal(batch, expected)
        assert np.array_equal(buffer, expected)
        assert (room[:13] == 123).all()
        assert (room[13 + expected.size :] == 123).all()


@KINDS
@WAITING
@pytest.mark.parametrize("place", [(-1, 0), (0, -1), (48, 0), (0, 39), (2**40, 0), (0, -(2**40))])
def test_a_picture_outside_of_the_frame_is_an_error(kind, later, place):
    (frame,) = frames(1)
    before = frame.copy()
    drawn = kind.Canvas(frame, later)
    x, y = place
    message = rf"picture of 3 x 2 pixels at \({x}, {y}\): expected one inside the frame of 50 x 40"
    with pytest.raises(ValueError, match=message):
        drawn.put(np.zeros((2, 3, 3), np.uint8), x, y)
    for height, width in [(41, 50), (40, 51)]:
        with pytest.raises(ValueError, match="expected one inside the frame of 50 x 40"):
            drawn.put(np.zeros((height, width, 3), np.uint8), 0, 0)
    assert np.array_equal(drawn.frame, before)


@KINDS
def test_a_part_of_the_frame_may_be_put_elsewhere_in_it(kind):
    (frame,) = frames(1)
    expected = frame.copy()
    expected[5:15, 8:28] = frame[5:15, 3:23]
    kind.Canvas(frame).put(frame[5:15, 3:23], np.int64(8), np.int64(5))
    assert np.array_equal(frame, expected)


@KINDS
@WAITING
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
def test_what_is_no_picture_is_an_error(kind, later, picture):
    drawn = kind.Canvas(frames(1)[0], later)
    with pytest.raises(ValueError, match=r"uint8 array of shape \(height, width, 3\)"):
        drawn.put(picture, 0, 0)
    with pytest.raises(ValueError, match=r"uint8 array of shape \(height, width, 3\)"):
        kind.Canvas(picture)


@KINDS
def test_a_frame_that_cannot_be_drawn_on_is_an_error(kind):
    for frame in (frames(1, 40, 50)[0][:, 10:20], frames(1)[0][::-1]):
        with pytest.raises(ValueError, match="contiguous"):
            kind.Canvas(frame)
    frozen = frames(1)[0]
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only|may be changed"):
        kind.Canvas(frozen)


@KINDS
def test_batches_of_another_size_are_an_error(kind):
    buffer = frames(2)
    canvases = [kind.Canvas(frame, later=True) for frame in buffer]
    before = buffer.copy()
    canvases[0].put(np.full((2, 3, 3), 9, np.uint8), 0, 0)
    for batch in (np.zeros_like(buffer[:1]), np.zeros((3, *buffer.shape[1:]), np.uint8)):
        with pytest.raises(ValueError, match=f"batch of {batch.size} bytes: expected 12000"):
            kind.finish_into(canvases, batch)
        assert not batch.any()
    # Nothing of what waited is lost.
    assert (canvases[0].frame[:2, :3] == 9).all()
    assert np.array_equal(canvases[1].frame, before[1])


@COMPILED
def test_wrong_arguments_are_errors():
    with pytest.raises(TypeError):
        _canvas.Canvas()
    with pytest.raises(TypeError):
        _canvas.Canvas("a frame")
    drawn = _canvas.Canvas(frames(1)[0], True)
    for arguments in [(), (frames(1)[0],), (frames(1)[0], 0), (frames(1)[0], 0.5, 0), ("x", 0, 0)]:
        with pytest.raises(TypeError):
            drawn.put(*arguments)
    for wrong in (None, [None], [drawn, frames(1)[0]]):
        with pytest.raises(TypeError):
            _canvas.finish(wrong)
        with pytest.raises(TypeError):
            _canvas.finish_into(wrong, frames(2))
    with pytest.raises(AttributeError):
        drawn.frame = frames(1)[0]
    read_only = frames(1)
    read_only.flags.writeable = False
    for wrong in ("a batch", read_only):
        with pytest.raises((BufferError, TypeError, ValueError)):
            _canvas.finish_into([drawn], wrong)


class Counted(np.ndarray):
    """An array that tells when it is gone."""


@COMPILED
def test_nothing_is_kept_longer_than_it_is_needed():
    frame, picture = frames(1)[0].view(Counted), frames(1, 2, 3)[0].view(Counted)
    gone = [weakref.ref(frame), weakref.ref(picture)]
    before = sys.getrefcount(frame), sys.getrefcount(picture)
    drawn = _canvas.Canvas(frame, True)
    for _ in range(20):
        drawn.put(picture, 1, 1)
    _canvas.finish([drawn])
    assert sys.getrefcount(picture) == before[1]
    for _ in range(1000):
        drawn.put(picture, 1, 1)
    # What waits does not grow without end.
    assert sys.getrefcount(picture) <= before[1] + 16
    with pytest.raises(ValueError, match="inside the frame"):
        drawn.put(picture, 99, 1)
    del picture
    gc.collect()
    assert gone[1]() is not None  # it waits
    del drawn
    assert gone[1]() is None
    assert sys.getrefcount(frame) == before[0]
    del frame
    assert gone[0]() is None


@COMPILED
def test_a_picture_that_goes_may_put_another():
    (frame,) = frames(1)
    drawn = _canvas.Canvas(frame, True)

    class Last(np.ndarray):
        def __del__(self):
            drawn.put(np.full((1, 1, 3), 7, np.uint8), int(self[0, 0, 0]), 0)

    for column in range(20):
        # A view's own buffer is what the canvas holds.
        picture = np.full((1, 1, 3), column, np.uint8).view(Last)
        drawn.put(picture, 0, 1)
        del picture
    for _ in range(2):
        _canvas.finish([drawn])
    assert (frame[0, :20] == 7).all()


@COMPILED
def test_threads_may_draw_while_batches_are_copied():
    buffer = frames(24, 300, 300)
    canvases = [_canvas.Canvas(frame, True) for frame in buffer]
    batch = np.empty_like(buffer)
    stopped = threading.Event()

    def draw(seed):
        for picture, x, y in pictures(np.random.default_rng(seed), 300, 300):
            canvases[x % len(canvases)].put(picture, x, y)
            if stopped.is_set():
                return

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        _canvas.finish_into(canvases, batch)
    stopped.set()
    for thread in threads:
        thread.join()
    _canvas.finish_into(canvases, batch)
    assert np.array_equal(batch, buffer)


PLAYED = """
import hashlib
import gymnasium as gym, numpy as np, gym_cards
from gym_cards.pictures import canvas
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
PLAIN = 'import sys; sys.modules["gym_cards.pictures._canvas"] = None'


@COMPILED
def test_games_look_the_same_where_nothing_was_compiled():
    here: dict[str, tuple[str, str]] = {}
    exec(PLAYED, here)
    ran = subprocess.run(
        [sys.executable, "-c", f"{PLAIN}{PLAYED}print(*played)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    module, digest = here["played"]
    assert module == "gym_cards.pictures._canvas"
    assert ran.stdout.split() == ["gym_cards.pictures.plain_canvas", digest]
