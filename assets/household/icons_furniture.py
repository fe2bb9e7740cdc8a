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
    """A bed with a wooden headboard, a pillow and a blue blanket."""
    c.ground(50, 90, 48)
    legs(c, (5, 87), 72, 92, k.WALNUT, 8)
    c.rect(8, 14, 92, 62, k.WOOD, 8)
    c.fill([(14, 44), (86, 44), (94, 70), (6, 70)], k.WHITE)
    c.rect(22, 36, 49, 52, (250, 250, 246), 7)
    c.rect(51, 36, 78, 52, (250, 250, 246), 7)
    c.fill([(12, 54), (88, 54), (96, 72), (96, 82), (4, 82), (4, 72)], (84, 126, 204))
    c.fill([(12.6, 53), (87.4, 53), (90, 59), (10, 59)], (206, 224, 246), pen=1.4)


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
    """One drawer, pulled out of its frame."""
    c.ground(50, 88, 46)
    c.rect(6, 18, 94, 64, k.WALNUT, 3)
    c.rect(12, 25, 88, 60, (60, 42, 40), 1, pen=1.4)
    c.fill([(14, 34), (86, 34), (94, 54), (6, 54)], (236, 206, 160))
    c.fill([(20, 37), (80, 37), (85, 50), (15, 50)], (140, 98, 64), pen=1.2, depth=-1)
    c.rect(4, 52, 96, 86, k.WOOD, 3)
    c.rect(36, 64, 64, 72, k.GOLD, 4, pen=2)


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
    """Wall boards on brackets with a book and a vase."""
    for y in (44, 86):
        for x in (16, 78):
            c.fill([(x, y), (x + 6, y), (x + 6, y + 12), (x, y + 6)], k.IRON, pen=1.6)
        c.rect(4, y - 4, 96, y + 5, k.WOOD, 2)
    for x, h, colour in ((14, 26, k.RED), (22, 22, k.BLUE), (30, 28, k.GREEN)):
        c.rect(x, 40 - h, x + 7, 40, colour, 1, pen=1.6)
    c.oval(70, 30, 10, 10, k.PURPLE, pen=2)
    c.rect(20, 62, 46, 82, k.YELLOW, 2, pen=2)
    c.rect(64, 56, 72, 82, k.TEAL, 1, pen=1.6)
    c.rect(72, 60, 80, 82, k.ORANGE, 1, pen=1.6)


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
    """A large table with a white cloth in the middle."""
    c.ground(50, 90, 46)
    legs(c, (20, 73), 46, 76, k.darker(k.WALNUT, 0.25), 6)
    legs(c, (6, 86), 44, 91, k.WALNUT, 8)
    c.fill([(16, 22), (84, 22), (98, 42), (2, 42)], k.WOOD)
    c.fill([(36, 22), (64, 22), (70, 42), (70, 58), (50, 66), (30, 58), (30, 42)], k.PAPER, pen=1.8)
    c.line([(30, 42), (70, 42)], (206, 198, 182), 1.8)
    c.rect(2, 41, 30, 49, k.WOOD, pen=1.8)
    c.rect(70, 41, 98, 49, k.WOOD, pen=1.8)


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
    """A low television board with a television on it."""
    c.ground(50, 92, 48)
    c.rect(24, 10, 76, 46, (50, 52, 64), 3)
    c.rect(28, 14, 72, 42, (84, 118, 164), 1, pen=0.8)
    c.rect(44, 46, 56, 54, k.IRON)
    legs(c, (8, 85), 84, 93, k.WALNUT)
    c.rect(3, 53, 97, 86, k.WALNUT, 3)
    c.rect(36, 60, 64, 80, (70, 48, 42), 1, pen=1.4)
    for x in (9, 68):
        c.rect(x, 60, x + 23, 80, k.WOOD, 1, pen=1.8)


@icon("Fridge")
def fridge(c: Canvas) -> None:
    """A tall two-door fridge."""
    c.ground(50, 96, 30)
    c.rect(22, 3, 78, 95, (214, 224, 232), 6)
    c.line([(23, 36), (77, 36)], k.darker(k.STEEL, 0.5), 2.6)
    c.rect(28, 16, 33, 31, k.IRON, 2.5, pen=1.2)
    c.rect(28, 42, 33, 66, k.IRON, 2.5, pen=1.2)
    c.fill(k.star(58, 54, 8, 3, 6), k.SKY, pen=1.2)


@icon("Microwave")
def microwave(c: Canvas) -> None:
    """A microwave oven with a window and a clock."""
    c.ground(50, 84, 46)
    c.rect(4, 22, 96, 82, (206, 210, 218), 5)
    c.rect(10, 29, 67, 75, (60, 62, 74), 3)
    c.rect(16, 35, 61, 69, (86, 96, 116), 2, pen=1)
    c.shine([(22, 69), (40, 35), (48, 35), (30, 69)], 0.22)
    c.rect(73, 30, 90, 40, (46, 60, 56), 1, pen=1)
    c.line([(77, 35), (86, 35)], (110, 236, 150), 3)
    for i in range(9):
        c.flat(
            k.box(73.6 + i % 3 * 6, 46 + i // 3 * 7, 77.6 + i % 3 * 6, 50 + i // 3 * 7, 1), k.IRON
        )
    c.rect(74, 68, 89, 75, k.RED, 2, pen=1.2)


@icon("StoveBurner")
def stove_burner(c: Canvas) -> None:
    """A gas burner with a grate and blue flames."""
    c.ground(50, 88, 46)
    c.fill([(16, 44), (84, 44), (97, 82), (3, 82)], (86, 90, 102))
    c.rect(3, 80, 97, 90, (66, 70, 82), 2)
    c.oval(50, 62, 27, 12, (50, 52, 62))
    for a in range(0, 360, 30):
        x, y = k.turned([(50, 40)], a, (50, 62))[0]
        x, y = 50 + (x - 50) * 1.0, 62 + (y - 62) * 0.42
        flame = outline(
            (x - 4, y),
            ((x - 5, y - 8), (x, y - 10), (x, y - 17)),
            ((x + 1, y - 10), (x + 5, y - 8), (x + 4, y)),
        )
        c.fill(flame, (70, 150, 250), pen=1.2)
        c.flat(circle(x, y - 3.5, 1.6, 3), (190, 232, 255))
    for line in (
        [(22, 58), (78, 58)],
        [(16, 70), (84, 70)],
        [(36, 48), (30, 78)],
        [(64, 48), (70, 78)],
    ):
        c.line(line, (30, 30, 38), 3.4)


@icon("Toaster")
def toaster(c: Canvas) -> None:
    """A toaster with two slices that stick out."""
    c.ground(50, 88, 42)
    for x in (24, 50):
        slice_ = outline(
            (x, 50), ((x, 26),), ((x - 5, 10), (x + 31, 10), (x + 26, 26)), ((x + 26, 50),)
        )
        c.fill(slice_, (222, 160, 86), pen=2.2)
    c.fill(
        outline(
            (10, 86), ((8, 56), (12, 42), (24, 42)), ((76, 42),), ((88, 42), (92, 56), (90, 86))
        ),
        (206, 86, 80),
    )
    c.rect(16, 46, 84, 52, (80, 40, 44), 2, pen=1)
    c.rect(8, 80, 92, 88, k.COAL, 2)
    c.rect(84, 56, 96, 62, k.COAL, 2, pen=1.4)
    c.oval(30, 68, 5, 5, k.CHROME, pen=1.4)


@icon("CoffeeMachine")
def coffee_machine(c: Canvas) -> None:
    """A coffee maker with a glass jug."""
    c.ground(50, 94, 36)
    c.rect(18, 6, 82, 28, (76, 80, 94), 5)
    c.rect(60, 24, 82, 88, (62, 66, 78), 2)
    c.rect(14, 82, 86, 94, (76, 80, 94), 4)
    c.fill([(36, 28), (52, 28), (48, 38), (40, 38)], k.COAL, pen=1.8)
    c.line(outline((28, 48), ((12, 46), (12, 72), (26, 72))), k.COAL, 5)
    jug = outline(
        (28, 44),
        ((58, 44),),
        ((62, 60), (62, 74), (56, 81)),
        ((30, 81),),
        ((24, 74), (24, 60), (28, 44)),
    )
    c.fill(jug, (206, 230, 238), alpha=0.9)
    c.fill(
        outline(
            (25.5, 60),
            ((60.5, 60),),
            ((61, 72), (60, 76), (55.4, 80)),
            ((30.6, 80),),
            ((26, 76), (25, 72), (25.5, 60)),
        ),
        (92, 56, 38),
        pen=0,
    )
    c.oval(72, 17, 4, 4, k.RED, pen=1.2)
    c.rect(26, 12, 50, 20, (120, 190, 160), 1, pen=1)


@icon("GarbageCan")
def garbage_can(c: Canvas) -> None:
    """A dustbin with a lid and ribs."""
    c.ground(50, 94, 30)
    c.fill([(22, 30), (78, 30), (71, 94), (29, 94)], (104, 124, 120))
    for x in (36, 50, 64):
        c.line([(50 + (x - 50) * 1.05, 40), (50 + (x - 50) * 0.9, 86)], (66, 84, 82), 4)
    c.rect(15, 18, 85, 31, (124, 146, 142), 5)
    c.rect(38, 9, 62, 19, (124, 146, 142), 4)


@icon("LaundryHamper")
def laundry_hamper(c: Canvas) -> None:
    """A wicker basket with clothes that hang over its rim."""
    weave = (214, 170, 110)
    c.ground(50, 94, 34)
    c.oval(50, 30, 38, 10, (120, 84, 52))
    c.fill(
        outline((22, 34), ((26, 10), (44, 18), (50, 12)), ((62, 6), (74, 20), (78, 34))),
        (110, 160, 220),
        pen=2,
    )
    c.fill([(12, 32), (88, 32), (78, 94), (22, 94)], weave)
    for row in range(5):
        y = 46 + row * 11
        c.line([(15 + row * 1.8, y), (85 - row * 1.8, y)], (160, 116, 66), 2)
    for x in (26, 38, 50, 62, 74):
        c.line([(x, 40), (50 + (x - 50) * 0.8, 92)], (160, 116, 66), 2)
    c.rect(8, 28, 92, 38, (232, 192, 134), 5)
    c.fill(
        outline(
            (56, 30), ((74, 30),), ((76, 44), (74, 54), (72, 58)), ((62, 54), (58, 46), (56, 30))
        ),
        (236, 130, 130),
        pen=2,
    )


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
    """A steel sink with water, seen from above, with a tap."""
    c.ground(50, 90, 46)
    c.rect(5, 30, 95, 90, k.CHROME, 9)
    c.rect(13, 40, 87, 84, (98, 152, 190), 8, depth=-1)
    c.shine(
        outline(
            (22, 62), ((34, 56), (44, 68), (56, 62)), ((56, 65),), ((44, 71), (34, 59), (22, 65))
        ),
        0.7,
    )
    c.oval(68, 70, 6, 4.6, k.IRON, pen=1.4)
    pipe = outline((50, 34), ((50, 20),), ((50, 6), (30, 8), (30, 24)), ((30, 50),))
    c.line(pipe, k.darker(k.CHROME, 0.62), 10)
    c.line(pipe, k.lighter(k.CHROME, 0.3), 5.6)
    c.line([(30, 52), (30, 62)], (206, 236, 250), 4)


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
    """A full bathtub with water and foam."""
    c.ground(50, 90, 46)
    for x, y, r in ((26, 34, 8), (40, 30, 10), (56, 33, 8), (70, 36, 7), (48, 18, 5), (64, 20, 4)):
        c.oval(x, y, r, r, (214, 240, 250), pen=1.6)
    c.oval(50, 46, 45, 13, k.WHITE)
    c.oval(50, 46, 38, 9, (104, 184, 232), pen=1.4)
    for x in (24, 34, 46, 58):
        c.oval(x, 42, 7, 5, k.WHITE, pen=1)
    c.fill(
        outline(
            (5, 47),
            ((8, 82), (22, 90), (34, 90)),
            ((66, 90),),
            ((78, 90), (92, 82), (95, 47)),
            ((92, 64), (8, 64), (5, 47)),
        ),
        k.WHITE,
    )
    c.line([(80, 40), (80, 26), (72, 26)], k.darker(k.CHROME, 0.4), 5)


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
    """A wall plate with an arm on which an almost empty roll turns, under a metal flap."""
    c.fill(
        [(30, 40), (72, 40), (72, 92), (65, 88), (58, 92), (51, 88), (44, 92), (37, 88), (30, 92)],
        k.WHITE,
    )
    for y in (58, 72):
        c.line([(36, y), (66, y)], (206, 208, 216), 1.8)
    c.rect(16, 32, 84, 46, (232, 232, 234), 6, pen=2)
    for x in (8, 82):
        c.rect(x, 12, x + 10, 50, k.STEEL, 4)
    c.fill(outline((14, 34), ((14, 6), (86, 6), (86, 34))), k.CHROME)
    c.shine([(26, 26), (32, 16), (40, 14), (34, 26)], 0.7)


def holder(c: Canvas, x0: float, x1: float) -> None:
    """A chrome bar between two wall plates."""
    for x in (x0, x1):
        c.rect(x - 7, 14, x + 7, 34, k.CHROME, 4)
    c.rect(x0, 20, x1, 28, k.lighter(k.CHROME, 0.3), 3)


@icon("TowelHolder")
def towel_holder(c: Canvas) -> None:
    """A wide wall bar with a large towel on it."""
    holder(c, 9, 91)
    c.rect(22, 19, 78, 90, (84, 150, 206), 4)
    c.line([(23, 72), (77, 72)], k.PAPER, 6)
    c.line([(30, 28), (70, 28)], k.darker((84, 150, 206), 0.3), 2)


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
    """A picture hook in the wall with an empty frame."""
    c.line([(16, 48), (50, 14), (84, 48)], k.IRON, 3)
    c.oval(50, 14, 6, 6, k.GOLD)
    c.rect(10, 46, 90, 92, k.WOOD, 2)
    c.rect(20, 56, 80, 82, (236, 230, 216), 1, pen=1.8)
