"""Memory's pictures: whole cards at every size, and nothing left of what was there."""

import itertools

import drawing
import numpy as np
import pytest
from card_games import make

from gym_cards.cards import DECK
from gym_cards.memory.picture import MemoryPicture
from gym_cards.render import sprites
from gym_cards.render.picture import TABLE
from gym_cards.render.sprites import card_height
from gym_cards.render.style import RenderStyle

GRIDS = [(2, 2), (2, 4), (3, 4), (4, 6), (5, 6)]


@pytest.mark.parametrize("grid", GRIDS, ids=str)
@pytest.mark.parametrize("scale", [0.5, 1, 2])
@pytest.mark.parametrize("size", [64, 97, 300])
def test_cards_are_inside_and_apart(size, scale, grid):
    picture = MemoryPicture(*grid, RenderStyle(size=size, font_scale=scale))
    width, height = picture._width, card_height(picture._width)
    assert width >= size * 0.08
    for (x, y), (right, down) in itertools.combinations(picture._corners, 2):
        assert abs(x - right) > width or abs(y - down) > height
    assert all(x >= 0 and x + width <= size for x, _ in picture._corners)
    assert all(y >= 0 and y + height <= picture._misses.top for _, y in picture._corners)


def test_every_number_is_seen_on_backs_and_faces():
    pictures = set()
    for shown in ("back", DECK[0], DECK[50]):
        for place in range(24):
            picture = MemoryPicture(4, 6)
            picture.turn(place, shown)
            x, y = picture._corners[place]
            part = picture.frame[y : y + card_height(picture._width), x : x + picture._width]
            pictures.add(part.tobytes())
    assert len(pictures) == 72


@pytest.mark.parametrize("kwargs", [{}, {"position_jitter": 30, "rotation_jitter": 15}], ids=str)
def test_a_face_is_whole_but_for_its_number(kwargs):
    style = RenderStyle(**kwargs)
    for seed in range(4):
        picture = MemoryPicture(3, 4, style)
        picture.deal([DECK[4 * i + 1] for i in range(12)], 6, seed if kwargs else None)
        shares = []
        for i, (x, y, angle) in enumerate(picture._places):
            card = sprites.card(DECK[4 * i + 1], picture._width, angle=angle)
            height, width, _ = card.ink.shape
            opaque = card.clear[..., 0] == 0
            seen = picture.frame[y : y + height, x : x + width]
            shares.append((seen == card.ink // 255).all(axis=2)[opaque].mean())
        assert min(shares) > 0.88


def test_nothing_is_left_of_the_game_before():
    for kwargs in ({}, {"position_jitter": 20, "rotation_jitter": 12}):
        picture = MemoryPicture(2, 4, RenderStyle(**kwargs))
        jitter = 3 if kwargs else None
        games = [
            (["back"] * 8, 4),
            ([None, DECK[3], "back", None] * 2, 10),
            ([None] * 8, 9),
            ([DECK[50], "back"] * 4, 0),
        ]
        for seed, (shown, misses) in enumerate(games):
            picture.deal(shown, misses, jitter and jitter + seed)
            fresh = MemoryPicture(2, 4, RenderStyle(**kwargs))
            fresh.deal(shown, misses, jitter and jitter + seed)
            assert np.array_equal(picture.frame, fresh.frame)
    empty = drawing.memory([""] * 12, 6, grid=(3, 4))
    assert (empty[:270] == TABLE).all()


def test_suits_have_four_colours():
    plain, coloured = (
        drawing.memory(["CA", *"???"], 2, grid=(2, 2), style=RenderStyle(four_colours=four))
        for four in (False, True)
    )
    assert (plain != coloured).any(axis=2).sum() > 100
    env = make("Memory", four_colours=True, columns=2, size=64)
    assert env.style.four_colours
