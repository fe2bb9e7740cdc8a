"""The letters of the pictures' texts, rasterised once."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from card_art.canvas import FONTS

CHARACTERS = "".join(map(chr, range(32, 127)))


def write_glyphs(
    name: str, file: str, size: int, directory: Path, characters: str = CHARACTERS
) -> dict[str, tuple[int, int, int, int]]:
    """Writes one font's glyphs side by side, each as high as a line, and returns their metrics.

    A glyph's entry is its place in the sheet and its width there, how far its ink stands from the
    pen, and how far the pen moves on; all whole pixels.
    """
    font = ImageFont.truetype(str(FONTS / file), size, layout_engine=ImageFont.Layout.BASIC)
    ascent, descent = font.getmetrics()
    glyphs: dict[str, tuple[int, int, int, int]] = {}
    pictures: list[Image.Image] = []
    place = 0
    for character in characters:
        margin = size
        cell = Image.new("L", (3 * size, ascent + descent))
        ImageDraw.Draw(cell).text((margin, 0), character, fill=255, font=font, anchor="la")
        box = cell.getbbox()
        left, right = (box[0], box[2]) if box else (margin, margin)
        pictures.append(cell.crop((left, 0, right, cell.height)))
        glyphs[character] = (place, right - left, left - margin, round(font.getlength(character)))
        place += right - left
    sheet = Image.new("L", (place, ascent + descent))
    for picture, (start, *_) in zip(pictures, glyphs.values(), strict=True):
        sheet.paste(picture, (start, 0))
    sheet.save(directory / f"glyphs-{name}.png", optimize=True)
    return glyphs
