"""Drawing of shapes, words and pictures with pygame, at any scale.

All places and sizes are in units; one unit is `scale` pixels. Edges are smooth: a shape's opacity
is computed from each pixel's distance to its outline.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gym_cards.core.window import load_pygame
from gym_cards.play.drawing import theme
from gym_cards.play.drawing.geometry import Rect
from gym_cards.play.drawing.theme import Colour

Align = Literal["left", "centre", "right"]

# Letters are drawn this many times larger and averaged down, because pygame places them on whole
# pixels, which spaces small ones unevenly.
_FINE = 4
_FONTS = {False: "Inter-Medium.ttf", True: "Inter-Bold.ttf"}


class Painter:
    """Painter on the window's surface.

    Attributes:
        scale: The number of pixels in a unit.
    """

    def __init__(self) -> None:
        self._pygame = load_pygame("the game is shown")
        # A cache, because most of the window stays the same.
        self._font = lru_cache(maxsize=64)(self._load_font)
        self._word = lru_cache(maxsize=1024)(self._draw_word)
        self._shape = lru_cache(maxsize=256)(self._draw_shape)
        self._backdrop = lru_cache(maxsize=1)(self._draw_backdrop)
        self._scaled: tuple[bytes, tuple[int, int], Any] | None = None

    def fit(self, surface: Any, scale: float) -> None:
        """Selects the pygame surface to draw on, and the scale."""
        self._surface, self.scale = surface, scale

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the window, in units."""
        width, height = self._surface.get_size()
        return width / self.scale, height / self.scale

    def background(self) -> None:
        """Covers everything with felt, darker towards the corners."""
        self._surface.blit(self._backdrop(self._surface.get_size()), (0, 0))

    def box(
        self,
        rect: Rect,
        fill: Colour,
        *,
        radius: float = theme.RADIUS,
        edge: Colour | None = None,
        pen: float = 1.0,
        shadow: float = 0.0,
    ) -> None:
        """Draws a rounded box.

        Args:
            rect: The box.
            fill: Its colour, with or without opacity.
            radius: The radius of the corners.
            edge: The colour of a line inside its outline, if any.
            pen: The width of that line.
            shadow: The reach of a soft shadow.
        """
        s = self.scale
        left, top = round(rect.x * s), round(rect.y * s)
        size = (round(rect.right * s) - left, round(rect.bottom * s) - top)
        if min(size) <= 0:
            return
        line = max(1.0, pen * s) if edge is not None else 0.0
        reach = round(shadow * s)
        shape = self._shape(size, radius * s, fill, edge, line, reach)
        self._surface.blit(shape, (left - reach, top - reach))

    def text(
        self,
        words: str,
        x: float,
        y: float,
        size: float,
        colour: Colour = theme.TEXT,
        *,
        bold: bool = False,
        align: Align = "left",
    ) -> float:
        """Writes a line centred at the height `y`, and returns its width."""
        picture = self._word(words, round(size * self.scale), colour, bold)
        width = picture.get_width()
        left = x * self.scale - {"left": 0.0, "centre": width / 2, "right": width}[align]
        self._surface.blit(picture, (round(left), round(y * self.scale - picture.get_height() / 2)))
        return float(width) / self.scale

    def width_of(self, words: str, size: float, *, bold: bool = False) -> float:
        """Returns the width of a line."""
        font = self._font(round(size * self.scale), bold)
        return float(font.size(words)[0]) / _FINE / self.scale

    def fitting(self, words: str, width: float, sizes: tuple[float, ...], *, bold: bool) -> float:
        """Returns the first of some sizes at which a line fits a width, or the last."""
        fits = (size for size in sizes if self.width_of(words, size, bold=bold) <= width)
        return next(fits, sizes[-1])

    def shortened(self, words: str, width: float, size: float, *, bold: bool = False) -> str:
        """Returns a line, shortened with an ellipsis if it is too wide."""
        if self.width_of(words, size, bold=bold) <= width:
            return words
        while words and self.width_of(words + "…", size, bold=bold) > width:
            words = words[:-1]
        return words.rstrip() + "…"

    def wrapped(self, words: str, width: float, size: float, *, bold: bool = False) -> list[str]:
        """Breaks a text into lines of at most this width; words are not divided."""
        lines: list[str] = []
        for paragraph in words.splitlines():
            line = ""
            for word in paragraph.split():
                longer = f"{line} {word}".strip()
                if line and self.width_of(longer, size, bold=bold) > width:
                    lines.append(line)
                    longer = word
                line = longer
            lines.append(line)
        return lines

    def picture(self, frame: NDArray[np.uint8], rect: Rect, radius: float) -> None:
        """Shows a picture of (height, width, 3) bytes, scaled to a box with rounded corners."""
        size = (round(rect.width * self.scale), round(rect.height * self.scale))
        key = frame.tobytes()
        if self._scaled is None or self._scaled[:2] != (key, size):
            self._scaled = (key, size, self._scale_picture(frame, size, radius * self.scale))
        place = (round(rect.x * self.scale), round(rect.y * self.scale))
        self._surface.blit(self._scaled[2], place)

    @contextmanager
    def clipped(self, rect: Rect) -> Iterator[None]:
        """Restricts drawing to a box."""
        s = self.scale
        before = self._surface.get_clip()
        self._surface.set_clip((rect.x * s, rect.y * s, rect.width * s, rect.height * s))
        try:
            yield
        finally:
            self._surface.set_clip(before)

    def _load_font(self, size: int, bold: bool) -> Any:
        self._pygame.font.init()
        path = resources.files("gym_cards.play") / "art" / _FONTS[bold]
        with resources.as_file(path) as file:
            return self._pygame.font.Font(str(file), max(size, 1) * _FINE)

    def _draw_word(self, words: str, size: int, colour: Colour, bold: bool) -> Any:
        large = self._font(size, bold).render(words, True, colour[:3])
        width, height = large.get_size()
        smooth = self._pygame.transform.smoothscale
        picture = smooth(large, (-(-width // _FINE), -(-height // _FINE)))
        if len(colour) == 4:
            picture.set_alpha(colour[3])
        return picture

    def _draw_shape(
        self,
        size: tuple[int, int],
        radius: float,
        fill: Colour,
        edge: Colour | None,
        line: float,
        reach: int,
    ) -> Any:
        # Only the corners differ, so a small box is drawn and its middle stretched.
        corner = int(radius + line) + 2 * reach + 2
        small = (min(size[0], 2 * corner + 1), min(size[1], 2 * corner + 1))
        distance = _distance(small, radius, reach)
        cover = np.clip(0.5 - distance, 0, 1)
        layers = [(fill, cover)]
        if edge is not None:
            layers.append((edge, cover - np.clip(0.5 - distance - line, 0, 1)))
        if reach:
            # The shadow falls slightly downwards and fades out; it does not show through the box.
            low = _distance(small, radius, reach, drop=reach // 4)
            faded = np.clip(0.5 - low / (2 * reach), 0, 1) ** 2
            layers.insert(0, (theme.SHADOW, faded * np.clip(0.5 + distance, 0, 1)))
        pixels = _composed(layers)
        rows, columns = (
            np.insert(np.arange(have), have // 2, np.full(want - have + 2 * reach, have // 2))
            for have, want in zip(pixels.shape[:2], reversed(size), strict=True)
        )
        return self._to_surface(pixels[rows[:, None], columns[None, :]])

    def _draw_backdrop(self, size: tuple[int, int]) -> Any:
        y, x = np.mgrid[-1:1:60j, -1:1:96j]
        shade = ((x * x * 0.6 + y * y * 0.8) / 1.4)[..., None]
        light, dark = np.array(theme.FELT), np.array(theme.FELT_DARK)
        small = self._to_surface((light + shade * (dark - light)).astype(np.uint8))
        felt = self._pygame.transform.smoothscale(small, size)
        # The texture of the cloth, which also hides the steps between shades.
        nap = np.random.default_rng(0).integers(0, 4, (128, 128, 1), dtype=np.uint8)
        tile = self._to_surface(nap.repeat(3, axis=2))
        for left in range(0, size[0], 128):
            for top in range(0, size[1], 128):
                felt.blit(tile, (left, top), special_flags=self._pygame.BLEND_RGB_ADD)
        return felt

    def _scale_picture(self, frame: NDArray[np.uint8], size: tuple[int, int], radius: float) -> Any:
        large = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
        cover = np.clip(0.5 - _distance(size, radius, 0), 0, 1)
        return self._to_surface(
            np.dstack([np.asarray(large), np.round(cover * 255).astype(np.uint8)])
        )

    def _to_surface(self, pixels: NDArray[np.uint8]) -> Any:
        """Returns a surface of (height, width, 3 or 4) bytes."""
        height, width, depth = pixels.shape
        mode = "RGBA" if depth == 4 else "RGB"
        surface = self._pygame.image.frombuffer(pixels.tobytes(), (width, height), mode)
        return surface.convert_alpha() if depth == 4 else surface.convert()


def _composed(layers: list[tuple[Colour, NDArray[np.float64]]]) -> NDArray[np.uint8]:
    """Composes layers of one colour each, the lowest first, as (height, width, 4) bytes."""
    height, width = layers[0][1].shape
    ink = np.zeros((height, width, 3))
    alpha = np.zeros((height, width))
    for colour, cover in layers:
        opacity = cover * (colour[3] / 255 if len(colour) == 4 else 1.0)
        ink = ink * (1 - opacity[..., None]) + opacity[..., None] * np.array(colour[:3])
        alpha = alpha * (1 - opacity) + opacity
    colours = ink / np.maximum(alpha, 1e-6)[..., None]
    pixels = np.round(np.clip(np.dstack([colours, alpha * 255]), 0, 255))
    return pixels.astype(np.uint8)


def _distance(
    size: tuple[int, int], radius: float, margin: int, drop: int = 0
) -> NDArray[np.float64]:
    """Returns the distance of each pixel from a rounded box; negative inside.

    Args:
        size: Width and height of the box, in pixels.
        radius: The radius of its corners.
        margin: A margin on all sides of the box, which the array includes.
        drop: The distance by which the box is lower.
    """
    width, height = size
    radius = min(radius, width / 2, height / 2)
    x = np.arange(-margin, width + margin) + 0.5 - width / 2
    y = np.arange(-margin, height + margin) + 0.5 - height / 2 - drop
    across = np.abs(x)[None, :] - (width / 2 - radius)
    down = np.abs(y)[:, None] - (height / 2 - radius)
    outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
    distance: NDArray[np.float64] = outside + np.minimum(np.maximum(across, down), 0) - radius
    return distance
