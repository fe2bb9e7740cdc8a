"""Pictures of the household: the same everywhere, and everything that counts is to be seen."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from household_rooms import MIDDLE, at, before, in_the_middle, receptacle, things

from gym_cards.alfworld.scene import Pose, Scene, Thing
from gym_cards.alfworld.view import art
from gym_cards.alfworld.view.picture import draw, room_of

HASHES = Path(__file__).with_name("picture_hashes.json")
KITCHEN = ("Fridge", "Microwave", "CounterTop", "CounterTop", *["Drawer"] * 9, *["Cabinet"] * 12)
HELD = Thing("apple 2", "Apple", clean=True, hot=True)
SCENES = {
    "counter": before("CounterTop", (*things(4), *things(9, "Egg")), held=HELD),
    "open fridge": before("Fridge", things(5, "Tomato"), openable=True, open=True),
    "closed fridge": before("Fridge", None, openable=True),
    "drawers": before(
        "Drawer",
        things(2, "Fork"),
        openable=True,
        open=True,
        others=(receptacle("Drawer", 2, stand=MIDDLE, openable=True),),
    ),
    "lamp": before("Desk", (Thing("desklamp 1", "DeskLamp", on=True), *things(2, "Book"))),
    "bed": before("Bed", things(3, "Pillow")),
    "kitchen": in_the_middle(KITCHEN),
    "bathroom": in_the_middle(("Toilet", "SinkBasin", "BathtubBasin", *["Shelf"] * 4)),
}
VIEWS = ("first_person", "map", "both")
SIZES = (150, 224, 300, 600)


def different(one, other):
    """How many pixels differ between two pictures."""
    return int((one != other).any(axis=2).sum())


def recorded():
    return {
        f"{name} {view} {size}": hashlib.sha256(draw(scene, view=view, size=size)).hexdigest()
        for name, scene in SCENES.items()
        for view, size in (("both", 300), ("first_person", 224), ("map", 300))
    }


def test_pictures_have_the_same_bytes_on_every_machine():
    assert recorded() == json.loads(HASHES.read_text(encoding="utf-8"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", SCENES)
def test_every_view_has_every_size(name, view, size):
    frame = draw(SCENES[name], view=view, size=size)
    assert frame.shape == (size, size, 3)
    assert frame.dtype == np.uint8
    again = draw(SCENES[name], view=view, size=size)
    assert np.array_equal(frame, again)
    frame[...] = 0
    assert np.array_equal(draw(SCENES[name], view=view, size=size), again)


@pytest.mark.parametrize("flag", ["hot", "cool", "clean", "sliced", "on"])
@pytest.mark.parametrize("kind", ["Apple", "DeskLamp", "FloorLamp", "Mug", "Potato"])
def test_every_state_of_a_thing_is_to_be_seen_on_a_counter_and_in_the_hand(kind, flag):
    plain = Thing(f"{kind.lower()} 1", kind)
    marked = replace(plain, **{flag: True})
    for view in ("both", "first_person"):
        on_counter = [
            draw(before("CounterTop", (t, *things(6))), view=view) for t in (plain, marked)
        ]
        assert different(*on_counter) > 30
        in_hand = [draw(before("CounterTop", held=t), view=view) for t in (plain, marked)]
        assert different(*in_hand) > 60


def test_numbers_are_to_be_seen():
    names = [f"mug {i}" for i in range(1, 13)]
    pictures = [draw(before("CounterTop", (Thing(name, "Mug"), *things(9)))) for name in names]
    held = [draw(before("CounterTop", held=Thing(name, "Mug"))) for name in names]
    for row in (pictures, held):
        assert all(different(a, b) for i, a in enumerate(row) for b in row[:i])


@pytest.mark.parametrize("view", VIEWS)
def test_names_of_places_are_to_be_seen(view):
    one = before("Cabinet", None, openable=True)
    renamed = replace(one.receptacles[0], name="cabinet 7")
    assert different(draw(one, view=view), draw(replace(one, receptacles=(renamed,)), view=view))


@pytest.mark.parametrize("kind", sorted(k for k in art.place_types() if art.opens(k)))
def test_doors_are_open_or_closed(kind):
    closed = draw(before(kind, None, openable=True))
    empty = draw(before(kind, openable=True, open=True))
    full = draw(before(kind, things(1), openable=True, open=True))
    assert different(closed, empty) > 1000
    assert different(empty, full) > 200


def test_what_lies_in_a_thing_is_to_be_seen():
    plate = Thing("plate 1", "Plate")
    full = replace(plate, contents=(Thing("egg 1", "Egg"),))
    hot = replace(plate, contents=(Thing("egg 1", "Egg", hot=True),))
    pictures = [draw(before("CounterTop", (one,))) for one in (plate, full, hot)]
    assert different(*pictures[:2]) > 100
    assert different(*pictures[1:]) > 10


def test_many_things_in_a_thing_still_have_a_picture():
    bowl = Thing("bowl 1", "Bowl", contents=things(30, "Fork"))
    assert draw(before("CounterTop", (bowl, *things(14)))).shape == (300, 300, 3)


def test_what_is_out_of_sight_has_no_room_in_a_scene():
    for scene in (SCENES["kitchen"], SCENES["closed fridge"]):
        hidden = tuple(replace(one, contents=things(1)) for one in scene.receptacles)
        with pytest.raises(ValueError, match="contents of 'fridge 1' are given"):
            replace(scene, receptacles=hidden)
    with pytest.raises(ValueError, match="contents of 'bed 1' are hidden"):
        before("Bed", None)


@pytest.mark.parametrize("view", VIEWS)
def test_doors_elsewhere_do_not_show(view):
    scene = at(SCENES["kitchen"], 2, things(2))
    opened = tuple(
        one if one.stand == scene.agent else replace(one, openable=True, open=True, contents=None)
        for one in scene.receptacles
    )
    # Open or closed, what is elsewhere is out of sight.
    ajar = replace(scene, receptacles=opened)
    assert np.array_equal(draw(scene, view=view), draw(ajar, view=view))


def test_the_agent_and_its_direction_are_on_the_map():
    scene = SCENES["kitchen"]
    poses = [Pose(x, 1.0, rotation, 0) for x in (-1.0, 1.0) for rotation in range(4)]
    pictures = [draw(replace(scene, agent=pose), view="map") for pose in poses]
    assert all(different(a, b) > 20 for i, a in enumerate(pictures) for b in pictures[:i])


def test_the_map_marks_the_receptacles_where_the_agent_stands():
    scene = SCENES["kitchen"]
    here = at(scene, 0)
    away = replace(here, receptacles=scene.receptacles, agent=replace_horizon(here.agent))
    assert different(draw(here, view="map"), draw(away, view="map")) > 100


def replace_horizon(pose):
    """The same place and direction, but no receptacle's own pose."""
    return pose._replace(horizon=-15)


def test_the_map_takes_an_agent_beside_the_floor_and_no_receptacles():
    empty = Scene(Pose(9.0, -9.0, 7, 0), (), frozenset())
    for view in VIEWS:
        assert draw(empty, view=view).shape == (300, 300, 3)


@pytest.mark.parametrize("n", range(1, 8))
def test_places_at_the_same_spot_are_all_drawn(n):
    here = tuple(receptacle("Shelf", i + 1, stand=MIDDLE, contents=things(6)) for i in range(n))
    scene = Scene(MIDDLE, here, frozenset({(0.0, 0.0)}))
    for size in (150, 300):
        whole = draw(scene, view="first_person", size=size)
        for i in range(n):
            emptier = (*here[:i], replace(here[i], contents=things(5)), *here[i + 1 :])
            other = draw(replace(scene, receptacles=emptier), view="first_person", size=size)
            assert different(whole, other) > 10


def test_rooms_are_known_by_their_furniture():
    for kinds, room in (
        (("Fridge", "Shelf"), "kitchen"),
        (("Toilet", "Shelf"), "bathroom"),
        (("Bed", "Shelf"), "bedroom"),
        (("Sofa", "Shelf"), "living"),
    ):
        assert room_of(in_the_middle(kinds).receptacles) == room


@pytest.mark.parametrize(
    ("scene", "options", "message"),
    [
        (SCENES["bed"], {"view": "above"}, "no view 'above': expected one of first_person, map"),
        (SCENES["bed"], {"size": 84}, "84 pixels: expected a size from 150"),
        (before("Bed", (Thing("pillow", "Pillow"),)), {}, "'pillow' has no number"),
        (before("Bed", (Thing("cat 1", "Cat"),)), {}, "no icon of type 'Cat'"),
        (before("Egg"), {}, "no furniture of type 'Egg'"),
        (before("Toaster", things(9000)), {}, "9000 things have no room"),
    ],
)
def test_what_cannot_be_drawn_is_named(scene, options, message):
    with pytest.raises(ValueError, match=message):
        draw(scene, **options)


if __name__ == "__main__":
    HASHES.write_text(json.dumps(recorded(), indent=1) + "\n", encoding="utf-8")
