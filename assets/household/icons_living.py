"""Icons of larger things of living rooms and bedrooms: sport, toys, lamps, plants, screens."""

from __future__ import annotations

from card_art.canvas import circle, outline

from household import canvas as k
from household.canvas import Canvas, icon


@icon("BaseballBat")
def baseball_bat(c: Canvas) -> None:
    """A wooden bat, its thick end to the upper right."""
    bat = outline(
        (46, 102),
        ((46, 70), (39, 40), (39, 10)),
        ((39, -6), (61, -6), (61, 10)),
        ((61, 40), (54, 70), (54, 102)),
    )
    c.fill(k.turned(bat, 42), (224, 172, 106))
    c.fill(k.turned(k.box(45.4, 74, 54.6, 100), 42), (60, 58, 70), pen=1.4)
    c.fill(k.turned(k.box(42.5, 99, 57.5, 106, 3), 42), (224, 172, 106), pen=2)


@icon("BasketBall")
def basketball(c: Canvas) -> None:
    """An orange ball with black seams."""
    c.ground(50, 93, 30)
    c.oval(50, 50, 42, 42, (236, 128, 52))
    for line in (
        [(8, 50), (92, 50)],
        [(50, 8), (50, 92)],
        outline((20, 21), ((42, 36), (42, 64), (20, 79))),
        outline((80, 21), ((58, 36), (58, 64), (80, 79))),
    ):
        c.line(line, (70, 42, 40), 3.2)
    c.shine(k.turned(circle(33, 26, 9, 4.5), -35, (33, 26)), 0.4)


@icon("TennisRacket")
def tennis_racket(c: Canvas) -> None:
    """A racket with strings, its head to the upper right."""
    t = 40
    c.fill(k.turned(circle(50, 22, 23, 29), t), (250, 250, 244), pen=0, alpha=0.55)
    for d in (-14, -7, 0, 7, 14):
        reach = 29 * (1 - (d / 23) ** 2) ** 0.5
        c.line(k.turned([(50 + d, 22 - reach), (50 + d, 22 + reach)], t), (110, 116, 130), 1.4)
    for d in (-20, -12, -4, 4, 12, 20):
        reach = 23 * (1 - (d / 29) ** 2) ** 0.5
        c.line(k.turned([(50 - reach, 22 + d), (50 + reach, 22 + d)], t), (110, 116, 130), 1.4)
    ring = k.turned([*circle(50, 22, 23, 29), (73, 22)], t)
    c.line(ring, k.darker((214, 64, 60), 0.62), 8)
    c.line(ring, (214, 64, 60), 4.4)
    for side in (-1, 1):
        c.line(k.turned([(50 + side * 11, 47), (50, 66)], t), k.darker(k.RED, 0.3), 4.4)
    c.fill(k.turned(k.box(45.5, 64, 54.5, 106, 3), t), (58, 60, 74))


@icon("TeddyBear")
def teddy_bear(c: Canvas) -> None:
    """A sitting brown bear."""
    fur, pale = (178, 120, 70), (234, 196, 146)
    c.ground(50, 94, 34)
    for x in (27, 73):
        c.oval(x, 15, 11, 11, fur)
        c.oval(x, 15, 5.6, 5.6, pale, pen=0)
    for x, a in ((22, 28), (78, -28)):
        c.fill(k.turned(circle(x, 62, 9, 16), a, (x, 62)), fur)
    c.oval(50, 71, 27, 24, fur)
    c.oval(50, 72, 16, 15, pale, pen=0)
    for x in (26, 74):
        c.oval(x, 86, 13, 10, fur)
        c.oval(x, 87, 7, 5.4, pale, pen=0)
    c.oval(50, 32, 30, 26, fur)
    c.oval(50, 41, 14, 11, pale, pen=0)
    c.oval(50, 36, 5, 3.6, k.INK, pen=0)
    c.line([(50, 38), (50, 44)], k.INK, 2)
    for x in (38, 62):
        c.flat(circle(x, 28, 3.6), k.INK)
        c.flat(circle(x - 1, 26.8, 1.2), k.WHITE)


@icon("Boots")
def boots(c: Canvas) -> None:
    """A pair of brown boots with laces."""
    c.ground(50, 92, 44)
    for x, colour in ((34, (132, 82, 48)), (0, (164, 104, 60))):
        leg = [
            (12 + x, 14),
            (38 + x, 14),
            (38 + x, 54),
            *outline((38 + x, 54), ((48 + x, 62), (62 + x, 62), (62 + x, 84))),
            (12 + x, 84),
        ]
        c.fill(leg, colour)
        c.rect(10 + x, 82, 64 + x, 92, (66, 48, 42), 3)
        c.rect(10 + x, 10, 40 + x, 20, k.lighter(colour, 0.4), 4)
        for y in (30, 39, 48):
            c.line([(27 + x, y), (38 + x, y - 4)], k.CREAM, 2.6)


@icon("HousePlant")
def house_plant(c: Canvas) -> None:
    """A leafy plant in a clay pot."""
    c.ground(50, 94, 26)
    for a, shade in ((-64, 0.2), (64, 0.2), (-42, 0.1), (42, 0.1), (-20, 0.0), (20, 0.0)):
        leaf = outline((50, 64), ((36, 48), (38, 22), (50, 6)), ((62, 22), (64, 48), (50, 64)))
        leaf = [(50 + (x - 50) * 0.92, 64 + (y - 64) * 0.9) for x, y in leaf]
        c.fill(k.turned(leaf, a, (50, 66)), k.darker((92, 172, 82), shade), pen=2)
        c.line(k.turned([(50, 58), (50, 24)], a, (50, 66)), (186, 224, 150), 1.8)
    c.fill([(28, 68), (72, 68), (66, 95), (34, 95)], (206, 112, 70))
    c.rect(24, 60, 76, 71, (222, 130, 86), 2)


def desk_lamp_shape(c: Canvas, *, lit: bool) -> None:
    """A jointed desk lamp, its shade to the right."""
    metal = (70, 120, 196)
    c.ground(40, 93, 30)
    if lit:
        c.soft([(60, 44), (88, 44), (93, 90), (50, 90)], (255, 226, 100), 2.4, 0.95)
    c.line([(36, 86), (22, 50), (50, 20)], k.darker(metal, 0.62), 8)
    c.line([(36, 86), (22, 50), (50, 20)], k.lighter(metal, 0.2), 4)
    c.oval(22, 50, 5, 5, k.GOLD, pen=2)
    c.oval(36, 89, 26, 6.5, metal)
    bulb = (255, 244, 160) if lit else (150, 150, 158)
    c.oval(74, 43, 12, 10, bulb, depth=0 if lit else 1)
    c.fill(
        outline(
            (46, 18),
            ((54, 8), (66, 8), (72, 12)),
            ((86, 18), (96, 32), (95, 44)),
            ((52, 44),),
            ((52, 34), (50, 26), (46, 18)),
        ),
        metal,
    )


@icon("DeskLamp")
def desk_lamp(c: Canvas) -> None:
    """A desk lamp that is off."""
    desk_lamp_shape(c, lit=False)


@icon("DeskLampOn")
def desk_lamp_on(c: Canvas) -> None:
    """A desk lamp that is on."""
    desk_lamp_shape(c, lit=True)


def floor_lamp_shape(c: Canvas, *, lit: bool) -> None:
    """A tall standing lamp with a small cloth shade on a thin pole."""
    if lit:
        c.soft(circle(50, 20, 32, 14), (255, 228, 120), 4, 0.9)
        c.soft([(36, 34), (64, 34), (78, 88), (22, 88)], (255, 232, 130), 4, 0.55)
    c.ground(50, 95, 22)
    c.rect(47.6, 30, 52.4, 93, (150, 104, 66), pen=1.8)
    c.oval(50, 93, 19, 4.2, (150, 104, 66))
    shade = (255, 240, 168) if lit else (190, 110, 96)
    c.fill([(38, 4), (62, 4), (73, 34), (27, 34)], shade, depth=0.3 if lit else 1.0)
    for x0, x1 in ((44, 39), (50, 50), (56, 61)):
        c.line([(x0, 6), (x1, 32)], k.darker(shade, 0.14), 1.4)
    c.line([(60, 34), (60, 50)], (110, 90, 80), 1.6)
    c.flat(circle(60, 51, 2.4), (110, 90, 80))


@icon("FloorLamp")
def floor_lamp(c: Canvas) -> None:
    """A standing lamp that is off."""
    floor_lamp_shape(c, lit=False)


@icon("FloorLampOn")
def floor_lamp_on(c: Canvas) -> None:
    """A standing lamp that is on."""
    floor_lamp_shape(c, lit=True)


@icon("Television")
def television(c: Canvas) -> None:
    """A flat television on a foot, its screen off."""
    c.ground(50, 92, 34)
    c.fill([(42, 76), (58, 76), (62, 90), (38, 90)], k.IRON)
    c.rect(26, 87, 74, 93, k.IRON, 3)
    c.rect(4, 14, 96, 80, (50, 52, 64), 5)
    c.rect(9, 19, 91, 73, (38, 40, 52), 1, pen=0.8)
    c.shine([(16, 19), (44, 19), (20, 73), (9, 73), (9, 34)], 0.14)


@icon("Chair")
def chair(c: Canvas) -> None:
    """A wooden chair, seen from the front."""
    c.ground(50, 94, 34)
    for x in (24, 69):
        c.rect(x, 6, x + 7, 60, k.WOOD, 2)
    for y in (14, 30):
        c.rect(29, y, 71, y + 8, k.WOOD, 2)
    for x in (20, 72):
        c.rect(x, 62, x + 8, 95, k.WALNUT, 2)
    for x in (31, 62):
        c.rect(x, 62, x + 6, 86, k.darker(k.WALNUT, 0.3), 2)
    c.fill([(26, 48), (74, 48), (84, 64), (16, 64)], (214, 92, 80))
    c.rect(16, 63, 84, 70, k.WOOD, 2)


@icon("Footstool")
def footstool(c: Canvas) -> None:
    """A low round stool with a green cushion on four turned legs."""
    c.ground(50, 92, 40)
    for x, y in ((34, 80), (66, 80), (16, 92), (84, 92)):
        top = 50 + (x - 50) * 0.8
        c.fill([(top - 5, 58), (top + 5, 58), (x + 3, y), (x - 3, y)], k.WALNUT, pen=2.2)
    c.rect(10, 56, 90, 66, k.WOOD, 5)
    c.fill(
        outline((8, 56), ((4, 32), (30, 34), (50, 34)), ((70, 34), (96, 32), (92, 56))),
        (92, 160, 110),
    )
    for x in (32, 50, 68):
        c.flat(circle(x, 45, 2.2), (50, 100, 70))


@icon("Curtains")
def curtains(c: Canvas) -> None:
    """Red curtains, drawn apart, on a rod."""
    c.rect(22, 16, 78, 90, (176, 220, 244), pen=1.6)
    for side in (-1, 1):
        cloth = outline(
            (50 + side * 44, 12),
            ((50 + side * 6, 12),),
            ((50 + side * 10, 44), (50 + side * 24, 52), (50 + side * 26, 60)),
            ((50 + side * 22, 76), (50 + side * 20, 84), (50 + side * 20, 94)),
            ((50 + side * 44, 94),),
        )
        c.fill(cloth, (206, 70, 80))
        for d in (36, 28, 20):
            c.line(
                outline(
                    (50 + side * d, 16),
                    (
                        (50 + side * (d + 2), 44),
                        (50 + side * (30 + d * 0.2), 56),
                        (50 + side * (28 + d * 0.3), 92),
                    ),
                ),
                (150, 40, 56),
                1.8,
            )
        c.rect(50 + side * 34 - 10, 56, 50 + side * 34 + 10, 62, k.GOLD, 2, pen=1.4)
    c.rect(2, 6, 98, 13, k.WALNUT, 3)


@icon("Blinds")
def blinds(c: Canvas) -> None:
    """Window blinds of level slats with cords."""
    c.rect(8, 8, 92, 92, (150, 206, 240), pen=2)
    for y in range(16, 86, 10):
        c.rect(7, y, 93, y + 7.4, (240, 236, 224), 1, pen=1.5)
    c.rect(5, 6, 95, 15, (206, 198, 180), 2)
    c.rect(5, 86, 95, 93, (206, 198, 180), 2)
    for x in (26, 74):
        c.line([(x, 12), (x, 88)], (150, 140, 124), 1.6)


@icon("Window")
def window(c: Canvas) -> None:
    """A window with four panes, sky and a hill."""
    c.rect(10, 6, 90, 84, k.WHITE, 2)
    c.rect(17, 13, 83, 77, (140, 204, 246), pen=1.4)
    c.flat(
        [(17, 77), (17, 62), *outline((17, 62), ((34, 46), (56, 66), (83, 54))), (83, 77)],
        (122, 190, 100),
    )
    c.flat(circle(66, 28, 8), (255, 232, 120))
    c.rect(46.5, 13, 53.5, 77, k.WHITE, pen=1.4)
    c.rect(17, 42, 83, 48.5, k.WHITE, pen=1.4)
    c.rect(4, 83, 96, 92, (232, 228, 218), 2)


@icon("Painting")
def painting(c: Canvas) -> None:
    """A landscape with mountains in a gold frame."""
    c.rect(6, 14, 94, 86, k.GOLD, 2)
    c.rect(15, 23, 85, 77, (250, 196, 140), pen=1.6)
    c.flat(circle(64, 42, 9), (240, 96, 70))
    c.flat([(15, 77), (15, 62), (34, 36), (50, 58), (62, 46), (85, 68), (85, 77)], (100, 92, 150))
    c.flat([(15, 77), (15, 70), (50, 64), (85, 72), (85, 77)], (70, 130, 100))
    c.line([(30, 14), (50, 4), (70, 14)], k.IRON, 2)


@icon("Poster")
def poster(c: Canvas) -> None:
    """A paper poster with a curled corner, pinned to the wall."""
    c.fill([(18, 6), (82, 6), (82, 80), (70, 95), (18, 95)], (70, 80, 140))
    c.fill([(82, 80), (70, 95), (67, 79)], (214, 216, 230), pen=1.8)
    c.fill(k.star(50, 40, 24, 10, 5), k.YELLOW, pen=1.6)
    c.line([(28, 72), (62, 72)], k.WHITE, 4.6)
    c.line([(28, 82), (56, 82)], k.WHITE, 4.6)
    for x in (23, 77):
        c.oval(x, 11, 3.4, 3.4, k.RED, pen=1.2)


@icon("Mirror")
def mirror(c: Canvas) -> None:
    """An oval mirror in a carved frame."""
    c.oval(50, 50, 36, 45, (176, 118, 66))
    c.oval(50, 50, 28, 37, (196, 226, 240), pen=1.8)
    c.shine([(36, 60), (60, 24), (66, 30), (42, 68)], 0.65)
    c.shine([(48, 74), (70, 42), (72, 48), (53, 78)], 0.5)
    c.oval(50, 6, 8, 4.6, k.GOLD, pen=1.8)


@icon("LightSwitch")
def light_switch(c: Canvas) -> None:
    """A white wall switch with a rocker."""
    c.rect(22, 8, 78, 92, k.WHITE, 8)
    c.rect(38, 30, 62, 70, (214, 214, 220), 4, pen=1.8)
    c.fill([(38, 32), (62, 32), (62, 50), (38, 50)], (244, 244, 246), pen=1.4)
    for y in (18, 82):
        c.flat(circle(50, y, 3), (150, 152, 160))
    c.flat(circle(50, 40, 2.6), (150, 152, 160))
