"""Canvas on which everything in the household is drawn in one style.

Every shape is lit from the upper left, has a soft outline of its own darkened colour, and is drawn
several times larger and averaged down.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from card_art.canvas import Colour, Point, circle
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

INK: Colour = (46, 36, 52)

# The palette that all drawings share.
WHITE: Colour = (250, 249, 246)
PAPER: Colour = (244, 240, 230)
CHROME: Colour = (190, 199, 210)
STEEL: Colour = (160, 170, 184)
IRON: Colour = (84, 90, 102)
COAL: Colour = (56, 58, 68)
WOOD: Colour = (196, 138, 84)
OAK: Colour = (222, 176, 120)
WALNUT: Colour = (138, 88, 54)
RED: Colour = (218, 62, 58)
ORANGE: Colour = (240, 140, 52)
YELLOW: Colour = (248, 206, 70)
GREEN: Colour = (104, 176, 78)
LEAF: Colour = (70, 142, 74)
TEAL: Colour = (62, 164, 164)
SKY: Colour = (112, 182, 230)
BLUE: Colour = (66, 116, 204)
NAVY: Colour = (46, 66, 118)
PURPLE: Colour = (140, 98, 190)
PINK: Colour = (240, 150, 176)
GLASS: Colour = (190, 224, 236)
CREAM: Colour = (248, 232, 196)
GOLD: Colour = (236, 184, 62)


# Every icon's drawing by the name of its type, in a square of 100 × 100 units.
ICONS: dict[str, Callable[[Canvas], None]] = {}


def icon(
    *names: str,
) -> Callable[[Callable[[Canvas], None]], Callable[[Canvas], None]]:
    """Enters a drawing as the icon of these types."""

    def enter(draw: Callable[[Canvas], None]) -> Callable[[Canvas], None]:
        ICONS.update(dict.fromkeys(names, draw))
        return draw

    return enter


class Bay(NamedTuple):
    """Area of a piece of furniture for things.

    Attributes:
        left: Units.
        top: Units.
        right: Units.
        bottom: Units.
        deep: Whether things may lie one row behind another; else they stand on the bottom edge.
    """

    left: float
    top: float
    right: float
    bottom: float
    deep: bool = True


# Every place's drawing by its type: it draws furniture of this width into a canvas of the
# height PLACE_HEIGHT, open or closed, and returns where things lie.
Place = Callable[["Canvas", float, bool], list[Bay]]
PLACES: dict[str, Place] = {}
# The types that have doors or the like, and are drawn open too.
OPENABLE = frozenset({"Fridge", "Cabinet", "Drawer", "Microwave", "Safe", "Box"})
PLACE_HEIGHT = 184


def place(*names: str) -> Callable[[Place], Place]:
    """Enters a drawing as the place of these types."""

    def enter(draw: Place) -> Place:
        PLACES.update(dict.fromkeys(names, draw))
        return draw

    return enter


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour between two: `a` for a share of 0, `b` for 1."""
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def lighter(colour: Colour, share: float = 0.3) -> Colour:
    """A colour nearer to white."""
    return mix(colour, (255, 255, 255), share)


def darker(colour: Colour, share: float = 0.3) -> Colour:
    """A colour nearer to the ink of outlines."""
    return mix(colour, INK, share)


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0.0) -> list[Point]:
    """A rectangle as a polygon, its corners rounded."""
    radius = min(radius, (x1 - x0) / 2, (y1 - y0) / 2)
    if radius <= 0:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    points = []
    corners = ((x1, y0, -90), (x1, y1, 0), (x0, y1, 90), (x0, y0, 180))
    for x, y, start in corners:
        cx = x - radius if x == x1 else x + radius
        cy = y - radius if y == y1 else y + radius
        for step in range(9):
            a = math.radians(start + step * 90 / 8)
            points.append((cx + radius * math.cos(a), cy + radius * math.sin(a)))
    return points


def turned(points: Sequence[Point], degrees: float, about: Point = (50, 50)) -> list[Point]:
    """Points turned clockwise about one."""
    a = math.radians(degrees)
    c, s = math.cos(a), math.sin(a)
    ox, oy = about
    return [(ox + (x - ox) * c - (y - oy) * s, oy + (x - ox) * s + (y - oy) * c) for x, y in points]


def star(x: float, y: float, outer: float, inner: float, rays: int) -> list[Point]:
    """A star as a polygon, one ray up."""
    return [
        (
            x + (inner if step % 2 else outer) * math.sin(math.pi * step / rays),
            y - (inner if step % 2 else outer) * math.cos(math.pi * step / rays),
        )
        for step in range(2 * rays)
    ]


class Canvas:
    """A transparent picture, in units of which it is `width` × `height`.

    Args:
        width: Units across.
        height: Units down.
        pixels: Final pixels a unit.
        pen: Width of outlines, in units.
        scale: How many times larger it is drawn.
    """

    def __init__(
        self,
        width: float = 100,
        height: float = 100,
        pixels: float = 1.12,
        pen: float = 2.6,
        scale: int = 5,
    ):
        self.scale = scale
        self.width = width
        self.height = height
        self.pixels = pixels
        self.pen = pen
        self.size = (round(width * pixels), round(height * pixels))
        self.image = Image.new("RGBA", (self.size[0] * scale, self.size[1] * scale))

    def _mask(self, points: Sequence[Point], pen: float = 0.0) -> tuple[Image.Image, int, int]:
        """The coverage of a polygon, or of a line for a pen above 0, and where it lies."""
        k = self.pixels * self.scale
        placed = [(x * k, y * k) for x, y in points]
        reach = math.ceil(pen * k / 2) + 2
        left = math.floor(min(x for x, _ in placed)) - reach
        top = math.floor(min(y for _, y in placed)) - reach
        right = math.ceil(max(x for x, _ in placed)) + reach
        bottom = math.ceil(max(y for _, y in placed)) + reach
        mask = Image.new("L", (right - left, bottom - top))
        draw = ImageDraw.Draw(mask)
        local = [(x - left, y - top) for x, y in placed]
        if pen:
            draw.line(local, fill=255, width=max(1, round(pen * k)), joint="curve")
            r = pen * k / 2
            for x, y in (local[0], local[-1]):
                draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
        else:
            draw.polygon(local, fill=255)
        return mask, left, top

    def _lay(self, colour: Image.Image, mask: Image.Image, left: int, top: int) -> None:
        """Puts a colour on the picture through a mask."""
        layer = colour.convert("RGBA")
        layer.putalpha(mask)
        x, y = max(-left, 0), max(-top, 0)
        if x < layer.width and y < layer.height:
            layer = layer.crop((x, y, layer.width, layer.height))
            self.image.alpha_composite(layer, (left + x, top + y))

    def fill(
        self,
        points: Sequence[Point],
        colour: Colour,
        *,
        pen: float | None = None,
        depth: float = 1.0,
        alpha: float = 1.0,
    ) -> None:
        """Fills a polygon, lit from the upper left, and draws its outline.

        Args:
            points: The polygon.
            colour: Of its middle.
            pen: Width of the outline, the canvas's own if left out.
            depth: How strongly it is shaded; 0 is flat.
            alpha: Its opacity.
        """
        mask, left, top = self._mask(points)
        self._lay(shaded(mask.size, colour, depth), faded(mask, alpha), left, top)
        pen = self.pen if pen is None else pen
        if pen:
            self.line([*points, points[0]], darker(colour, 0.62), pen)

    def line(self, points: Sequence[Point], colour: Colour, pen: float, alpha: float = 1.0) -> None:
        """Draws an open line with round ends."""
        mask, left, top = self._mask(points, pen)
        self._lay(Image.new("RGB", mask.size, colour), faded(mask, alpha), left, top)

    def flat(self, points: Sequence[Point], colour: Colour, alpha: float = 1.0) -> None:
        """Fills a polygon with one colour, without outline."""
        mask, left, top = self._mask(points)
        self._lay(Image.new("RGB", mask.size, colour), faded(mask, alpha), left, top)

    def rect(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        colour: Colour,
        radius: float = 0.0,
        **style: float,
    ) -> None:
        """Fills a rectangle; `style` as for `fill`."""
        self.fill(box(x0, y0, x1, y1, radius), colour, **style)

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, **style: float
    ) -> None:
        """Fills an ellipse; `style` as for `fill`."""
        self.fill(circle(x, y, rx, ry), colour, **style)

    def shine(self, points: Sequence[Point], alpha: float = 0.5) -> None:
        """A reflection: a white patch."""
        self.flat(points, (255, 255, 255), alpha)

    def soft(self, points: Sequence[Point], colour: Colour, blur: float, alpha: float) -> None:
        """A patch with soft edges: a glow or a shadow, `blur` units wide."""
        k = self.pixels * self.scale
        whole = Image.new("L", self.image.size)
        ImageDraw.Draw(whole).polygon([(x * k, y * k) for x, y in points], fill=255)
        mask = whole.filter(ImageFilter.GaussianBlur(blur * k))
        self._lay(Image.new("RGB", whole.size, colour), faded(mask, alpha), 0, 0)

    def ground(self, x: float = 50, y: float = 91, rx: float = 38, ry: float = 5) -> None:
        """The shadow that something standing casts."""
        self.soft(circle(x + 2, y, rx, ry), (40, 30, 50), 1.6, 0.3)

    def reduced(self) -> Image.Image:
        """The picture at its final size, RGBA."""
        pixels = np.asarray(self.image, np.float64)
        height, width = self.size[1], self.size[0]
        tiles = pixels.reshape(height, self.scale, width, self.scale, 4)
        opacity = tiles[..., 3:].sum(axis=(1, 3))
        ink = (tiles[..., :3] * tiles[..., 3:]).sum(axis=(1, 3))
        colour = ink / np.maximum(opacity, 1e-9)
        return Image.fromarray(stepped(colour, opacity / self.scale**2), "RGBA")


def stepped(colour: NDArray[np.float64], opacity: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colour and opacity in few steps, which the eye does not see and which take less room."""
    hue = np.round(np.round(colour * 63 / 255) * 255 / 63)
    alpha = np.round(np.round(opacity * 31 / 255) * 255 / 31)
    hue[(alpha == 0)[..., 0]] = 0
    return np.concatenate([hue, alpha], axis=2).astype(np.uint8)


def faded(mask: Image.Image, alpha: float) -> Image.Image:
    """A mask of less opacity."""
    return mask if alpha >= 1 else mask.point([round(level * alpha) for level in range(256)])


def shaded(size: tuple[int, int], colour: Colour, depth: float) -> Image.Image:
    """A colour, lighter in the upper left and darker in the lower right."""
    if not depth:
        return Image.new("RGB", size, colour)
    width, height = size
    x = np.linspace(-1, 1, width)[None, :, None]
    y = np.linspace(-1, 1, height)[:, None, None]
    t = np.clip((0.45 * x + 0.55 * y) * depth, -1, 1)
    base = np.array(colour, np.float64)
    light = np.array(lighter(colour, 0.34), np.float64) - base
    dark = np.array(darker(colour, 0.3), np.float64) - base
    pixels = base + np.maximum(-t, 0) * light + np.maximum(t, 0) * dark
    return Image.fromarray(np.round(pixels).astype(np.uint8), "RGB")
