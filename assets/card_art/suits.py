"""The four suit symbols."""

from __future__ import annotations

from card_art.canvas import Canvas, Colour, Point, circle, mirrored, outline

STEM = outline((0, 0.0), ((0.06, 0.62), (0.18, 0.86), (0.46, 1.0)))


def symbol(suit: str) -> list[list[Point]]:
    """The polygons of a suit symbol in the square from (-1, -1) to (1, 1), its stem last."""
    if suit == "D":
        side = outline((0, -1), ((0.3, -0.46), (0.82, 0)), ((0.3, 0.46), (0, 1)))
        return [mirrored(side, 0)]
    if suit == "H":
        side = outline(
            (0, -0.56),
            ((0.1, -0.86), (0.3, -1), (0.52, -1)),
            ((0.82, -1), (1, -0.74), (1, -0.42)),
            ((1, 0.12), (0.3, 0.44), (0, 1)),
        )
        return [mirrored(side, 0)]
    stem = mirrored(STEM, 0)
    if suit == "S":
        side = outline(
            (0, -1),
            ((0.24, -0.5), (0.98, -0.22), (0.98, 0.28)),
            ((0.98, 0.58), (0.76, 0.74), (0.52, 0.74)),
            ((0.3, 0.74), (0.1, 0.6), (0, 0.36)),
        )
        return [mirrored(side, 0), stem]
    heart = [(-0.3, -0.2), (0.3, -0.2), (0.3, 0.3), (-0.3, 0.3)]
    leaves = [circle(0, -0.53, 0.46), circle(-0.53, 0.2, 0.46), circle(0.53, 0.2, 0.46)]
    return [*leaves, heart, stem]


def draw_symbol(
    canvas: Canvas,
    suit: str,
    centre: Point,
    size: Point,
    colour: Colour | None = None,
    *,
    upside_down: bool = False,
    stem: bool = True,
) -> None:
    """Draws a suit symbol of this width and height around `centre`."""
    sign = -0.5 if upside_down else 0.5
    polygons = symbol(suit)
    if suit in "CS" and not stem:
        polygons = polygons[:-1]
    for polygon in polygons:
        placed = [
            (centre[0] + x * size[0] * 0.5, centre[1] + y * size[1] * sign) for x, y in polygon
        ]
        canvas.fill(placed, colour or canvas.inks[suit])
