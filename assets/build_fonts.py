"""Cuts the window's letters out of Inter and ships them as package data.

Run `python assets/build_fonts.py`; it rewrites gym_cards/play/art/Inter-*.ttf. It needs fonttools.
"""

from __future__ import annotations

from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

ASSETS = Path(__file__).resolve().parent
ART = ASSETS.parent / "gym_cards" / "play" / "art"

WEIGHTS = ("Medium", "Bold")
# Printable ASCII, and the signs that the window writes.
CHARACTERS = "".join(map(chr, range(32, 127))) + "\u00a0·×÷–—‘’“”…↑↓−"


def build(weight: str, directory: Path) -> Path:
    """Writes one weight as a TrueType font with kerning into a directory, and returns its path."""
    options = Options()
    options.layout_features = ["kern", "ccmp"]
    options.hinting = False
    options.name_IDs = ["*"]
    font = TTFont(ASSETS / "fonts" / f"Inter-{weight}.woff", recalcTimestamp=False)
    subsetter = Subsetter(options)
    subsetter.populate(text=CHARACTERS)
    subsetter.subset(font)
    font.flavor = None
    path = directory / f"Inter-{weight}.ttf"
    font.save(path)
    return path


def main() -> None:
    """Rebuilds every weight."""
    for weight in WEIGHTS:
        build(weight, ART)


if __name__ == "__main__":
    main()
