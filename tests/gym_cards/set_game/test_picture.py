"""SET's pictures: cards that are apart, told from one another at every size and by everybody."""

import itertools

import drawing
import numpy as np
import pytest
from card_games import make

from gym_cards.render.picture import TABLE
from gym_cards.render.sprites import card_height
from gym_cards.render.style import WHITE, RenderStyle
from gym_cards.set_game.drawing import INKS, PICKED, card_face, put_number
from gym_cards.set_game.picture import SETPicture
from gym_cards.set_game.rules import COLOURS, DECK

# Machado, Oliveira and Fernandes 2009: what people without one kind of cones see, in linear RGB.
SIGHTS = {
    "all cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(colour, sight):
    """The colour in CIE L*a*b*, as somebody sees it."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(sight) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ seen / (0.9505, 1.0, 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_are_far_apart_for_everybody(sight):
    assert set(INKS) == set(COLOURS)
    for paper in (WHITE, PICKED):
        colours = [lab(colour, SIGHTS[sight]) for colour in (*INKS.values(), paper)]
        distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(colours, 2)]
        # A difference of 2 can just be seen.
        assert min(distances) > 35


@pytest.mark.parametrize("width", [22, 64])
def test_cards_differ_visibly(width):
    """Those that differ in one feature alone are the most alike."""
    faces = {card: card_face(card, False, width, 1.0)[0].astype(int) for card in DECK}
    for one, other in itertools.combinations(DECK, 2):
        if sum(a != b for a, b in zip(one, other, strict=True)) == 1:
            apart = np.abs(faces[one] - faces[other]).max(axis=2) > 60
            assert apart.sum() >= width * width / 150


@pytest.mark.parametrize("scale", [0.5, 1, 2])
@pytest.mark.parametrize("width", [45, 64, 140])
def test_numbers_are_beside_the_shapes(width, scale):
    for card in DECK[::5]:
        face = card_face(card, False, width, scale)[0]
        for number in (1, 8, 12):
            written = face.copy()
            taken = put_number(written, number, False, scale)
            assert (face[taken] == 255).all()
            assert (written[taken] < 180).any()


@pytest.mark.parametrize("size", [64, 101, 300, 640])
def test_cards_are_inside_and_apart(size):
    for count in range(3, 13):
        picture = SETPicture(count, RenderStyle(size=size))
        width, height = picture._width, card_height(picture._width)
        assert width >= size * 0.18
        for (x, y), (right, down) in itertools.combinations(picture._corners, 2):
            assert abs(x - right) > width or abs(y - down) > height
        for x, y in picture._corners:
            assert 0 <= x <= size - width
            assert 0 <= y <= size - height


def test_a_picked_card_is_marked_and_no_other():
    names = [card.name for card in DECK[5:81:7]][:9]
    plain = drawing.set_cards(names, [])
    marked = drawing.set_cards(names, [2, 9])
    changed = (plain != marked).any(axis=2)
    picture = SETPicture(9)
    for place, (x, y) in enumerate(picture._corners):
        card = changed[y : y + card_height(picture._width), x : x + picture._width]
        assert (card.mean() > 0.5) == (place in (1, 8))
        changed[y : y + card_height(picture._width), x : x + picture._width] = False
    assert not changed.any()


def test_scattered_cards_are_whole():
    """Each is among the others as it is alone, so that none covers another one."""
    style = RenderStyle(position_jitter=40, rotation_jitter=20)
    picture, alone = SETPicture(12, style), SETPicture(12, style)
    for seed in range(3):
        for one in (picture, alone):
            one.deal(DECK[:12], (4,), seed)
        for place, (x, y, _) in enumerate(alone._places):
            alone.frame[...] = TABLE
            alone._show(place, place == 4)
            own = (alone.frame != TABLE).any(axis=2)
            assert np.array_equal(picture.frame[own], alone.frame[own])
            assert 0 <= x < 300
            assert 0 <= y < 300
            assert own.mean() > 0.03


def test_suits_have_no_colours_here():
    with pytest.raises(TypeError, match="unexpected keyword argument 'four_colours'"):
        make("SET", four_colours=True)
