"""Icons of furniture: what things are put in or on, small."""

from __future__ import annotations

from card_art.canvas import Colour, circle, outline

from household import canvas as k
from household.canvas import Canvas, icon


def legs(
    c: Canvas, xs: tuple[float, ...], top: float, base: float, colour: Colour, width: float = 7
) -> None:
    """Straight legs, their left edges at `xs`."""
    for x in xs:
        c.rect(x, top, x + width, base, colour, 1)


def knob(c: Canvas, x: float, y: float, r: float = 3) -> None:
    """A brass knob."""
    c.oval(x, y, r, r, k.GOLD, pen=1.4)


@icon("ArmChair")
def arm_chair(c: Canvas) -> None:
    """A stuffed teal armchair."""
    cloth = (72, 150, 158)
    c.ground(50, 93, 42)
    legs(c, (18, 75), 84, 94, k.WALNUT)
    c.fill(outline((20, 70), ((16, 2), (84, 2), (80, 70))), cloth)
    c.rect(22, 52, 78, 72, k.lighter(cloth, 0.25), 6)
    c.rect(14, 66, 86, 86, cloth, 5)
    for x in (6, 76):
        c.rect(x, 42, x + 18, 86, k.darker(cloth, 0.12), 9)
    for x in (38, 50, 62):
        c.flat(circle(x, 30, 2.2), k.darker(cloth, 0.5))


@icon("Sofa")
def sofa(c: Canvas) -> None:
    """A red sofa with two cushions."""
    cloth = (206, 92, 84)
    c.ground(50, 86, 48)
    legs(c, (9, 84), 78, 87, k.WALNUT)
    c.rect(10, 24, 90, 62, cloth, 9)
    c.line([(50, 28), (50, 60)], k.darker(cloth, 0.5), 2)
    c.rect(13, 50, 50, 66, k.lighter(cloth, 0.22), 5)
    c.rect(50, 50, 87, 66, k.lighter(cloth, 0.22), 5)
    c.rect(8, 63, 92, 80, cloth, 4)
    for x in (1.6, 84.4):
        c.rect(x, 40, x + 14, 80, k.darker(cloth, 0.12), 7)


@icon("Ottoman")
def ottoman(c: Canvas) -> None:
    """A round tufted pouf."""
    cloth = (170, 104, 158)
    c.ground(50, 91, 40)
    legs(c, (22, 71), 80, 92, k.WALNUT)
    side = outline((8, 42), ((8, 76),), ((14, 90), (86, 90), (92, 76)), ((92, 42),))
    c.fill(side, cloth)
    for x in (24, 41, 59, 76):
        c.line([(x, 56), (x, 84)], k.darker(cloth, 0.35), 2)
    c.oval(50, 42, 43, 20, k.lighter(cloth, 0.25))
    for x, y in ((50, 42), (28, 40), (72, 40), (40, 32), (60, 32), (40, 52), (60, 52)):
        c.flat(circle(x, y, 2.6, 1.8), k.darker(cloth, 0.5))


@icon("Bed")
def bed(c: Canvas) -> None:
    """A made bed without pillows: a wooden headboard, a white sheet and a blue blanket."""
    c.ground(50, 90, 48)
    legs(c, (5, 87), 72, 92, k.WALNUT, 8)
    c.rect(8, 14, 92, 62, k.WOOD, 8)
    c.rect(17, 22, 83, 56, k.lighter(k.WOOD, 0.18), 5, pen=1.8)
    c.fill([(14, 40), (86, 40), (94, 70), (6, 70)], k.WHITE)
    c.fill([(12, 50), (88, 50), (96, 72), (96, 82), (4, 82), (4, 72)], (84, 126, 204))
    c.fill([(12.6, 49), (87.4, 49), (90, 55), (10, 55)], (206, 224, 246), pen=1.4)
    for x, end in ((36, 33), (64, 67)):
        c.line([(x, 57), (end, 80)], (64, 102, 176), 1.6)


@icon("Cabinet")
def cabinet(c: Canvas) -> None:
    """A cupboard with two doors."""
    c.ground(50, 94, 42)
    c.rect(10, 8, 90, 94, k.OAK, 3)
    for x in (15, 52):
        c.rect(x, 14, x + 33, 88, k.WOOD, 2, pen=2.2)
        c.rect(x + 6, 21, x + 27, 81, k.OAK, 1, pen=1.6)
    knob(c, 44, 52)
    knob(c, 56, 52)


@icon("Drawer")
def drawer(c: Canvas) -> None:
    """One closed drawer with a brass handle, in its frame."""
    c.ground(50, 84, 46)
    c.rect(4, 22, 96, 82, k.WALNUT, 3)
    c.rect(11, 30, 89, 74, k.WOOD, 2)
    c.rect(19, 38, 81, 66, (212, 158, 102), 2, pen=1.6)
    c.rect(36, 48, 64, 56, k.GOLD, 4, pen=2)


@icon("Dresser")
def dresser(c: Canvas) -> None:
    """A chest of six drawers on short legs."""
    c.ground(50, 94, 44)
    legs(c, (10, 82), 84, 95, k.WALNUT, 8)
    c.rect(7, 20, 93, 88, k.WALNUT, 3)
    c.rect(3, 12, 97, 22, k.WOOD, 3)
    for row in range(3):
        for x in (12, 52):
            y = 27 + row * 20
            c.rect(x, y, x + 36, y + 16, k.WOOD, 2, pen=1.8)
            knob(c, x + 18, y + 8, 2.6)


@icon("Shelf")
def shelf(c: Canvas) -> None:
    """Two empty wall boards on brackets."""
    for y in (30, 76):
        c.soft([(8, y + 8), (94, y + 8), (94, y + 15), (8, y + 15)], (40, 30, 50), 2, 0.28)
        for x in (16, 76):
            c.fill([(x, y), (x + 8, y), (x + 8, y + 16), (x, y + 8)], k.IRON, pen=1.8)
        c.fill([(12, y - 12), (88, y - 12), (97, y - 2), (3, y - 2)], k.OAK)
        c.rect(3, y - 3, 97, y + 6, k.WOOD, 2)


@icon("Desk")
def desk(c: Canvas) -> None:
    """A writing desk with drawers on one side."""
    c.ground(50, 90, 46)
    c.fill([(12, 26), (88, 26), (97, 40), (3, 40)], k.OAK)
    c.rect(3, 40, 97, 48, k.WOOD)
    legs(c, (7,), 48, 91, k.WALNUT)
    c.rect(56, 48, 93, 88, k.WALNUT, 1)
    for y in (52, 70):
        c.rect(60, y, 89, y + 15, k.WOOD, 1, pen=1.8)
        knob(c, 74.5, y + 7.5, 2.6)


@icon("DiningTable")
def dining_table(c: Canvas) -> None:
    """A large bare table of planks on four strong legs."""
    c.ground(50, 90, 46)
    legs(c, (20, 73), 46, 76, k.darker(k.WALNUT, 0.25), 6)
    legs(c, (6, 84), 44, 91, k.WALNUT, 10)
    c.fill([(17, 20), (83, 20), (98, 42), (2, 42)], k.WOOD)
    for far, near in ((34, 26), (50, 50), (66, 74)):
        c.line([(far, 21), (near, 41)], k.darker(k.WOOD, 0.32), 1.8)
    c.rect(2, 41, 98, 50, k.darker(k.WOOD, 0.1), 1)


@icon("CoffeeTable")
def coffee_table(c: Canvas) -> None:
    """A low oval table with a board below."""
    c.ground(50, 88, 44)
    legs(c, (16, 77), 50, 88, k.WALNUT)
    c.oval(50, 76, 34, 6, k.OAK, pen=2)
    c.oval(50, 48, 47, 17, k.WOOD)
    c.oval(50, 44, 47, 17, k.OAK)
    c.oval(50, 44, 34, 10.5, (176, 214, 222), pen=1.6)


@icon("SideTable")
def side_table(c: Canvas) -> None:
    """A small square table with one drawer and long legs."""
    c.ground(50, 94, 34)
    legs(c, (20, 73), 44, 95, k.WALNUT)
    c.rect(20, 74, 80, 80, k.WOOD, 1)
    c.rect(18, 28, 82, 54, k.WALNUT, 2)
    c.rect(24, 34, 76, 50, k.WOOD, 2, pen=1.8)
    knob(c, 50, 42)
    c.fill([(20, 14), (80, 14), (90, 26), (10, 26)], k.OAK)
    c.rect(10, 25, 90, 31, k.WOOD, 1, pen=2)


@icon("CounterTop")
def counter_top(c: Canvas) -> None:
    """A kitchen counter: a pale stone top over cupboards."""
    c.ground(50, 93, 48)
    c.rect(5, 44, 95, 92, (226, 220, 206), 1)
    for x in (9, 38, 67):
        c.rect(x, 50, x + 25, 86, k.WHITE, 1, pen=1.8)
        knob(c, x + 20, 56, 2.4)
    c.fill([(12, 22), (88, 22), (98, 40), (2, 40)], (140, 152, 166))
    c.rect(2, 39, 98, 47, (112, 124, 140), 1)
    for x, y in ((28, 30), (46, 26), (62, 34), (78, 29), (18, 36)):
        c.flat(circle(x, y, 1.6, 1), (206, 214, 222))


@icon("Cart")
def cart(c: Canvas) -> None:
    """A serving cart with two decks on wheels and a push bar."""
    c.ground(46, 92, 42)
    c.line([(84, 40), (84, 18), (96, 18)], k.darker(k.STEEL, 0.5), 6)
    legs(c, (12, 76), 40, 82, k.STEEL, 6)
    c.rect(6, 66, 88, 76, k.TEAL, 3)
    c.rect(6, 34, 88, 44, k.TEAL, 3)
    for x in (16, 78):
        c.oval(x, 86, 7.4, 7.4, k.COAL)
        c.oval(x, 86, 2.6, 2.6, k.CHROME, pen=0)


@icon("TVStand")
def tv_stand(c: Canvas) -> None:
    """A long low empty board: an open compartment between two doors."""
    c.ground(50, 83, 48)
    legs(c, (8, 83), 74, 84, k.COAL, 9)
    c.fill([(14, 30), (86, 30), (98, 44), (2, 44)], (132, 114, 118))
    c.rect(2, 43, 98, 77, (98, 82, 88), 2)
    c.rect(35, 50, 65, 71, (44, 36, 44), 1, pen=1.4, depth=-0.6)
    for x in (8, 69):
        c.rect(x, 50, x + 23, 71, (122, 104, 110), 1, pen=1.8)
    for middle in (27.5, 72.5):
        c.oval(middle, 60.5, 2, 2, k.CHROME, pen=1)


@icon("Fridge")
def fridge(c: Canvas) -> None:
    """A tall two-door fridge."""
    c.ground(50, 96, 30)
    c.rect(22, 3, 78, 95, (214, 224, 232), 6)
    c.line([(23, 36), (77, 36)], k.darker(k.STEEL, 0.5), 2.6)
    c.rect(28, 16, 33, 31, k.IRON, 2.5, pen=1.2)
    c.rect(28, 42, 33, 66, k.IRON, 2.5, pen=1.2)
    c.rect(58, 12, 71, 17, k.CHROME, 1, pen=1)


@icon("Microwave")
def microwave(c: Canvas) -> None:
    """A closed microwave oven with a dark window, its display off."""
    c.ground(50, 84, 46)
    c.rect(4, 22, 96, 82, (206, 210, 218), 5)
    c.rect(10, 29, 67, 75, (60, 62, 74), 3)
    c.rect(16, 35, 61, 69, (86, 96, 116), 2, pen=1)
    c.shine([(22, 69), (40, 35), (48, 35), (30, 69)], 0.22)
    c.rect(73, 30, 90, 40, (46, 60, 56), 1, pen=1)
    for i in range(9):
        c.flat(
            k.box(73.6 + i % 3 * 6, 46 + i // 3 * 7, 77.6 + i % 3 * 6, 50 + i // 3 * 7, 1), k.IRON
        )
    c.rect(74, 68, 89, 75, k.STEEL, 2, pen=1.2)


@icon("StoveBurner")
def stove_burner(c: Canvas) -> None:
    """A gas burner that is off, under its grate."""
    c.ground(50, 88, 46)
    c.fill([(16, 44), (84, 44), (97, 82), (3, 82)], (86, 90, 102))
    c.rect(3, 80, 97, 90, (66, 70, 82), 2)
    c.oval(50, 62, 29, 13, (56, 58, 68))
    c.oval(50, 62, 16, 7, k.STEEL, pen=1.8)
    c.oval(50, 60, 10, 4.2, (62, 64, 76), pen=1.6)
    for line in (
        [(20, 54), (80, 54)],
        [(13, 72), (87, 72)],
        [(34, 47), (27, 79)],
        [(66, 47), (73, 79)],
    ):
        c.line(line, (26, 26, 34), 3.6)


@icon("Toaster")
def toaster(c: Canvas) -> None:
    """An empty toaster with two slots."""
    red = (206, 86, 80)
    c.ground(50, 88, 42)
    c.fill(
        outline(
            (10, 86), ((8, 52), (10, 40), (22, 38)), ((78, 38),), ((90, 40), (92, 52), (90, 86))
        ),
        red,
    )
    c.fill([(22, 22), (78, 22), (88, 44), (12, 44)], k.lighter(red, 0.25))
    for y, inset in ((26, 1.5), (35, 0.0)):
        c.rect(24 - inset, y, 76 + inset, y + 5, (58, 32, 38), 2.5, pen=1.2)
    c.rect(8, 80, 92, 88, k.COAL, 2)
    c.rect(84, 54, 96, 61, k.COAL, 2, pen=1.4)
    c.oval(30, 65, 6, 6, k.CHROME, pen=1.4)


@icon("CoffeeMachine")
def coffee_machine(c: Canvas) -> None:
    """A coffee machine that is off, with nothing under its spouts."""
    shell = (84, 88, 104)
    c.ground(50, 94, 38)
    c.rect(16, 6, 84, 92, shell, 6)
    c.rect(24, 38, 76, 82, (40, 40, 50), 3, pen=1.8, depth=-0.5)
    c.rect(24, 13, 52, 24, (48, 58, 60), 2, pen=1.4)
    for x in (61, 72):
        c.oval(x, 18.5, 4, 4, k.STEEL, pen=1.4)
    c.fill([(37, 34), (63, 34), (59, 46), (41, 46)], k.CHROME, pen=2)
    for x in (45, 55):
        c.rect(x - 2.4, 45, x + 2.4, 53, k.STEEL, 1, pen=1.4)
    c.rect(12, 81, 88, 94, k.STEEL, 3)
    for x in range(20, 86, 10):
        c.line([(x, 85), (x, 90)], k.IRON, 2.4)


@icon("GarbageCan")
def garbage_can(c: Canvas) -> None:
    """An open dustbin with ribs and nothing in it."""
    tin = (112, 134, 128)
    c.ground(50, 94, 30)
    c.fill([(16, 22), (84, 22), (72, 94), (28, 94)], tin)
    for x in (36, 50, 64):
        c.line([(50 + (x - 50) * 1.15, 42), (50 + (x - 50) * 0.9, 86)], (68, 88, 84), 4)
    c.oval(50, 22, 38, 13, k.lighter(tin, 0.22))
    c.oval(50, 23, 31, 9, (44, 50, 54), pen=1.4, depth=-0.6)


@icon("LaundryHamper")
def laundry_hamper(c: Canvas) -> None:
    """An open, empty wicker basket."""
    weave, line = (214, 170, 110), (160, 116, 66)
    c.ground(50, 94, 34)
    c.fill([(10, 28), (90, 28), (78, 94), (22, 94)], weave)
    for row in range(4):
        y = 54 + row * 11
        c.line([(16 + row * 1.9, y), (84 - row * 1.9, y)], line, 2)
    for x in (26, 38, 50, 62, 74):
        c.line([(x, 42), (50 + (x - 50) * 0.8, 92)], line, 2)
    c.oval(50, 28, 43, 14, (232, 192, 134))
    c.oval(50, 29, 35, 9.4, (92, 62, 42), pen=1.4, depth=-0.6)


@icon("Safe")
def safe(c: Canvas) -> None:
    """A steel safe with a wheel."""
    c.ground(50, 92, 42)
    legs(c, (14, 76), 86, 94, k.COAL, 10)
    c.rect(8, 10, 92, 88, (98, 110, 128), 5)
    c.rect(17, 19, 83, 79, (124, 138, 156), 3)
    for y in (30, 68):
        c.rect(10, y - 6, 18, y + 6, k.IRON, 1, pen=1.6)
    c.oval(50, 49, 19, 19, k.CHROME)
    for a in (0, 60, 120):
        c.line(k.turned([(50, 28), (50, 70)], a, (50, 49)), k.IRON, 4)
    c.oval(50, 49, 7, 7, k.GOLD, pen=2)


@icon("Sink")
def sink(c: Canvas) -> None:
    """A wash basin on a column with a tap."""
    c.ground(50, 95, 22)
    c.fill([(40, 60), (60, 60), (64, 95), (36, 95)], k.WHITE)
    pipe = outline((50, 44), ((50, 24),), ((50, 8), (70, 8), (70, 22)))
    c.line(pipe, k.darker(k.CHROME, 0.62), 9)
    c.line(pipe, k.CHROME, 5)
    c.fill(outline((6, 42), ((8, 66), (28, 70), (50, 70)), ((72, 70), (92, 66), (94, 42))), k.WHITE)
    c.oval(50, 42, 44, 8, (224, 232, 238))


@icon("SinkBasin")
def sink_basin(c: Canvas) -> None:
    """An empty steel sink, seen from above, its tap off."""
    c.ground(50, 90, 46)
    c.rect(5, 30, 95, 90, k.CHROME, 9)
    c.rect(13, 40, 87, 84, (128, 142, 158), 8, depth=-1)
    c.rect(21, 52, 79, 80, (164, 176, 190), 6, pen=0, depth=-0.6)
    c.oval(50, 68, 7, 4.6, k.IRON, pen=1.4)
    c.oval(50, 68, 3, 1.8, k.COAL, pen=0)
    pipe = outline((50, 34), ((50, 20),), ((50, 6), (30, 8), (30, 24)), ((30, 46),))
    c.line(pipe, k.darker(k.CHROME, 0.62), 10)
    c.line(pipe, k.lighter(k.CHROME, 0.3), 5.6)


@icon("Bathtub")
def bathtub(c: Canvas) -> None:
    """A bathtub on claw feet with a shower pipe."""
    c.ground(50, 92, 44)
    pipe = outline((84, 48), ((84, 14),), ((84, 4), (66, 4), (64, 14)))
    c.line(pipe, k.darker(k.CHROME, 0.62), 8)
    c.line(pipe, k.CHROME, 4)
    c.fill([(56, 14), (72, 14), (76, 22), (52, 22)], k.CHROME, pen=2)
    for x in (22, 72):
        c.oval(x + 3, 87, 5, 5.4, k.GOLD, pen=2)
    c.fill(
        outline(
            (6, 50), ((8, 78), (20, 84), (30, 85)), ((70, 85),), ((82, 84), (92, 78), (94, 50))
        ),
        k.WHITE,
    )
    c.rect(2, 44, 98, 54, k.WHITE, 5)


@icon("BathtubBasin")
def bathtub_basin(c: Canvas) -> None:
    """An empty bathtub, seen from above, its tap off."""
    c.ground(50, 90, 46)
    pipe = outline((82, 44), ((82, 28),), ((82, 18), (66, 18), (66, 28)))
    c.line(pipe, k.darker(k.CHROME, 0.62), 8.4)
    c.line(pipe, k.lighter(k.CHROME, 0.2), 4.4)
    c.fill(
        outline(
            (4, 50),
            ((6, 84), (22, 90), (34, 90)),
            ((66, 90),),
            ((78, 90), (94, 84), (96, 50)),
        ),
        k.WHITE,
    )
    c.oval(50, 50, 47, 17, k.WHITE)
    c.oval(50, 51, 39, 12, (204, 214, 224), pen=1.6, depth=-1)
    c.oval(64, 56, 5, 2.4, k.IRON, pen=1.2)


@icon("Toilet")
def toilet(c: Canvas) -> None:
    """A toilet with a cistern and an open seat."""
    c.ground(50, 95, 28)
    c.rect(24, 6, 76, 42, k.WHITE, 5)
    c.rect(20, 4, 80, 13, k.WHITE, 3)
    c.rect(62, 17, 71, 22, k.CHROME, 2, pen=1.4)
    c.fill([(36, 66), (64, 66), (68, 95), (32, 95)], k.WHITE)
    c.fill(
        outline((18, 54), ((20, 82), (40, 84), (50, 84)), ((60, 84), (80, 82), (82, 54))), k.WHITE
    )
    c.oval(50, 54, 33, 15, (236, 240, 242))
    c.oval(50, 55, 22, 8.6, (120, 184, 220), pen=1.8)


@icon("ToiletPaperHanger")
def toilet_paper_hanger(c: Canvas) -> None:
    """A bare arm between two wall plates, under a metal flap."""
    c.rect(16, 62, 84, 73, k.lighter(k.CHROME, 0.35), 5)
    for x in (7, 81):
        c.rect(x, 34, x + 12, 82, k.STEEL, 5)
    c.fill(outline((12, 48), ((12, 10), (88, 10), (88, 48))), k.CHROME)
    c.shine([(26, 38), (33, 25), (42, 22), (35, 38)], 0.7)


@icon("TowelHolder")
def towel_holder(c: Canvas) -> None:
    """A wide bare bar between two wall plates."""
    c.soft([(12, 62), (94, 62), (94, 68), (12, 68)], (40, 30, 50), 2, 0.3)
    for x in (5, 81):
        c.rect(x, 22, x + 14, 50, k.STEEL, 4)
    bar = outline((12, 40), ((12, 58),), ((88, 58),), ((88, 40),))
    c.line(bar, k.darker(k.CHROME, 0.62), 10.6)
    c.line(bar, k.lighter(k.CHROME, 0.3), 6)
    c.line([(22, 56.6), (78, 56.6)], k.WHITE, 1.8)


@icon("HandTowelHolder")
def hand_towel_holder(c: Canvas) -> None:
    """A wall ring for a hand towel, empty."""
    c.rect(36, 6, 64, 32, k.CHROME, 6)
    ring = [*circle(50, 56, 31), (81, 56)]
    c.line(ring, k.darker(k.CHROME, 0.62), 11)
    c.line(ring, k.lighter(k.CHROME, 0.2), 6.4)
    c.oval(50, 24, 7, 7, k.STEEL, pen=2)


@icon("PaintingHanger")
def painting_hanger(c: Canvas) -> None:
    """A bare brass hook on the wall with its wire."""
    c.soft(circle(53, 52, 18, 26), (40, 30, 50), 4, 0.25)
    c.rect(38, 14, 62, 52, k.GOLD, 5)
    c.oval(50, 24, 4.4, 4.4, k.WALNUT, pen=1.4)
    hook = outline((50, 40), ((50, 72),), ((50, 88), (74, 88), (74, 70)))
    c.line(hook, k.darker(k.GOLD, 0.62), 13)
    c.line(hook, k.GOLD, 8)
