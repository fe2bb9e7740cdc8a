"""Draws the sheets in docs/images/alfworld: every icon, place and state by its name, and goals.

Run `python assets/draw_contact_sheets.py`. The sheets are put together from what the package
ships, by the package's own code, so that they show what a player sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gym_cards.alfworld.scene import Pose, Receptacle, Scene, Thing
from gym_cards.alfworld.view import art
from gym_cards.alfworld.view import draw as draw_scene
from gym_cards.alfworld.view.art import Colour
from gym_cards.render.lettering import draw_text, text_width
from gym_cards.render.sprites import Frame, paste

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images" / "alfworld"
GROUND: Colour = (236, 230, 218)
FONT = "bold-9"
LINE = 14

# Draws one entry of a sheet into its cell.
Entry = tuple[str, Callable[[Frame], None]]


def write_sheet(name: str, entries: Sequence[Entry], columns: int, width: int, height: int) -> None:
    """Writes a sheet of cells of this size, each with its name below."""
    rows = -(-len(entries) // columns)
    sheet = np.full((rows * (height + LINE), columns * width, 3), GROUND, np.uint8)
    for index, (label, draw) in enumerate(entries):
        top, left = index // columns * (height + LINE), index % columns * width
        draw(sheet[top : top + height, left : left + width])
        x = left + (width - text_width(label, FONT)) // 2
        draw_text(sheet, label, x, top + height, FONT, art.DARK)
    IMAGES.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(IMAGES / f"{name}.png", optimize=True)


def icon_entry(kind: str) -> Entry:
    """An icon at the sizes that it has among few, some and many others."""

    def draw(cell: Frame) -> None:
        x = 4
        for side in (56, 36, 24):
            paste(cell, art.icon(kind, side), x, 60 - side)
            x += side + 2

    return kind, draw


def state_entry(label: str, seen: Thing) -> Entry:
    """An object in one state."""

    def draw(cell: Frame) -> None:
        paste(cell, art.thing(seen, 56), 24, 4)

    return label, draw


def place_entry(kind: str, is_open: bool, room: art.Room) -> Entry:
    """A place, wide."""

    def draw(cell: Frame) -> None:
        height, width, _ = cell.shape
        cell[3:, 3:-3] = art.place(kind, is_open, room, width - 6, height - 3)

    return f"{kind}, open" if is_open else kind, draw


def write_goals() -> None:
    """Writes pictures of several sizes that show a goal, next to each other."""
    stand = Pose(0.0, 0.0)
    things = (Thing("potato 1", "Potato"), Thing("mug 2", "Mug"), Thing("knife 1", "Knife"))
    room = (
        Receptacle("countertop 1", "CounterTop", (0.0, 0.9, 0.5), stand, contents=things),
        Receptacle("microwave 1", "Microwave", (1.2, 1.0, 0.5), Pose(1.0, 0.0), openable=True),
        Receptacle("fridge 1", "Fridge", (-1.2, 0.9, 0.0), Pose(-1.0, 0.0, 3), openable=True),
    )
    floor = frozenset((x / 4, z / 4) for x in range(-4, 5) for z in range(-4, 1))
    scene = Scene(stand, room, floor)
    templates = "put a hot potato in fridge"
    human = "Warm the potato in the café's “microwave”,\nthen put it into the fridge."
    pictures = [
        draw_scene(scene, size=size, goal=goal)
        for size, goal in ((300, templates), (300, human), (150, templates))
    ]
    sheet = np.full((300, sum(len(picture) + 8 for picture in pictures) - 8, 3), GROUND, np.uint8)
    x = 0
    for picture in pictures:
        size = len(picture)
        sheet[:size, x : x + size] = picture
        x += size + 8
    Image.fromarray(sheet).save(IMAGES / "goal.png", optimize=True)


def main() -> None:
    """Writes all sheets."""
    write_goals()
    places = art.place_types()
    things = art.icon_types() - {"DeskLampOn", "FloorLampOn"}
    write_sheet("objects", [icon_entry(kind) for kind in sorted(things)], 7, 128, 64)
    rooms: dict[str, art.Room] = {
        **dict.fromkeys(("Bed", "Dresser", "Desk", "Safe", "LaundryHamper"), "bedroom"),
        **dict.fromkeys(("Sofa", "ArmChair", "Ottoman", "TVStand", "CoffeeTable"), "living"),
        **dict.fromkeys(("Bathtub", "BathtubBasin", "Toilet", "ToiletPaperHanger"), "bathroom"),
        **dict.fromkeys(("TowelHolder", "HandTowelHolder", "Sink", "Cart"), "bathroom"),
    }
    entries = [
        place_entry(kind, is_open, rooms.get(kind, "kitchen"))
        for kind in sorted(places)
        for is_open in ((False, True) if art.opens(kind) else (False,))
    ]
    write_sheet("places", entries, 5, 186, 114)
    states = [
        state_entry("plain", Thing("mug 1", "Mug")),
        state_entry("hot", Thing("mug 1", "Mug", hot=True)),
        state_entry("cool", Thing("mug 1", "Mug", cool=True)),
        state_entry("clean", Thing("mug 1", "Mug", clean=True)),
        state_entry("hot and clean", Thing("potato 2", "Potato", hot=True, clean=True)),
        state_entry("whole", Thing("apple 1", "Apple")),
        state_entry("sliced", Thing("apple 1", "Apple", sliced=True)),
        state_entry("off", Thing("desklamp 1", "DeskLamp")),
        state_entry("on", Thing("desklamp 1", "DeskLamp", on=True)),
        state_entry("off", Thing("floorlamp 1", "FloorLamp")),
        state_entry("on", Thing("floorlamp 1", "FloorLamp", on=True)),
        state_entry(
            "holds another", Thing("plate 1", "Plate", contents=(Thing("egg 3", "Egg", cool=True),))
        ),
    ]
    write_sheet("states", states, 6, 104, 64)


if __name__ == "__main__":
    main()
