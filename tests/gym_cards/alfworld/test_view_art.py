"""Icons and furniture: one for every type of the domain, each unlike the others."""

import itertools

import numpy as np
import pytest

from gym_cards.alfworld.scene import Thing
from gym_cards.alfworld.view import art
from gym_cards.render.sprites import paste

OBJECT_NAMES = """
AlarmClock Apple AppleSliced ArmChair BaseballBat BasketBall Bathtub BathtubBasin Bed Blinds Book
Boots Bowl Box Bread BreadSliced ButterKnife CD Cabinet Candle Cart CellPhone Chair Cloth
CoffeeMachine CoffeeTable CounterTop CreditCard Cup Curtains Desk DeskLamp DiningTable DishSponge
Drawer Dresser Egg Faucet FloorLamp Footstool Fork Fridge GarbageCan Glassbottle HandTowel
HandTowelHolder HousePlant Kettle KeyChain Knife Ladle Laptop LaundryHamper LaundryHamperLid Lettuce
LettuceSliced LightSwitch Microwave Mirror Mug Newspaper Ottoman Painting Pan PaperTowel
PaperTowelRoll Pen Pencil PepperShaker Pillow Plate Plunger Poster Pot Potato PotatoSliced
RemoteControl Safe SaltShaker ScrubBrush Shelf ShowerDoor ShowerGlass SideTable Sink SinkBasin
SoapBar SoapBottle Sofa Spatula Spoon SprayBottle Statue StoveBurner StoveKnob TVStand TeddyBear
Television TennisRacket TissueBox Toaster Toilet ToiletPaper ToiletPaperHanger ToiletPaperRoll
Tomato TomatoSliced Towel TowelHolder Vase Watch WateringCan Window WineBottle
"""
RECEPTACLE_NAMES = """
ArmChair Bathtub BathtubBasin Bed Bowl Box Cabinet Cart CoffeeMachine CoffeeTable CounterTop Cup
Desk DiningTable Drawer Dresser Fridge GarbageCan HandTowelHolder LaundryHamper Microwave Mug
Ottoman PaintingHanger Pan Plate Pot Safe Shelf SideTable Sink SinkBasin Sofa StoveBurner TVStand
Toaster Toilet ToiletPaperHanger TowelHolder
"""
OBJECTS, RECEPTACLES = OBJECT_NAMES.split(), RECEPTACLE_NAMES.split()
GREY = 200


def on_grey(sprite):
    """A sprite on a plain ground, as whole numbers."""
    frame = np.full(sprite.ink.shape, GREY, np.uint8)
    paste(frame, sprite, 0, 0)
    return frame.astype(int)


def test_every_type_of_the_domain_has_an_icon():
    assert not set(OBJECTS) - art.icon_types()
    assert not set(RECEPTACLES) - art.icon_types()


def test_every_receptacle_of_the_domain_is_drawn_as_furniture():
    assert set(RECEPTACLES) == art.place_types()


@pytest.mark.parametrize("side", [24, 40])
def test_no_two_types_look_alike(side):
    icons = {kind: on_grey(art.icon(kind, side)) for kind in art.icon_types()}
    for one, other in itertools.combinations(sorted(icons), 2):
        # Colours of at least a twentieth of the square are clearly others.
        apart = np.abs(icons[one] - icons[other]).max(axis=2) > 48
        assert apart.mean() > 0.05, (one, other)


@pytest.mark.parametrize("side", [20, 40, 56, 112])
def test_icons_fill_their_square_and_keep_within_it(side):
    for kind in art.icon_types():
        opaque = art.icon(kind, side).clear[..., 0] < 128
        rows, columns = opaque.any(axis=1).nonzero()[0], opaque.any(axis=0).nonzero()[0]
        assert max(np.ptp(rows), np.ptp(columns)) + 1 >= 0.74 * side, kind
        assert opaque.mean() > 0.1, kind


def test_places_differ_from_each_other_and_open_ones_from_closed():
    same = {frozenset({"Sink", "SinkBasin"}), frozenset({"Bathtub", "BathtubBasin"})}
    places = {
        f"{kind} {is_open}": art.place(kind, is_open, "kitchen", 150, 92).astype(int)
        for kind in art.place_types()
        for is_open in ((False, True) if art.opens(kind) else (False,))
    }
    for one, other in itertools.combinations(sorted(places), 2):
        if frozenset({one.split()[0], other.split()[0]}) not in same:
            apart = np.abs(places[one] - places[other]).max(axis=2) > 24
            assert apart.mean() > 0.02, (one, other)


def hues(pixels):
    """The hues, in degrees, of the opaque pixels that are not grey, and the number of opaque ones.

    Args:
        pixels: RGBA, shape (height, width, 4).
    """
    opaque = pixels[pixels[..., 3] == 255][:, :3].astype(int)
    bright = opaque.max(axis=1)
    spread = bright - opaque.min(axis=1)
    red, green, blue = opaque[spread > 44].T
    top, span = bright[spread > 44], spread[spread > 44]
    found = np.where(
        top == red,
        (green - blue) / span % 6,
        np.where(top == green, (blue - red) / span + 2, (red - green) / span + 4),
    )
    return found * 60, len(opaque)


# What furniture is made of, by the hues that it may have. Flames, lamps, water and things are
# of other hues.
METAL, WOOD = (0, 0), (8, 52)
MATERIALS = {
    **dict.fromkeys(("StoveBurner", "CoffeeMachine", "Microwave", "SinkBasin", "Fridge"), METAL),
    **dict.fromkeys(("TowelHolder", "HandTowelHolder", "ToiletPaperHanger", "TVStand"), METAL),
    **dict.fromkeys(("GarbageCan",), METAL),
    **dict.fromkeys(("Shelf", "Drawer", "DiningTable", "Desk", "Dresser", "SideTable"), WOOD),
    **dict.fromkeys(("Cabinet", "LaundryHamper"), WOOD),
}


@pytest.mark.parametrize("kind", MATERIALS)
def test_furniture_is_empty_and_off(kind):
    low, high = MATERIALS[kind]
    drawings = [art._master(kind)]
    drawings += [art._read(f"place-{kind}-{width}.png", "RGBA") for width in art.PLACE_WIDTHS]
    for drawing in drawings:
        found, total = hues(drawing)
        assert ((found < low) | (found >= high)).sum() <= 0.003 * total


@pytest.mark.parametrize("kind", ["Bathtub", "BathtubBasin"])
def test_tubs_hold_no_water(kind):
    for width in art.PLACE_WIDTHS:
        found, total = hues(art._read(f"place-{kind}-{width}.png", "RGBA"))
        assert (found > 52).sum() <= 0.003 * total  # the feet are of brass


@pytest.mark.parametrize("kind", ["CellPhone", "Laptop", "Television"])
def test_screens_are_off(kind):
    found, _ = hues(art._master(kind))
    assert not len(found)


def test_scaling_keeps_plain_colour_and_the_whole_size():
    for target in ((7, 5), (24, 24), (50, 31), (112, 150)):
        plain = np.full((24, 24, 4), (10, 200, 30, 255), np.uint8)
        sprite = art.scaled(plain, *target)
        assert sprite.ink.shape == (target[1], target[0], 3)
        assert (sprite.ink == np.array([10, 200, 30]) * 255).all()
        assert not sprite.clear.any()


def test_scaling_averages_areas():
    half = np.zeros((2, 4, 4), np.uint8)
    half[:, :2] = (200, 100, 50, 255)
    sprite = art.scaled(half, 1, 1)
    # Half of the square is opaque; 255 / 2 is rounded up.
    assert sprite.clear[0, 0, 0] == 127
    assert sprite.ink[0, 0].tolist() == [200 * 255 // 2, 100 * 255 // 2, (50 * 255 + 1) // 2]


def test_sprites_on_sprites_are_those_on_frames():
    below, above = art.icon("Apple", 40), art.icon("#hot", 40)
    frame = np.full((40, 40, 3), GREY, np.uint8)
    paste(frame, below, 0, 0)
    paste(frame, above, 0, 0)
    both = on_grey(art.over(below, above, 0, 0))
    assert np.abs(both - frame).max() <= 2


@pytest.mark.parametrize("side", [4, 9, 14, 24, 56, 112])
def test_badges_lie_within_the_icon_and_differ(side):
    plain = Thing("mug 1", "Mug")
    numbered = [Thing(f"mug {i}", "Mug") for i in (2, 11, 28, 128)]
    for one in (plain, *numbered):
        assert art.thing(one, side).clear.shape == (side, side, 1)
    for text in ("7", "28", "1-28", "128"):
        height, width, _ = art.badge(text, side).clear.shape
        assert height <= side
        assert width <= side
    if side > 9:
        pictures = [on_grey(art.thing(one, side)) for one in (plain, *numbered)]
        assert all((a != b).any() for a, b in itertools.combinations(pictures, 2))


def test_a_name_is_pressed_into_its_room():
    for room in (30, 60, 100, 200):
        label = art.pill("handtowelholder 12", 13, room)
        assert label.clear.shape[1] <= room


def test_numbers_are_those_of_commands():
    assert art.number("mug 12") == "12"
    for name in ("mug", "mug twelve", "mug 1 ", ""):
        with pytest.raises(ValueError, match="has no number: expected a name as in commands"):
            art.number(name)


def test_what_has_no_drawing_is_named():
    with pytest.raises(ValueError, match="no icon of type 'Cat': expected"):
        art.icon("Cat", 40)
    with pytest.raises(ValueError, match="no furniture of type 'Apple': expected"):
        art.place("Apple", False, "kitchen", 300, 184)
