"""The drawn line: every position differs, and nothing overlaps."""

import itertools

import drawing
import numpy as np
import pytest
from card_games import make

from gym_cards.number_line.drawn_line import ARROW
from gym_cards.render.style import RenderStyle


@pytest.mark.parametrize(("size", "last"), [(64, 60), (300, 60), (300, 5), (150, 20)])
def test_every_position_of_the_line_looks_different(size, last):
    style = RenderStyle(size=size)
    bare = drawing.number_line(0, 0, style=style, display="line", max_position=last)
    for fixed in (0, 1):
        frames = []
        for number in range(last + 1):
            pair = (number, 0) if fixed else (0, number)
            frames.append(
                drawing.number_line(*pair, style=style, display="line", max_position=last)
            )
        assert len({frame.tobytes() for frame in frames}) == last + 1
        # The flag is above the line and the arrow below it: one moves, the other stays.
        middle = style.pixels(150)
        resting = slice(middle, None) if fixed else slice(middle)
        assert all(np.array_equal(frame[resting], bare[resting]) for frame in frames)
        # They go right by equal steps: the flag's pole and the arrow.
        top, bottom, strong, weak = (100, 138, 0, 1) if fixed else (188, 230, 2, 0)
        rows = slice(style.pixels(top), style.pixels(bottom))
        for number, frame in enumerate(frames):
            part = frame[rows].astype(int)
            weights = np.maximum(0, part[..., strong] - part[..., weak]).sum(axis=0)
            centre = ((np.arange(size) + 0.5) * weights).sum() / weights.sum()
            assert abs(centre - size * (30 + 240 * number / last) / 300) < 1


def test_the_lines_numbers_do_not_meet():
    for last, scale in itertools.product((2, 5, 9, 17, 33, 60), (0.5, 1, 2)):
        style = RenderStyle(font_scale=scale)
        frame = drawing.number_line(0, last, style=style, display="line", max_position=last)
        assert (frame[:, :2] == 255).all()
        assert (frame[:, -2:] == 255).all()
        # Numbers are whole: there is ground between them and the arrow.
        black = np.flatnonzero((frame[style.pixels(160) :] == 0).all(axis=2).any(axis=1))
        blue = np.flatnonzero((frame[style.pixels(160) :] == ARROW).all(axis=2).any(axis=1))
        assert black[-1] + 3 < blue[0]


def test_a_line_too_long_to_draw():
    with pytest.raises(ValueError, match="max_position=61: expected at most 60 .*display='text'"):
        make("NumberLine", display="line", max_position=61)
    with pytest.raises(ValueError, match="display='picture': expected 'text' or 'line'"):
        make("NumberLine", display="picture")
