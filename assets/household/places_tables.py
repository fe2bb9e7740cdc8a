"""Places with an open top: counters, tables, chests, shelves."""

from __future__ import annotations

from card_art.canvas import Colour, Point, circle

from household import canvas as k
from household.canvas import Bay, Canvas, place

# Where the front edge of a top lies, and the far edge.
FRONT = 146.0
BACK = 57.0


def board(
    c: Canvas,
    w: float,
    colour: Colour,
    *,
    inset: float = 22,
    edge: float = 9,
    margin: float = 4,
    back: float = BACK,
    front: float = FRONT,
) -> None:
    """A top seen from above, its far edge shorter by `inset` a side, and its front edge."""
    left, right = margin, w - margin
    c.fill(
        [(left + inset, back), (right - inset, back), (right, front), (left, front)],
        colour,
        depth=0.7,
    )
    c.rect(left, front, right, front + edge, k.darker(colour, 0.14), 1.5)


def grain(c: Canvas, w: float, colour: Colour, lines: list[float], inset: float = 22) -> None:
    """Lines in the wood of a top, at these heights."""
    for y in lines:
        t = (FRONT - y) / (FRONT - BACK) * inset
        c.line([(12 + t, y), (w - 12 - t, y)], k.darker(colour, 0.16), 1.0, 0.7)


def drawers(
    c: Canvas,
    x0: float,
    x1: float,
    top: float,
    rows: int,
    columns: int,
    height: float,
    colour: Colour,
) -> None:
    """A front of equal drawers with brass handles."""
    step = (x1 - x0) / columns
    for row in range(rows):
        for column in range(columns):
            x, y = x0 + column * step + 2, top + row * height + 2
            c.rect(x, y, x + step - 4, y + height - 4, colour, 2, pen=1.6)
            middle = x + step / 2 - 2
            c.rect(middle - 9, y + height / 2 - 4, middle + 9, y + height / 2, k.GOLD, 2, pen=1)


@place("CounterTop")
def counter_top(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A stone counter over white cupboards, tiles on the wall behind it."""
    c.rect(0, 18, w, BACK + 2, (214, 226, 226), pen=0, depth=0.3)
    for row in range(3):
        y = 18 + row * 13
        c.line([(0, y), (w, y)], (188, 204, 206), 1.2)
        for column in range(-1, int(w / 26) + 1):
            x = column * 26 + 13 * (row % 2) + 6
            c.line([(x, y), (x, y + 13)], (188, 204, 206), 1.2)
    c.fill([(-4, BACK), (w + 4, BACK), (w + 4, FRONT), (-4, FRONT)], (150, 162, 176), depth=0.6)
    for i in range(int(w * 0.5)):
        speck = circle((i * 61.8) % w, BACK + 4 + (i * 37.7) % (FRONT - BACK - 8), 1.1, 0.7)
        c.flat(speck, (188, 198, 208) if i % 2 else (122, 134, 150))
    c.rect(-4, FRONT, w + 4, FRONT + 9, (118, 130, 146), pen=1.8)
    c.rect(-4, 155, w + 4, 190, (240, 236, 226), pen=1.4, depth=0.4)
    n = max(2, round(w / 75))
    for i in range(n):
        left, right = i * w / n, (i + 1) * w / n
        middle = (left + right) / 2
        c.rect(left + 5, 160, right - 5, 190, k.WHITE, 2, pen=1.6)
        c.rect(middle - 10, 164, middle + 10, 168, k.STEEL, 2, pen=1)
    return [Bay(6, 24, w - 6, FRONT - 3)]


@place("DiningTable")
def dining_table(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A large bare table of planks on four legs."""
    for x in (24.0, w - 36):
        c.rect(x, 120, x + 10, 166, k.darker(k.WALNUT, 0.3), 1)
    for x in (10.0, w - 24):
        c.rect(x, 150, x + 14, 190, k.WALNUT, 1)
    board(c, w, (206, 146, 92))
    for i in range(1, 5):
        far, near = 26 + (w - 52) * i / 5, 4 + (w - 8) * i / 5
        c.line([(far, BACK + 1), (near, FRONT - 1)], k.darker((206, 146, 92), 0.3), 1.4)
    grain(c, w, (206, 146, 92), [74, 98, 122])
    return [Bay(14, 26, w - 14, FRONT - 4)]


@place("CoffeeTable")
def coffee_table(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A low oval table with a glass plate, on a rug."""
    c.oval(w / 2, 166, w * 0.49, 22, (206, 120, 110), pen=1.8)
    c.oval(w / 2, 166, w * 0.43, 17, (236, 196, 150), pen=1.2)
    for x in (0.2, 0.8):
        c.rect(w * x - 6, 130, w * x + 6, 172, k.WALNUT, 2)
    c.oval(w / 2, 115, w * 0.485, 43, k.WOOD)
    c.oval(w / 2, 108, w * 0.485, 43, k.OAK)
    c.oval(w / 2, 108, w * 0.43, 36, (186, 218, 222), pen=1.6, depth=0.6)
    c.shine([(w * 0.3, 132), (w * 0.42, 84), (w * 0.47, 84), (w * 0.35, 132)], 0.25)
    return [Bay(w * 0.1, 40, w * 0.9, 138)]


@place("SideTable")
def side_table(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A small table with one drawer on long thin legs."""
    m = max(6, (w - 210) / 2)
    for x in (m + 8, w - m - 18):
        c.rect(x, 150, x + 10, 190, k.WALNUT, 1)
    c.rect(m + 4, 150, w - m - 4, 178, k.WALNUT, 2)
    c.rect(m + 24, 155, w - m - 24, 174, k.WOOD, 2, pen=1.8)
    c.oval(w / 2, 164.5, 4, 4, k.GOLD, pen=1.4)
    board(c, w, (226, 182, 126), inset=16, margin=m, edge=7)
    return [Bay(m + 8, 26, w - m - 8, FRONT - 4)]


@place("Desk")
def desk(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A writing desk: a bare top with an inlaid border, a drawer right, room for legs left."""
    c.rect(8, 152, w * 0.56, 190, (70, 50, 44), pen=1.4)
    c.rect(4, 152, 16, 190, k.WALNUT, 1)
    c.rect(w * 0.56, 152, w - 4, 190, k.WALNUT, 1)
    drawers(c, w * 0.58, w - 8, 156, 1, 1, 26, k.WOOD)
    board(c, w, (176, 116, 72), inset=14)
    border = [(26, 66), (w - 26, 66), (w - 18, 137), (18, 137), (26, 66)]
    c.line(border, (128, 80, 50), 2.4)
    c.line([(x, y + 1.6) for x, y in border], (206, 150, 100), 1.2)
    return [Bay(12, 26, w - 12, FRONT - 4)]


@place("Dresser")
def dresser(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A chest with two columns of drawers."""
    c.rect(8, 120, w - 8, 190, (150, 96, 60), 2)
    drawers(c, 10, w - 10, 124, 3, 2, 22, (178, 120, 76))
    c.fill([(24, 52), (w - 24, 52), (w - 4, 112), (4, 112)], (196, 138, 88), depth=0.7)
    c.rect(4, 112, w - 4, 121, (168, 112, 68), 1.5)
    return [Bay(10, 24, w - 10, 108)]


@place("TVStand")
def tv_stand(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A long low board with an open, empty compartment between two doors."""
    c.rect(6, 140, w - 6, 190, (82, 70, 76), 2)
    a, b = w * 0.34, w * 0.66
    c.rect(a, 145, b, 184, (40, 34, 42), 1, pen=1.2, depth=-0.6)
    for x0, x1 in ((11, a - 5), (b + 5, w - 11)):
        c.rect(x0, 145, x1, 184, (104, 90, 96), 2, pen=1.6)
    c.fill([(26, 62), (w - 26, 62), (w - 3, 132), (3, 132)], (112, 98, 104), depth=0.7)
    c.rect(3, 132, w - 3, 141, (88, 76, 82), 1.5)
    c.oval(w / 2, 68, 7, 2.6, (46, 40, 48), pen=1)
    return [Bay(10, 26, w - 10, 128)]


@place("Cart")
def cart(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A serving cart: two decks between steel posts, on wheels."""
    for x in (14, w - 22):
        c.rect(x, 40, x + 8, 172, k.STEEL, 2)
    c.line([(w - 18, 44), (w - 18, 30), (w - 2, 30)], k.darker(k.STEEL, 0.5), 6)
    for y in (92, 160):
        c.fill([(18, y - 10), (w - 18, y - 10), (w - 6, y), (6, y)], (104, 190, 190), depth=0.5)
        c.rect(6, y, w - 6, y + 9, k.TEAL, 3)
    for x in (18, w - 18):
        c.oval(x, 176, 8, 8, k.COAL)
        c.oval(x, 176, 3, 3, k.CHROME, pen=0)
    return [Bay(24, top, w - 24, top + 56, False) for top in (35, 103)]


@place("Shelf")
def shelf(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """Two wooden boards on iron brackets on the wall."""
    for y in (92, 164):
        c.soft([(6, y + 10), (w - 6, y + 10), (w - 6, y + 18), (6, y + 18)], (40, 30, 50), 3, 0.3)
        for x in (22, w - 34):
            c.fill(
                [(x, y), (x + 12, y), (x + 12, y + 5), (x + 5, y + 17), (x, y + 17)],
                k.IRON,
                pen=1.8,
            )
        c.fill([(10, y - 9), (w - 10, y - 9), (w - 3, y), (3, y)], (222, 172, 116), depth=0.5)
        c.rect(3, y, w - 3, y + 8, (188, 132, 80), 1.5)
    return [Bay(10, top, w - 10, top + 58, False) for top in (32, 104)]


@place("StoveBurner")
def stove_burner(c: Canvas, w: float, is_open: bool) -> list[Bay]:
    """A black hob: a burner that is off under an iron grate, its knobs turned to off."""
    c.fill([(26, 66), (w - 26, 66), (w + 4, 150), (-4, 150)], (84, 88, 100), depth=0.5)
    c.rect(-4, 150, w + 4, 190, (206, 210, 216), pen=1.8, depth=0.5)
    m, ry, rx = w / 2, 28, min(100, w * 0.38)
    c.oval(m, 112, rx, ry, (52, 54, 64), pen=1.8)
    c.oval(m, 112, rx * 0.58, ry * 0.58, k.STEEL, pen=1.6)
    for i in range(24):
        ((x, y),) = k.turned([(0, -1)], i * 15, (0, 0))
        c.flat(circle(m + x * rx * 0.5, 112 + y * ry * 0.5, 1.8, 1.3), (70, 74, 86))
    c.oval(m, 109, rx * 0.36, ry * 0.34, (62, 64, 76), pen=1.6)
    for d in (-0.5, 0.0, 0.5):
        c.line([(m + d * rx * 1.2, 84), (m + d * rx * 1.6, 142)], (28, 28, 36), 4)
    for y in (94, 128):
        c.line([(m - rx * 1.05, y), (m + rx * 1.05, y)], (28, 28, 36), 4)
    for x in (0.2, 0.4, 0.6, 0.8):
        c.oval(w * x, 168, 9, 9, k.COAL, pen=1.8)
        c.line([(w * x, 166), (w * x, 161)], k.WHITE, 2)
    return [Bay(w * 0.08, 30, w * 0.92, 138)]


def shut_box(c: Canvas) -> None:
    """A cardboard box whose flaps are shut and taped."""
    c.ground(50, 92, 40)
    card = (204, 158, 104)
    c.fill([(18, 36), (50, 24), (82, 36), (50, 48)], k.lighter(card, 0.2))
    c.fill([(18, 36), (50, 48), (50, 93), (18, 80)], card)
    c.fill([(50, 48), (82, 36), (82, 80), (50, 93)], k.darker(card, 0.14))
    tape = [(32, 28.6), (36, 27.1), (68, 40.6), (68, 52), (64, 53.5), (64, 42)]
    c.fill(tape, k.CREAM, pen=1.2)


def tray(name: str) -> k.Place:
    """A table with this vessel on a mat, and its content laid out next to it."""

    def draw(c: Canvas, w: float, is_open: bool) -> list[Bay]:
        board(c, w, (206, 146, 92))
        side = min(96, int(w * 0.4))
        middle = 14 + side / 2
        c.oval(middle, 124, side * 0.55, 17, (110, 160, 190), pen=1.8)
        vessel = Canvas(pixels=side / 100 * c.pixels, scale=c.scale)
        is_shut = name == "Box" and not is_open
        (shut_box if is_shut else k.ICONS[name])(vessel)
        left, top = round(14 * c.pixels * c.scale), round((132 - side) * c.pixels * c.scale)
        c.image.alpha_composite(vessel.image, (left, top))
        if is_shut:
            return []
        mat: list[Point] = k.box(side + 22, 78, w - 16, 142, 8)
        c.fill(mat, (240, 226, 200), pen=1.6, depth=0.4)
        return [Bay(side + 26, 40, w - 20, 138)]

    return draw


for vessel_name in ("Bowl", "Box", "Cup", "Mug", "Pan", "Plate", "Pot"):
    k.PLACES[vessel_name] = tray(vessel_name)
