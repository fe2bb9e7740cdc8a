"""Where things, places and the map's tags stand: nothing is cut off, and nothing covers another."""

import itertools

import pytest
from household_rooms import in_the_middle

from gym_cards.alfworld.view import art
from gym_cards.alfworld.view.map import Spotted, room_map
from gym_cards.alfworld.view.place import arrange, grid

# Sizes of a picture, and of a place in it, alone or beside others.
PLACES = (
    (300, (300, 184)),
    (300, (150, 92)),
    (300, (100, 184)),
    (150, (150, 92)),
    (600, (600, 432)),
)


def apart(one, other):
    """Whether two rectangles (left, top, right, bottom) share no pixel."""
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def box(spot):
    return spot.x, spot.y, spot.x + spot.side, spot.y + spot.side


@pytest.mark.parametrize(("size", "pixels"), PLACES)
@pytest.mark.parametrize("kind", sorted(art.place_types()))
def test_things_lie_within_their_place_and_apart(kind, size, pixels):
    bays = art.place_bays(kind, True, *pixels)
    units = art.place_units(*pixels)
    assert bays
    for n in (1, 2, 3, 5, 8, 12, 15):
        boxes = [box(spot) for spot in arrange(bays, n, pixels, units, size)]
        assert len(boxes) == n
        assert len({right - left for left, _, right, _ in boxes}) == 1
        for left, top, right, bottom in boxes:
            assert left >= 0
            assert top >= 0
            assert right <= pixels[0]
            assert bottom <= pixels[1]
        assert all(apart(a, b) for a, b in itertools.combinations(boxes, 2))


@pytest.mark.parametrize("kind", ["CounterTop", "DiningTable", "Shelf", "Desk", "Bed", "Sofa"])
def test_fifteen_things_are_still_large(kind):
    bays = art.place_bays(kind, True, 300, 184)
    spots = arrange(bays, 15, (300, 184), art.place_units(300, 184), 300)
    assert spots[0].side >= 28


@pytest.mark.parametrize("kind", ["Shelf", "Cabinet", "Fridge", "Cart"])
def test_things_stand_on_boards(kind):
    bays = art.place_bays(kind, True, 300, 184)
    for n in (1, 4, 9):
        for spot in arrange(bays, n, (300, 184), (300, 184), 300):
            assert spot.y + spot.side in {round(bay.bottom) for bay in bays}


def test_more_things_are_never_larger():
    bays = art.place_bays("CounterTop", False, 300, 184)
    sides = [arrange(bays, n, (300, 184), (300, 184), 300)[0].side for n in range(1, 60)]
    assert sides == sorted(sides, reverse=True)


def test_places_fill_a_grid():
    for n in range(1, 30):
        columns, rows = grid(n)
        assert columns * (rows - 1) < n <= columns * rows


@pytest.mark.parametrize("size", [150, 300, 600])
@pytest.mark.parametrize("n", [1, 12, 30, 60])
def test_the_maps_tags_lie_within_it_and_apart(n, size):
    kinds = list(itertools.islice(itertools.cycle(("Drawer", "Cabinet", "Shelf", "Sofa")), n))
    scene = in_the_middle(kinds)
    known = tuple(Spotted(one.name, one.type, one.position) for one in scene.receptacles)
    for width, height in ((size, size), (size * 2 // 3, size - size * 184 // 300)):
        ground, _, marks = room_map(known, scene.floor, width, height, size)
        assert ground.shape == (height, width, 3)
        assert [mark.name for mark in marks] == [one.name for one in known]
        boxes = []
        for mark in marks:
            rows, columns, _ = mark.tag_here.shape
            assert mark.tag.clear.shape == (rows, columns, 1)
            boxes.append((mark.x, mark.y, mark.x + columns, mark.y + rows))
        for left, top, right, bottom in boxes:
            assert left >= 0
            assert top >= 0
            assert right <= width
            assert bottom <= height
        assert all(apart(a, b) for a, b in itertools.combinations(boxes, 2))


def test_a_map_of_too_many_receptacles_still_shows_all():
    scene = in_the_middle(["Shelf"] * 600)
    known = tuple(Spotted(one.name, one.type, one.position) for one in scene.receptacles)
    _, _, marks = room_map(known, scene.floor, 100, 58, 150)
    assert len(marks) == 600
    assert all(mark.x + mark.tag_here.shape[1] <= 100 for mark in marks)
    assert all(mark.y + mark.tag_here.shape[0] <= 58 for mark in marks)
