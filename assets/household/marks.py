"""Marks over icons that show the state of a thing, and the agent's own hand and mark."""

from __future__ import annotations

from card_art.canvas import circle, outline

from household import canvas as k
from household.canvas import Canvas, icon

HALO = 5.0
SKIN = (246, 206, 168)


@icon("#hot")
def hot(c: Canvas) -> None:
    """Three orange wisps of steam in the upper left corner."""
    for colour, pen in (((255, 252, 240), 12.5), ((232, 78, 32), 6.4)):
        for x, top in ((9, 10), (24, 4), (39, 10)):
            wisp = outline((x, 40), ((x - 11, 30), (x + 11, 22), (x, top)))
            c.line(wisp, colour, pen)


@icon("#cool")
def cool(c: Canvas) -> None:
    """A blue snowflake in the upper right corner."""
    x, y, r = 76, 24, 17
    for colour, pen in (((255, 255, 255), 12.5), ((40, 128, 226), 5.2)):
        for angle in range(0, 360, 60):
            for line in (
                [(x, y), (x, y - r)],
                [(x - 5.6, y - r + 1), (x, y - r + 7)],
                [(x + 5.6, y - r + 1), (x, y - r + 7)],
            ):
                c.line(k.turned(line, angle, (x, y)), colour, pen if line[0][0] == x else pen * 0.8)


@icon("#clean")
def clean(c: Canvas) -> None:
    """Two sparkles in the lower left corner."""
    for x, y, r in ((20, 75, 21), (42, 90, 10)):
        c.flat(k.star(x, y, r + HALO, (r + HALO) * 0.42, 4), (24, 92, 130))
        c.flat(k.star(x, y, r, r * 0.34, 4), (150, 255, 246))
        c.flat(k.star(x, y, r * 0.6, r * 0.22, 4), (255, 255, 255))


@icon("#on")
def on(c: Canvas) -> None:
    """A glow that is laid behind an icon."""
    c.soft(circle(50, 50, 36), (255, 222, 70), 6, 1.0)
    for angle in range(0, 360, 30):
        c.line(k.turned([(50, 8), (50, 1)], angle), (255, 200, 30), 4)


@icon("#sliced")
def sliced(c: Canvas) -> None:
    """Two clean cuts across an icon that has no drawing of its own slices."""
    for x in (36, 62):
        c.line([(x + 14, 4), (x - 14, 96)], k.INK, 7)
        c.line([(x + 14, 4), (x - 14, 96)], (255, 255, 255), 4)


@icon("#agent")
def agent(c: Canvas) -> None:
    """A red arrow head that looks up."""
    shape = [(50, 4), (90, 92), (50, 72), (10, 92)]
    c.line([*shape, shape[0]], (255, 255, 255), 16)
    c.fill(shape, (226, 46, 52), pen=5)


@icon("#hand")
def hand(c: Canvas) -> None:
    """An open hand that comes up from below, its palm to the thing that it holds."""
    c.fill([(30, 100), (34, 78), (66, 78), (70, 100)], (72, 120, 190))
    c.rect(30, 76, 70, 86, (92, 142, 212), 3)
    for x, y, angle in ((16, 34, -24), (33, 22, -9), (52, 20, 3), (70, 26, 15)):
        finger = k.box(x - 7.4, y, x + 7.4, y + 42, 7.4)
        c.fill(k.turned(finger, angle, (x, y + 40)), SKIN, pen=2.2)
    c.fill(
        outline(
            (14, 58),
            ((18, 50), (78, 46), (82, 56)),
            ((84, 70), (72, 80), (50, 80)),
            ((28, 80), (14, 72), (14, 58)),
        ),
        SKIN,
        pen=2.2,
    )
    c.flat(circle(48, 58, 31, 10), SKIN)
    c.fill(k.turned(k.box(82, 36, 96, 70, 7), 34, (86, 66)), SKIN, pen=2.2)
    c.flat(circle(78, 66, 9, 8), SKIN)
    c.line(outline((30, 70), ((40, 60), (56, 60), (68, 66))), k.darker(SKIN, 0.22), 2)
