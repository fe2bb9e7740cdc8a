"""Draws the cards and rasterises the text that gym_cards ships as package data.

Run `python assets/build_art.py`; it rewrites every sheet in gym_cards/render/art. Cards are drawn
by card_art, from polygons and curves; only letters come from a font, DejaVu Sans, in assets/fonts.
"""

from __future__ import annotations

import json
from pathlib import Path

from card_art.canvas import FOUR_COLOURS, TWO_COLOURS
from card_art.cards import back, face
from card_art.glyphs import write_glyphs
from PIL import Image

from gym_cards.cards import RANKS, SUITS, Card

ART = Path(__file__).resolve().parents[1] / "gym_cards" / "render" / "art"

# Every width that a standard picture needs, with two to six cards and Blackjack's hands among
# them, and a large one that others are scaled from.
CARD_SIZES = ((45, 63), (54, 75), (67, 93), (70, 98), (90, 126), (135, 189), (270, 378))
TEXT = {
    "bold-72": ("DejaVuSans-Bold.ttf", 72),
    "bold-36": ("DejaVuSans-Bold.ttf", 36),
    "bold-16": ("DejaVuSans-Bold.ttf", 16),
    "sans-72": ("DejaVuSans.ttf", 72),
    "sans-20": ("DejaVuSans.ttf", 20),
    "sans-16": ("DejaVuSans.ttf", 16),
    # Names and numbers in household pictures, which come in many sizes.
    **{f"bold-{size}": ("DejaVuSans-Bold.ttf", size) for size in (*range(7, 16), 18, 20, 22, 24)},
}


def write_cards(width: int, height: int, directory: Path) -> None:
    """Writes the faces of one size, a row for each suit and a column for each rank, and a back.

    A four-colour deck has a sheet of its own, which holds the two suits that differ.
    """
    differing = [suit for suit in SUITS if FOUR_COLOURS[suit] != TWO_COLOURS[suit]]
    for name, suits, inks in (
        ("faces", SUITS, TWO_COLOURS),
        ("faces-four-colours", differing, FOUR_COLOURS),
    ):
        sheet = Image.new("RGBA", (width * len(RANKS), height * len(suits)))
        for row, suit in enumerate(suits):
            for column, rank in enumerate(RANKS):
                picture = face(Card(suit, rank), width, height, inks)
                sheet.paste(picture, (column * width, row * height))
        sheet.save(directory / f"{name}-{width}.png", optimize=True)
    back(width, height).save(directory / f"back-{width}.png", optimize=True)


def main() -> None:
    """Rebuilds everything."""
    for width, height in CARD_SIZES:
        write_cards(width, height, ART)
    metrics = {name: write_glyphs(name, file, size, ART) for name, (file, size) in TEXT.items()}
    lines = json.dumps(metrics, separators=(",", ":"), sort_keys=True)
    (ART / "glyphs.json").write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
