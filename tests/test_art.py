"""What ships is what the scripts in assets make of the sources there."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
ART = ROOT / "gym_cards" / "render" / "art"
LETTERS = ROOT / "gym_cards" / "play" / "art"
HOUSEHOLD = ROOT / "gym_cards" / "alfworld" / "art"
MODULES = ("build_art", "build_fonts", "build_household", "card_art", "household")


@pytest.fixture
def script(monkeypatch):
    """Imports a script of assets."""
    monkeypatch.syspath_prepend(str(ROOT / "assets"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name.split(".")[0] in MODULES:
            del sys.modules[name]


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA")).astype(int)


def test_the_smallest_cards_are_those_that_the_script_draws(script, tmp_path):
    build = script("build_art")
    width, height = build.CARD_SIZES[0]
    build.write_cards(width, height, tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == [f"back-{width}.png", f"faces-{width}.png", f"faces-four-colours-{width}.png"]
    for name in made:
        # Another FreeType may shade a letter's edge otherwise; nothing else may differ.
        difference = np.abs(pixels(tmp_path / name) - pixels(ART / name))
        assert difference.max() <= 48
        assert (difference > 8).mean() < 0.01


def test_there_is_a_sheet_of_every_size_and_no_other(script):
    build = script("build_art")
    sheets = {"faces", "faces-four-colours", "back"}
    expected = {f"{sheet}-{width}.png" for sheet in sheets for width, _ in build.CARD_SIZES}
    expected |= {f"glyphs-{name}.png" for name in build.TEXT}
    assert {path.name for path in ART.glob("*.png")} == expected


def test_the_windows_letters_are_those_of_the_script(script, tmp_path):
    fonts = importlib.import_module("fontTools.ttLib")
    build = script("build_fonts")
    for weight in build.WEIGHTS:
        made = fonts.TTFont(build.build(weight, tmp_path))
        shipped = fonts.TTFont(LETTERS / f"Inter-{weight}.ttf")
        characters = set(map(ord, build.CHARACTERS))
        assert set(shipped.getBestCmap()) == set(made.getBestCmap()) == characters
        assert shipped["hmtx"].metrics == made["hmtx"].metrics


def test_the_households_icons_and_places_are_those_that_the_script_draws(script):
    build = script("build_household")
    canvas = script("household.canvas")
    index = json.loads((HOUSEHOLD / "art.json").read_text(encoding="utf-8"))
    names, columns, side = (index["icons"][key] for key in ("names", "columns", "side"))
    assert names == sorted(canvas.ICONS)
    sheet = pixels(HOUSEHOLD / "icons.png")
    for name in ("Apple", "Kettle", "WineBottle", "#cool"):
        drawn = canvas.Canvas()
        canvas.ICONS[name](drawn)
        row, column = divmod(names.index(name), columns)
        shipped = sheet[row * side : (row + 1) * side, column * side : (column + 1) * side]
        # Another Pillow may round a curve's edge otherwise; nothing else may differ.
        assert (np.abs(np.asarray(drawn.reduced()).astype(int) - shipped) > 16).mean() < 0.01
    assert set(index["places"]) == {
        *canvas.PLACES,
        *(f"{name}-open" for name in canvas.OPENABLE),
    }
    sizes = index["letters"]
    assert set(sizes) == set(map(str, build.LETTER_SIZES))
    assert all(set(glyphs) == set(build.LETTERS) for glyphs in sizes.values())
    files = {"icons.png", *(f"glyphs-bold-{size}.png" for size in sizes)} | {
        f"{kind}-{name}-{width}.png"
        for kind, drawings in (("place", index["places"]), ("room", index["rooms"]))
        for name in drawings
        for width in build.WIDTHS
    }
    assert {path.name for path in HOUSEHOLD.glob("*.png")} == files
