"""Draws the icons, the furniture and the letters of the household that gym_cards ships.

Run `python assets/build_household.py`; it rewrites gym_cards/alfworld/art. Everything is drawn by
the modules of assets/household, from polygons and curves; only letters come from a font.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from card_art.glyphs import write_glyphs
from household import (  # noqa: F401 (each module enters its drawings)
    icons_bath,
    icons_desk,
    icons_food,
    icons_furniture,
    icons_kitchen,
    icons_living,
    marks,
    places_closets,
    places_rooms,
    places_tables,
)
from household.canvas import ICONS, OPENABLE, PLACE_HEIGHT, PLACES, Canvas
from PIL import Image

ART = Path(__file__).resolve().parent.parent / "gym_cards" / "alfworld" / "art"

# Characters of goals in people's words that gym_cards/render does not ship, in its sizes. The last
# one stands for all others.
LETTERS = "".join(map(chr, (*range(0xA1, 0xAD), *range(0xAE, 0x100)))) + "‘’‚“”„–—•…′″€™−←→□"
LETTER_SIZES = (*range(7, 17), 18, 20, 22, 24, 36)

COLUMNS = 12
# Furniture is drawn for a wide and for a narrow place.
WIDTHS = (300, 150)
PLACE_PIXELS = 2.0
PLACE_PEN = 1.8
PLACE_SCALE = 3
# How many colours a picture has, how often they are moved to the middle of what they stand
# for, and how many new ones there are each time while there is room.
COLOURS = 96
ROUNDS = 24
MOST_NEW = 24


def write_icons() -> dict[str, object]:
    """Writes all icons into one sheet, in the order of their names, and returns its key."""
    names = sorted(ICONS)
    side = Canvas().size[0]
    rows = -(-len(names) // COLUMNS)
    sheet = Image.new("RGBA", (COLUMNS * side, rows * side))
    for place, name in enumerate(names):
        canvas = Canvas()
        ICONS[name](canvas)
        sheet.paste(canvas.reduced(), (place % COLUMNS * side, place // COLUMNS * side))
    sheet.save(ART / "icons.png", optimize=True)
    return {"side": side, "columns": COLUMNS, "names": names}


def few_colours(picture: Image.Image) -> Image.Image:
    """A picture of few colours and opacities, chosen such that shading stays smooth."""
    pixels = np.asarray(picture)
    found, places, counts = np.unique(
        pixels.reshape(-1, 4), axis=0, return_inverse=True, return_counts=True
    )
    colours = found.astype(np.float64)
    rough = picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = np.unique(np.asarray(rough.convert("RGBA")).reshape(-1, 4), axis=0).astype(np.float64)
    for _ in range(ROUNDS):
        distances = (palette**2).sum(axis=1) - 2 * colours @ palette.T
        nearest = distances.argmin(axis=1)
        sums = np.zeros_like(palette)
        np.add.at(sums, nearest, colours * counts[:, None])
        weights = np.bincount(nearest, counts, len(palette))
        used = weights > 0
        palette[used] = sums[used] / weights[used, None]
        # What is farthest from its colour, by its share of the picture, gets one of its own.
        error = ((colours - palette[nearest]) ** 2).sum(axis=1) * counts
        worst = np.argsort(error)[::-1][: min(MOST_NEW, COLOURS - len(palette))]
        palette = np.concatenate([palette, colours[worst]])
    # The last new colours stand for nothing yet.
    table = np.round(palette[: nearest.max() + 1]).astype(np.uint8)
    indices = nearest[places.reshape(-1)].reshape(pixels.shape[:2]).astype(np.uint8)
    indexed = Image.fromarray(indices, "P")
    indexed.putpalette(table.tobytes(), "RGBA")
    return indexed


def write_places() -> dict[str, dict[str, list[list[float | bool]]]]:
    """Writes each place, closed and open, wide and narrow, and returns its areas for things."""
    bays: dict[str, dict[str, list[list[float | bool]]]] = {}
    for name, draw in sorted(PLACES.items()):
        for is_open in (False, True) if name in OPENABLE else (False,):
            key = f"{name}-open" if is_open else name
            bays[key] = {}
            for width in WIDTHS:
                canvas = Canvas(width, PLACE_HEIGHT, PLACE_PIXELS, PLACE_PEN, PLACE_SCALE)
                bays[key][str(width)] = [list(bay) for bay in draw(canvas, width, is_open)]
                few_colours(canvas.reduced()).save(ART / f"place-{key}-{width}.png", optimize=True)
    return bays


def write_rooms() -> list[str]:
    """Writes the walls and floors behind furniture, and returns the rooms' names."""
    for room in places_rooms.ROOMS:
        for width in WIDTHS:
            canvas = Canvas(width, PLACE_HEIGHT, PLACE_PIXELS, PLACE_PEN, PLACE_SCALE)
            places_rooms.draw_room(canvas, width, room)
            few_colours(canvas.reduced()).save(ART / f"room-{room}-{width}.png", optimize=True)
    return list(places_rooms.ROOMS)


def write_letters() -> dict[str, dict[str, tuple[int, int, int, int]]]:
    """Writes a sheet of letters in each size, and returns their metrics."""
    return {
        str(size): write_glyphs(f"bold-{size}", "DejaVuSans-Bold.ttf", size, ART, LETTERS)
        for size in LETTER_SIZES
    }


def main() -> None:
    """Rebuilds everything."""
    ART.mkdir(exist_ok=True)
    for old in ART.glob("*.png"):
        old.unlink()
    key = {
        "icons": write_icons(),
        "letters": write_letters(),
        "places": write_places(),
        "rooms": write_rooms(),
    }
    text = json.dumps(key, separators=(",", ":"), sort_keys=True)
    (ART / "art.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
