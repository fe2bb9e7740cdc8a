"""Places to sit, sleep, wash and throw away; small holders and machines; and the rooms' walls."""

from __future__ import annotations

from card_art.canvas import Colour, circle, outline

from household import canvas as k
from household.canvas import Bay, Canvas, place

# A room's wall, the skirting, its floor, and the lines on both.
ROOMS: dict[str, tuple[Colour, Colour, Colour]] = {
    "kitchen": ((250, 240, 214), (232, 216, 180), (222, 194, 152)),
    "living": ((214, 228, 220), (240, 240, 232), (196, 154, 110)),
    "bedroom": ((224, 218, 238), (244, 242, 246), (206, 170, 132)),
    "bathroom": ((206, 230, 238), (236, 246, 248), (186, 204, 212)),
}
FLOOR_LINE = 128.0


def draw_room(c: Canvas, w: float, room: str) -> None:
    """A wall and a floor, which fill the canvas."""
    wall, skirting, floor = ROOMS[room]
    c.rect(-2, -2, w + 2, FLOOR_LINE, wall, pen=0, depth=0.25)
    if room == "bathroom":
        for y in range(8, 128, 20):
            c.line([(0, y), (w, y)], k.darker(wall, 0.07), 1)
        for x in range(10, int(w), 20):
            c.line([(x, 0), (x, FLOOR_LINE)], k.darker(wall, 0.07), 1)
    else:
        for x in range(10, int(w), 24):
            c.line([(x, 0), (x, FLOOR_LINE)], k.darker(wall, 0.05), 5)
    c.rect(-2, FLOOR_LINE, w + 2, 190, floor, pen=0, depth=0.4)
    c.rect(-4, FLOOR_LINE - 7, w + 4, FLOOR_LINE, skirting, pen=1.2)
    for y in (137, 150, 167):
        c.line([(0, y), (w, y)], k.darker(floor, 0.14), 1)
    for i in range(-6, 7):
        c.line(
            [(w / 2 + i * w * 0.08, FLOOR_LINE), (w / 2 + i * w / 9, 186)], k.darker(floor, 0.1), 1
        )


@place("Bed")
def bed(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A bed seen from its foot: the headboard behind, a blue blanket in front."""
    c.rect(8, 26, w - 8, 110, (178, 122, 76), 12)
    c.rect(18, 36, w - 18, 100, (200, 144, 92), 8, pen=1.8)
    c.fill([(14, 70), (w - 14, 70), (w - 4, 156), (4, 156)], (250, 248, 242), depth=0.5)
    c.fill([(9.5, 96), (w - 9.5, 96), (w - 2, 158), (2, 158)], (104, 146, 214), depth=0.6)
    c.fill([(9.5, 94), (w - 9.5, 94), (w - 8, 106), (8, 106)], (206, 222, 246), pen=1.4)
    c.rect(2, 156, w - 2, 180, (84, 126, 198), 3)
    for i in range(1, 6):
        c.line([(w * i / 6, 110), (w * i / 6 + (i - 3) * 2, 176)], (84, 124, 192), 1.6)
    for x in (6, w - 18):
        c.rect(x, 178, x + 12, 190, k.WALNUT, 1)
    return [Bay(14, 34, w - 14, 152)]


def seat(c: Canvas, w: float, m: float, cloth: Colour, cushions: int) -> list[Bay]:
    """A stuffed seat between `m` and `w - m`, with this many cushions."""
    for x in (m + 10, w - m - 22):
        c.rect(x, 168, x + 12, 186, k.WALNUT, 1)
    arm = min(34, (w - 2 * m) * 0.14)
    c.rect(m + 8, 34, w - m - 8, 130, cloth, 18)
    left, right = m + arm, w - m - arm
    step = (right - left) / cushions
    for i in range(cushions):
        if i:
            c.line([(left + i * step, 40), (left + i * step, 92)], k.darker(cloth, 0.45), 1.8)
        x0, x1 = left + i * step, left + (i + 1) * step
        c.fill(
            [(x0 + 3, 90), (x1 - 3, 90), (x1, 144), (x0, 144)], k.lighter(cloth, 0.26), depth=0.7
        )
        c.rect(x0, 143, x1, 154, k.lighter(cloth, 0.06), 3, pen=1.8)
    c.rect(m + 8, 152, w - m - 8, 174, cloth, 4)
    for x in (m, w - m - arm):
        c.rect(x, 80, x + arm, 174, k.darker(cloth, 0.12), 13)
    return [Bay(left + 4, 42, right - 4, 141)]


@place("ArmChair")
def arm_chair(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A teal armchair."""
    return seat(c, w, max(3, (w - 200) / 2), (72, 150, 158), 1)


@place("Sofa")
def sofa(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A red sofa with two cushions."""
    return seat(c, w, 3, (206, 92, 84), 2 if w < 200 else 3)


@place("Ottoman")
def ottoman(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A quilted pouf."""
    cloth = (170, 104, 158)
    m = max(6, (w - 230) / 2)
    for x in (m + 14, w - m - 26):
        c.rect(x, 170, x + 12, 186, k.WALNUT, 1)
    c.rect(m + 4, 128, w - m - 4, 174, cloth, 5)
    c.fill(k.box(m, 60, w - m, 140, 26), k.lighter(cloth, 0.28), depth=0.8)
    for i in range(1, 5):
        x = m + (w - 2 * m) * i / 5
        c.line([(x, 142), (x, 172)], k.darker(cloth, 0.3), 1.8)
        for y in (82, 112):
            c.flat(circle(x, y, 2.2, 1.6), k.darker(cloth, 0.45))
    return [Bay(m + 14, 32, w - m - 14, 132)]


@place("SinkBasin", "Sink")
def sink_basin(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """An empty steel basin, let into a counter, under a tap that is off."""
    c.fill([(-4, 62), (w + 4, 62), (w + 4, 184), (-4, 184)], (226, 220, 206), depth=0.4)
    c.rect(-4, 176, w + 4, 190, (196, 188, 172), pen=1.8)
    a, b = w * 0.05, w * 0.95
    c.rect(a, 72, b, 172, k.CHROME, 16)
    c.rect(a + 9, 80, b - 9, 164, (150, 172, 188), 12, depth=-0.8, pen=1.8)
    c.rect(a + 19, 94, b - 19, 156, (176, 188, 202), 10, pen=0, depth=-0.7)
    c.oval(w / 2, 128, 10, 5.6, k.STEEL, pen=1.4)
    c.oval(w / 2, 128, 5.4, 2.8, k.COAL, pen=0)
    pipe = outline((w / 2, 72), ((w / 2, 44),), ((w / 2, 24), (w / 2 + 34, 24), (w / 2 + 34, 50)))
    c.line(pipe, k.darker(k.CHROME, 0.62), 13)
    c.line(pipe, k.lighter(k.CHROME, 0.2), 8.6)
    for x in (w / 2 - 30, w / 2 + 22):
        c.rect(x, 60, x + 14, 70, k.CHROME, 4, pen=1.8)
    return [Bay(a + 16, 66, b - 16, 160)]


@place("BathtubBasin", "Bathtub")
def bathtub_basin(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A long empty white bathtub on claw feet."""
    for x in (w * 0.12, w * 0.88):
        c.oval(x, 178, 9, 9, k.GOLD)
    pipe = outline((w - 24, 66), ((w - 24, 38),), ((w - 24, 24), (w - 56, 24), (w - 56, 42)))
    c.line(pipe, k.darker(k.CHROME, 0.62), 11)
    c.line(pipe, k.CHROME, 7)
    c.fill([(w - 66, 40), (w - 46, 40), (w - 40, 50), (w - 72, 50)], k.CHROME, pen=2)
    c.fill(
        outline(
            (2, 92),
            ((4, 168), (24, 178), (40, 180)),
            ((w - 40, 180),),
            ((w - 24, 178), (w - 4, 168), (w - 2, 92)),
        ),
        k.WHITE,
        depth=0.8,
    )
    c.rect(2, 58, w - 2, 156, k.WHITE, 34, depth=0.4)
    c.rect(13, 67, w - 13, 148, (206, 216, 226), 28, depth=-0.8, pen=1.8)
    c.rect(28, 90, w - 28, 142, (232, 238, 242), 22, pen=0, depth=-0.5)
    c.oval(w - 50, 128, 8, 4.4, k.STEEL, pen=1.4)
    c.oval(w - 50, 128, 4, 2, k.COAL, pen=0)
    return [Bay(22, 48, w - 22, 144)]


@place("Toilet")
def toilet(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A toilet: things stand on the wide lid of the cistern."""
    half = min(110, w * 0.46)
    m = w / 2
    c.rect(m - half + 8, 88, m + half - 8, 138, k.WHITE, 8)
    c.fill(
        [(m - half + 10, 66), (m + half - 10, 66), (m + half, 84), (m - half, 84)],
        (252, 252, 250),
        depth=0.4,
    )
    c.rect(m - half, 84, m + half, 96, k.WHITE, 4)
    c.rect(m + half - 40, 104, m + half - 22, 111, k.CHROME, 3, pen=1.6)
    c.fill([(m - 26, 160), (m + 26, 160), (m + 32, 190), (m - 32, 190)], k.WHITE)
    c.fill(
        outline(
            (m - 58, 146),
            ((m - 54, 184), (m - 20, 184), (m, 184)),
            ((m + 20, 184), (m + 54, 184), (m + 58, 146)),
        ),
        k.WHITE,
    )
    c.oval(m, 145, 58, 22, (238, 242, 244))
    c.oval(m, 146, 40, 13, (124, 188, 222), pen=1.8)
    return [Bay(m - half + 8, 24, m + half - 8, 81)]


def bin_(c: Canvas, w: float, colour: Colour) -> tuple[float, float, float]:
    """A large open vessel seen from above: its dark inside, and the front down to the floor."""
    m, rx = w / 2, min(122, w * 0.47)
    c.fill([(m - rx, 96), (m + rx, 96), (m + rx * 0.82, 186), (m - rx * 0.82, 186)], colour)
    c.oval(m, 92, rx, 50, k.lighter(colour, 0.2))
    c.oval(m, 92, rx - 9, 43, k.darker(colour, 0.66), pen=1.8, depth=-0.5)
    return m, rx, 134.0


@place("GarbageCan")
def garbage_can(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A ribbed dustbin without its lid."""
    m, rx, _ = bin_(c, w, (122, 146, 140))
    for i in range(-3, 4):
        x = m + i * rx * 0.26
        c.line([(x, 146 - abs(i) * 4), (m + (x - m) * 0.88, 182)], (76, 98, 94), 5)
    return [Bay(m - rx * 0.86, 40, m + rx * 0.86, 130)]


@place("LaundryHamper")
def laundry_hamper(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A wicker basket without its lid."""
    weave = (214, 170, 110)
    m, rx, _ = bin_(c, w, weave)
    for row in range(3):
        y = 148 + row * 14
        c.line(
            outline(
                (m - rx * (0.9 - row * 0.03), y - 14),
                ((m - rx * 0.5, y), (m + rx * 0.5, y), (m + rx * (0.9 - row * 0.03), y - 14)),
            ),
            (160, 116, 66),
            2,
        )
    for i in range(-4, 5):
        x = m + i * rx * 0.2
        c.line([(x, 143 - abs(i) * 3), (m + (x - m) * 0.88, 184)], (160, 116, 66), 2)
    return [Bay(m - rx * 0.86, 40, m + rx * 0.86, 130)]


@place("HandTowelHolder")
def hand_towel_holder(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A chrome ring on the wall; what hangs there is drawn inside it."""
    m, half = w / 2, min(88, w * 0.44)
    c.rect(m - 18, 22, m + 18, 48, k.CHROME, 8)
    ring = circle(m, 92, half, 56)
    c.line([(x + 3, y + 5) for x, y in [*ring, ring[0]]], k.darker(k.STEEL, 0.2), 7, 0.25)
    c.line([*ring, ring[0]], k.darker(k.CHROME, 0.62), 13)
    c.line([*ring, ring[0]], k.lighter(k.CHROME, 0.3), 8.6)
    return [Bay(m - half * 0.72, 66, m + half * 0.72, 150, False)]


@place("TowelHolder")
def towel_holder(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A chrome bar on the wall; what hangs there is drawn below it."""
    c.soft([(16, 52), (w - 10, 52), (w - 10, 60), (16, 60)], (40, 30, 50), 3, 0.35)
    for x in (6, w - 30):
        c.rect(x, 28, x + 24, 62, k.CHROME, 7)
    c.rect(16, 40, w - 16, 50, k.lighter(k.CHROME, 0.35), 5)
    return [Bay(34, 44, w - 34, 102, False)]


@place("ToiletPaperHanger")
def toilet_paper_hanger(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A chrome arm under a flap on the wall; the roll is drawn below it."""
    m, half = w / 2, min(80, w * 0.42)
    c.soft(k.box(m - half, 60, m + half, 70), (40, 30, 50), 4, 0.35)
    c.fill(outline((m - half, 58), ((m - half, 20), (m + half, 20), (m + half, 58))), k.CHROME)
    c.shine(
        [(m - half * 0.6, 52), (m - half * 0.4, 36), (m - half * 0.2, 33), (m - half * 0.4, 52)],
        0.6,
    )
    for x in (m - half, m + half - 12):
        c.rect(x, 52, x + 12, 86, k.STEEL, 4)
    c.rect(m - half + 4, 74, m + half - 4, 83, k.lighter(k.CHROME, 0.3), 4)
    return [Bay(m - half + 14, 62, m + half - 14, 128, False)]


@place("PaintingHanger")
def painting_hanger(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A bare hook on a rail; a picture hangs below it."""
    m, half = w / 2, min(110, w * 0.45)
    c.soft([(10, 38), (w - 10, 38), (w - 10, 44), (10, 44)], (40, 30, 50), 2.4, 0.3)
    c.rect(4, 26, w - 4, 38, k.WALNUT, 4)
    c.rect(m - 9, 22, m + 9, 50, k.GOLD, 4, pen=1.8)
    hook = outline((m, 44), ((m, 54),), ((m, 66), (m + 16, 66), (m + 16, 54)))
    c.line(hook, k.darker(k.GOLD, 0.62), 8)
    c.line(hook, k.GOLD, 4.6)
    return [Bay(m - half + 8, 70, m + half - 8, 168)]


@place("CoffeeMachine")
def coffee_machine(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A large coffee machine that is off: a mug stands on its grid under the spouts."""
    c.rect(0, 166, w, 190, (150, 162, 176), pen=1.6, depth=0.3)
    m, half = w / 2, min(104, w * 0.46)
    c.rect(m - half, 22, m + half, 172, (70, 74, 88), 8)
    c.rect(m - half + 14, 68, m + half - 14, 158, (42, 42, 52), 4, pen=1.8, depth=-0.5)
    c.rect(m - half + 12, 32, m - 8, 52, (44, 54, 56), 3, pen=1.6)
    for i in range(3):
        c.oval(m + 14 + i * 24 * half / 104, 42, 7, 7, k.STEEL, pen=1.6)
    c.fill([(m - 26, 62), (m + 26, 62), (m + 18, 76), (m - 18, 76)], k.STEEL)
    for x in (m - 9, m + 9):
        c.rect(x - 3, 74, x + 3, 82, k.CHROME, 1, pen=1.4)
    c.rect(m - half + 8, 154, m + half - 8, 166, k.STEEL, 3)
    for i in range(1, 12):
        x = m - half + 8 + i * (half - 8) / 6
        c.line([(x, 157), (x, 163)], k.IRON, 1.8)
    return [Bay(m - half + 20, 82, m + half - 20, 156, False)]


@place("Toaster")
def toaster(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A red toaster: its slots lie behind each other on the top."""
    c.rect(0, 168, w, 190, (150, 162, 176), pen=1.6, depth=0.3)
    m, half = w / 2, min(112, w * 0.46)
    c.fill(
        outline(
            (m - half, 170),
            ((m - half - 4, 120), (m - half, 92), (m - half + 30, 90)),
            ((m + half - 30, 90),),
            ((m + half, 92), (m + half + 4, 120), (m + half, 170)),
        ),
        (206, 84, 78),
    )
    c.fill(k.box(m - half + 18, 74, m + half - 18, 102, 9), (226, 120, 112), depth=0.5)
    for y in (80, 91):
        c.rect(m - half + 34, y, m + half - 34, y + 6, (60, 34, 38), 3, pen=1.2)
    c.rect(m + half - 8, 112, m + half + 8, 122, k.COAL, 3)
    c.oval(m - half + 30, 142, 11, 11, k.CHROME, pen=1.8)
    c.line([(m - half + 30, 142), (m - half + 34, 134)], k.RED, 3)
    c.rect(m - half - 2, 164, m + half + 2, 176, k.COAL, 4)
    return [Bay(m - half + 30, 26, m + half - 30, 92, False)]
