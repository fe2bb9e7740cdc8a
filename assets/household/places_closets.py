"""Places with doors: seen closed, or open with what is inside."""

from __future__ import annotations

from card_art.canvas import Colour, circle

from household import canvas as k
from household.canvas import Bay, Canvas, place


def hollow(c: Canvas, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    """The inside of a box: a back wall, and the shadow of the front edge on it."""
    c.rect(x0, y0, x1, y1, colour, 2, pen=1.8, depth=0.4)
    c.soft([(x0, y0), (x1, y0), (x1, y0 + 7), (x0, y0 + 7)], (30, 20, 40), 2.4, 0.28)
    c.soft([(x0, y0), (x0 + 4, y0), (x0 + 4, y1), (x0, y1)], (30, 20, 40), 2, 0.2)


@place("Cabinet")
def cabinet(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A wooden cupboard: two panelled doors, or two boards between doors that stand open."""
    c.rect(4, 22, w - 4, 180, (150, 98, 60), 3)
    if not is_open:
        for x0, x1 in ((10, w / 2 - 1.5), (w / 2 + 1.5, w - 10)):
            c.rect(x0, 28, x1, 174, k.WOOD, 2)
            c.rect(x0 + 12, 40, x1 - 12, 162, (212, 158, 102), 2, pen=1.8)
        for x in (w / 2 - 8, w / 2 + 8):
            c.rect(x - 3, 90, x + 3, 114, k.GOLD, 3, pen=1.6)
        return []
    a = w * 0.09
    hollow(c, a, 27, w - a, 175, (250, 232, 202))
    for side in (0, 1):
        edge = [(a, 27), (2, 16), (2, 184), (a, 175)]
        inner = [(a - 4, 38), (7, 32), (7, 168), (a - 4, 163)]
        for points, colour in ((edge, k.WOOD), (inner, (212, 158, 102))):
            c.fill([(w - x, y) if side else (x, y) for x, y in points], colour, pen=1.8)
    c.rect(a, 96, w - a, 104, k.WOOD, pen=1.6)
    return [Bay(a + 5, top, w - a - 5, top + 65, False) for top in (30, 108)]


@place("Drawer")
def drawer(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """One wide drawer in a chest: its front, or pulled out and seen from above."""
    body = (150, 98, 60)
    c.rect(2, 22, w - 2, 184, body, 3)
    if not is_open:
        for y in (28, 140):
            c.rect(12, y, w - 12, y + 38, k.darker(k.WOOD, 0.25), 2, pen=1.6)
        c.rect(8, 70, w - 8, 136, k.WOOD, 3)
        c.rect(18, 80, w - 18, 126, (212, 158, 102), 2, pen=1.6)
        c.rect(w / 2 - 28, 98, w / 2 + 28, 108, k.GOLD, 5, pen=2)
        return []
    c.rect(10, 26, w - 10, 60, (64, 44, 42), 2, pen=1.6)
    c.fill([(14, 38), (w - 14, 38), (w - 4, 150), (4, 150)], (232, 196, 146))
    c.fill([(22, 44), (w - 22, 44), (w - 14, 144), (14, 144)], (250, 230, 196), pen=1.6, depth=-0.5)
    c.soft([(22, 44), (w - 22, 44), (w - 21, 54), (21, 54)], (30, 20, 40), 2.4, 0.3)
    c.rect(2, 148, w - 2, 184, k.WOOD, 3)
    c.rect(w / 2 - 28, 161, w / 2 + 28, 171, k.GOLD, 5, pen=2)
    return [Bay(22, 44, w - 22, 142)]


@place("Fridge")
def fridge(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A tall steel fridge: its two doors, or three lit glass shelves next to the open door."""
    steel = (214, 222, 230)
    if not is_open:
        half = min(86, w * 0.4)
        m = w / 2
        c.rect(m - half, 20, m + half, 182, steel, 7, depth=0.7)
        c.line([(m - half + 1, 72), (m + half - 1, 72)], k.darker(k.STEEL, 0.5), 2.6)
        c.rect(m - half + 12, 36, m - half + 20, 66, k.IRON, 4, pen=1.6)
        c.rect(m - half + 12, 80, m - half + 20, 134, k.IRON, 4, pen=1.6)
        c.rect(m + half - 40, 34, m + half - 14, 42, k.CHROME, 2, pen=1.4)
        for y in (174,):
            c.line([(m - half + 10, y), (m + half - 10, y)], k.STEEL, 3)
        return []
    b = w * 0.8
    c.rect(3, 20, b, 183, steel, 5)
    hollow(c, 10, 26, b - 5, 177, (228, 244, 252))
    c.soft(circle(b / 2, 30, b * 0.3, 6), (255, 255, 255), 4, 0.9)
    c.fill([(b, 22), (w - 2, 12), (w - 2, 186), (b, 182)], (196, 206, 216))
    for y in (52, 104, 152):
        c.fill(
            [(b + 4, y), (w - 7, y - 3), (w - 7, y + 17), (b + 4, y + 16)], (228, 244, 252), pen=1.6
        )
    for y in (74, 123):
        c.rect(10, y, b - 5, y + 5, (150, 200, 222), pen=1.2)
    c.rect(10, 173, b - 5, 178, (150, 200, 222), pen=1.2)
    return [Bay(14, top, b - 9, top + 44, False) for top in (29, 78, 127)]


@place("Microwave")
def microwave(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A microwave oven that is off: a dark window, or an empty inside and the door aside."""
    shell = (206, 211, 219)
    c.rect(0, 164, w, 190, (150, 162, 176), pen=1.6, depth=0.3)
    c.soft(circle(w / 2, 166, w * 0.46, 5), (40, 30, 50), 3, 0.4)
    a, b = w * 0.04, w * 0.96
    c.rect(a, 30, b, 164, shell, 7)
    split = w * 0.76
    if is_open:
        hollow(c, a + 8, 40, split - 4, 155, (255, 246, 216))
        c.line([(a + 16, 147), (split - 10, 147)], (214, 198, 160), 2)
        c.fill([(a + 8, 40), (0, 34), (0, 170), (a + 8, 156)], k.darker(shell, 0.3), pen=1.8)
    else:
        c.rect(a + 8, 40, split - 4, 155, (74, 78, 92), 5)
        c.rect(a + 20, 52, split - 24, 143, (46, 48, 60), 4, pen=1.4, depth=-0.5)
        c.shine([(w * 0.2, 143), (w * 0.36, 52), (w * 0.44, 52), (w * 0.28, 143)], 0.14)
        c.rect(split - 18, 58, split - 11, 137, k.CHROME, 3, pen=1.6)
    c.rect(split + 4, 44, b - 6, 62, (38, 54, 50), 2, pen=1.2)
    for i in range(9):
        step = (b - split - 10) / 3
        x, y = split + 4 + i % 3 * step + step / 2, 76 + i // 3 * 16
        c.oval(x, y, min(5, step * 0.4), 5, k.IRON, pen=1)
    c.rect(split + 6, 132, b - 8, 150, k.STEEL, 4, pen=1.6)
    return [Bay(a + 14, 46, split - 10, 149, False)] if is_open else []


@place("Safe")
def safe(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A steel safe: a door with wheel and keypad, or a velvet inside and the thick door aside."""
    steel = (104, 116, 134)
    for x in (w * 0.1, w * 0.9 - 22):
        c.rect(x, 172, x + 22, 186, k.COAL, 2)
    c.rect(w * 0.05, 22, w * 0.95, 176, steel, 6)
    if not is_open:
        c.rect(w * 0.12, 34, w * 0.88, 164, (128, 142, 160), 4)
        for y in (58, 140):
            c.rect(w * 0.07, y - 12, w * 0.13, y + 12, k.IRON, 2, pen=1.8)
        m, r = w * 0.46, min(38, w * 0.2)
        c.oval(m, 99, r, r, k.CHROME)
        for angle in (0, 60, 120):
            c.line(k.turned([(m, 99 - r * 1.12), (m, 99 + r * 1.12)], angle, (m, 99)), k.IRON, 6)
        c.oval(m, 99, r * 0.36, r * 0.36, k.GOLD)
        x0 = w * 0.72
        for i in range(6):
            c.rect(
                x0 + i % 2 * w * 0.06,
                78 + i // 2 * 14,
                x0 + i % 2 * w * 0.06 + w * 0.045,
                88 + i // 2 * 14,
                k.COAL,
                1,
                pen=0.8,
            )
        return []
    hollow(c, w * 0.11, 32, w * 0.75, 166, (150, 60, 84))
    c.fill([(w * 0.78, 28), (w - 2, 14), (w - 2, 186), (w * 0.78, 170)], (128, 142, 160))
    c.fill([(w * 0.82, 40), (w - 10, 32), (w - 10, 166), (w * 0.82, 158)], steel, pen=1.8)
    for y in (62, 100, 138):
        c.rect(w * 0.76, y - 5, w * 0.81, y + 5, k.CHROME, 2, pen=1.6)
    return [Bay(w * 0.13, 40, w * 0.73, 163, False)]
