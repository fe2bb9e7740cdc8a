"""Icons of what is cooked, eaten and drunk with."""

from __future__ import annotations

from card_art.canvas import Colour, circle, mirrored, outline

from household import canvas as k
from household.canvas import Canvas, icon

TILT = 38


def tilted(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Upright cutlery turned to lie from the lower left to the upper right."""
    return k.turned(points, TILT)


def grip(c: Canvas, colour: Colour, top: float, width: float = 6) -> None:
    """A tilted handle from `top` to the lower end."""
    c.fill(tilted(k.box(50 - width, top, 50 + width, 104, width)), colour)


@icon("Bowl")
def bowl(c: Canvas) -> None:
    """A blue bowl, wide and empty, on a foot."""
    c.ground(50, 88, 34)
    c.rect(36, 78, 64, 88, (64, 112, 186), 3)
    body = outline((6, 46), ((8, 74), (30, 84), (50, 84)), ((70, 84), (92, 74), (94, 46)))
    c.fill(body, (84, 140, 214))
    c.oval(50, 46, 44, 13, (84, 140, 214))
    c.oval(50, 47.5, 38, 9, (60, 108, 184), pen=1, depth=-1)
    for x in (22, 41, 60, 79):
        c.oval(x, 68 - abs(x - 50) * 0.1, 4, 4, k.WHITE, pen=0)


@icon("Plate")
def plate(c: Canvas) -> None:
    """A white plate with a blue rim, seen from above."""
    c.ground(50, 84, 44, 6)
    c.oval(50, 58, 46, 30, k.WHITE)
    c.oval(50, 57, 40, 25, (92, 146, 214), pen=0)
    c.oval(50, 57, 36.5, 22.2, k.WHITE, pen=0)
    c.oval(50, 59, 27, 15, (226, 226, 232), pen=1.4, depth=-1)


@icon("Cup")
def cup(c: Canvas) -> None:
    """A drinking cup of orange plastic without a handle, with a straw-white rim."""
    c.ground(50, 92, 26)
    body = [(20, 18), (80, 18), (71, 92), (29, 92)]
    c.fill(body, (240, 146, 58))
    c.fill([(22.4, 38), (77.6, 38), (75.2, 58), (24.8, 58)], k.CREAM, pen=0)
    c.oval(50, 18, 30, 9, (252, 190, 120))
    c.oval(50, 19, 25, 6, (214, 122, 50), pen=1, depth=-1)
    c.shine([(28, 30), (33, 31), (38, 86), (34, 86)], 0.35)


@icon("Mug")
def mug(c: Canvas) -> None:
    """A red mug with a large handle."""
    c.ground(44, 91, 32)
    c.line(outline((66, 40), ((98, 36), (98, 76), (66, 74))), k.darker((206, 62, 62), 0.62), 14)
    c.line(outline((66, 40), ((98, 36), (98, 76), (66, 74))), (206, 62, 62), 9)
    body = [
        *outline(
            (12, 26),
            ((12, 60), (14, 84), (18, 88)),
            ((28, 95), (58, 95), (68, 88)),
            ((72, 84), (74, 60), (74, 26)),
        )
    ]
    c.fill(body, (214, 66, 64))
    c.oval(43, 26, 31, 9, (234, 110, 104))
    c.oval(43, 27, 26, 6, (176, 46, 48), pen=1, depth=-1)
    c.shine(k.box(20, 42, 26, 78, 3), 0.4)


@icon("Glassbottle")
def glass_bottle(c: Canvas) -> None:
    """An empty clear glass bottle of milk-bottle shape with a metal cap."""
    c.ground(50, 93, 24)
    side = outline(
        (50, 12), ((61, 12),), ((60, 34),), ((60, 46), (75, 46), (75, 60)), ((75, 92),), ((50, 92),)
    )
    side = [
        (50, 12),
        *outline((60, 12), ((60, 32),), ((60, 46), (75, 46), (75, 60)), ((75, 90),)),
        (73, 93),
        (50, 93),
    ]
    c.fill(mirrored(side, 50), (178, 226, 232), alpha=0.72)
    c.line(outline((28, 88), ((40, 92), (60, 92), (72, 88))), (120, 178, 190), 1.8)
    c.shine(k.box(32, 54, 38, 86, 3), 0.75)
    c.shine(k.box(43, 18, 46, 34, 1.5), 0.75)
    c.rect(37, 5, 63, 15, (120, 130, 148), 3)


@icon("WineBottle")
def wine_bottle(c: Canvas) -> None:
    """A dark green wine bottle with a label and a red capsule."""
    c.ground(50, 95, 20)
    side = [
        (50, 4),
        *outline((57, 4), ((57, 32),), ((57, 44), (69, 42), (69, 56)), ((69, 92),)),
        (67, 95),
        (50, 95),
    ]
    c.fill(mirrored(side, 50), (44, 92, 62))
    c.rect(42, 3, 58, 25, (150, 34, 54), 2)
    c.rect(31, 60, 69, 84, k.CREAM, pen=1.6)
    for x, y in ((46, 68), (54, 68), (50, 74.5)):
        c.flat(circle(x, y, 3.8), (120, 40, 90))
    c.shine(k.box(35, 50, 38.5, 58, 1.7), 0.6)


@icon("Fork")
def fork(c: Canvas) -> None:
    """A steel fork with four prongs."""
    neck = outline(
        (46, 104), ((44, 70), (47, 56), (46, 50)), ((36, 46), (33, 40), (33, 30)), ((33, 0),)
    )
    shape = [*neck, (38, 0), (39, 26), (43, 26), (43.5, 0), (48, 0)]
    side = [(100 - x, y) for x, y in reversed(shape)]
    c.fill(tilted([*shape, (48.5, 26), (51.5, 26), *side]), k.CHROME)
    c.line(tilted([(50, 98), (50, 60)]), k.lighter(k.CHROME, 0.8), 2)


@icon("Spoon")
def spoon(c: Canvas) -> None:
    """A steel spoon with an oval bowl."""
    c.fill(tilted([(46.5, 40), (53.5, 40), (55, 104), (45, 104)]), k.CHROME)
    c.fill(tilted(circle(50, 18, 17, 24)), k.CHROME)
    c.fill(tilted(circle(50, 19, 11.5, 17)), k.STEEL, pen=0, depth=-1)
    c.shine(tilted(circle(45, 10, 3, 6)), 0.7)


@icon("Knife")
def knife(c: Canvas) -> None:
    """A chef's knife: a broad pointed blade and a black riveted handle."""
    blade = outline((42, 62), ((42, -6),), ((60, 10), (64, 40), (64, 62)))
    c.fill(tilted(blade), k.lighter(k.CHROME, 0.3))
    c.line(tilted(outline((60, 60), ((60, 38), (56, 18), (50, 8)))), k.WHITE, 2.2)
    c.fill(tilted(k.box(40, 60, 57, 106, 5)), (58, 52, 60))
    for y in (70, 82, 94):
        c.flat(tilted(circle(48.5, y, 2.8)), k.CHROME)


@icon("ButterKnife")
def butter_knife(c: Canvas) -> None:
    """A table knife: all steel, narrow, with a round end."""
    blade = outline(
        (46, 54),
        ((42, 46), (42, 20), (43, 8)),
        ((44, -8), (58, -4), (58, 12)),
        ((58, 36), (56, 46), (54, 54)),
    )
    c.fill(tilted(blade), k.lighter(k.CHROME, 0.45))
    c.fill(tilted(k.box(44, 52, 56, 105, 5)), k.GOLD)
    c.line(tilted([(47.5, 60), (47.5, 98)]), k.lighter(k.GOLD, 0.7), 2)


@icon("Ladle")
def ladle(c: Canvas) -> None:
    """A soup ladle: a long hooked handle above a deep round bowl."""
    hook = outline((62, 64), ((62, 20),), ((62, 4), (82, 2), (83, 16)))
    c.line(hook, k.darker(k.CHROME, 0.62), 10)
    c.line(hook, k.CHROME, 5.4)
    body = outline((12, 58), ((12, 84), (28, 94), (42, 94)), ((58, 94), (70, 82), (70, 58)))
    c.fill(body, k.CHROME)
    c.oval(41, 58, 29, 8.5, k.lighter(k.CHROME, 0.4))
    c.oval(41, 59, 23, 5.5, k.IRON, pen=1)
    c.shine(circle(25, 76, 4, 7), 0.6)


@icon("Spatula")
def spatula(c: Canvas) -> None:
    """A slotted turner with a wooden handle."""
    c.fill(tilted([(47, 34), (53, 34), (53.5, 64), (46.5, 64)]), k.STEEL)
    c.fill(tilted(k.box(33, -2, 67, 40, 8)), (74, 80, 92))
    for x in (39.7, 47.4, 55.1):
        c.fill(tilted(k.box(x, 5, x + 4.8, 32, 2.4)), (214, 220, 226), pen=0)
    grip(c, k.WOOD, 60)


@icon("Pan")
def pan(c: Canvas) -> None:
    """A black frying pan seen from above, its handle to the upper right."""
    c.ground(40, 88, 34)
    c.fill(k.turned(k.box(60, 34, 100, 46, 6), -36, (44, 56)), (92, 56, 40))
    c.oval(40, 60, 37, 32, (70, 74, 86))
    c.oval(40, 58, 30, 25, (44, 46, 56), pen=1.4, depth=-1)
    c.line(outline((20, 60), ((20, 48), (28, 40), (36, 38))), (150, 158, 172), 3, 0.8)


@icon("Pot")
def pot(c: Canvas) -> None:
    """A tall steel cooking pot with two handles and a lid."""
    c.ground(50, 92, 36)
    for x in (9, 91):
        c.line([(50, 52), (x, 52), (x, 60), (50, 60)], k.darker(k.STEEL, 0.62), 7)
    c.rect(17, 40, 83, 92, k.STEEL, 7)
    c.rect(17, 70, 83, 77, k.darker(k.STEEL, 0.2), pen=0)
    c.fill(outline((13, 40), ((16, 22), (84, 22), (87, 40))), k.lighter(k.STEEL, 0.25))
    c.oval(50, 21, 8, 6, k.COAL)
    c.shine(k.box(25, 48, 31, 86, 3), 0.55)


@icon("Kettle")
def kettle(c: Canvas) -> None:
    """A teal kettle with a spout and a bail handle."""
    c.ground(50, 92, 36)
    bail = outline((26, 46), ((28, 2), (74, 2), (76, 46)))
    c.line(bail, k.darker(k.COAL, 0.6), 9.6)
    c.line(bail, k.COAL, 5.4)
    spout = [(68, 58), (92, 34), (98, 40), (82, 76)]
    c.fill(spout, (66, 150, 160))
    body = outline(
        (14, 86),
        ((8, 52), (28, 38), (50, 38)),
        ((72, 38), (92, 52), (86, 86)),
        ((82, 93), (18, 93), (14, 86)),
    )
    c.fill(body, (70, 164, 172))
    c.oval(50, 40, 17, 5, (70, 164, 172))
    c.oval(50, 33, 5.5, 5, k.COAL)
    c.shine(k.turned(circle(28, 60, 4.5, 11), 18, (28, 60)), 0.5)


def shaker(
    c: Canvas, body: Colour, grains: Colour, letter: list[list[tuple[float, float]]]
) -> None:
    """A shaker with a steel cap, its filling to be seen, and its letter."""
    c.ground(50, 94, 24)
    c.fill([(33, 38), (67, 38), (75, 94), (25, 94)], body)
    c.fill([(28.6, 68), (71.4, 68), (74, 92.5), (26, 92.5)], grains, pen=0)
    cap = outline((31, 39), ((31, 4), (69, 4), (69, 39)))
    c.fill(cap, k.CHROME)
    for x, y in ((43, 22), (50, 19), (57, 22), (46.5, 28), (53.5, 28)):
        c.flat(circle(x, y, 2), k.COAL)
    c.oval(50, 66, 15, 15, k.WHITE, pen=1.4)
    for stroke in letter:
        c.line(stroke, k.INK, 4.4)


@icon("SaltShaker")
def salt_shaker(c: Canvas) -> None:
    """A glass shaker of white salt, marked S."""
    curve = outline(
        (56, 60),
        ((52, 54), (42, 57), (44, 62)),
        ((46, 67), (56, 64), (56.5, 70)),
        ((56, 77), (46, 77), (43.5, 71.5)),
    )
    shaker(c, (212, 232, 242), k.WHITE, [curve])


@icon("PepperShaker")
def pepper_shaker(c: Canvas) -> None:
    """A dark shaker of pepper, marked P."""
    curve = outline((46, 57), ((54, 57),), ((61, 57), (61, 67), (54, 67)), ((46, 67),))
    shaker(c, (108, 76, 62), (52, 42, 44), [[(46, 57), (46, 76)], curve])


@icon("DishSponge")
def dish_sponge(c: Canvas) -> None:
    """A yellow sponge with pores and a green scouring side."""
    c.ground(50, 84, 44)
    c.rect(6, 34, 94, 54, (70, 150, 84), 6)
    c.rect(6, 46, 94, 84, (250, 212, 76), 7)
    for x, y, r in (
        (20, 58, 4),
        (36, 70, 5),
        (54, 58, 3.6),
        (70, 72, 4.6),
        (82, 58, 3.6),
        (22, 75, 3),
        (55, 76, 3),
    ):
        c.oval(x, y, r, r * 0.85, (204, 152, 40), pen=0, depth=-1)


@icon("PaperTowel")
def paper_towel(c: Canvas) -> None:
    """Loose sheets of kitchen paper with a quilted pattern and a perforated edge."""
    c.ground(52, 86, 40)
    for a, colour in ((14, (222, 224, 226)), (-6, k.WHITE)):
        sheet = k.turned(k.box(16, 18, 84, 84), a)
        c.fill(sheet, colour, pen=2.2)
    for i in range(4):
        for j in range(4):
            place = k.turned([(26 + i * 16, 28 + j * 15)], -6)[0]
            c.fill(
                k.turned(
                    k.box(place[0] - 3.4, place[1] - 3.4, place[0] + 3.4, place[1] + 3.4), 45, place
                ),
                (132, 186, 226),
                pen=0,
            )


@icon("PaperTowelRoll")
def paper_towel_roll(c: Canvas) -> None:
    """A tall roll of kitchen paper on a wooden stand, a sheet hanging loose."""
    c.ground(50, 94, 34)
    c.oval(48, 88, 38, 7, k.WOOD)
    c.fill([(70, 20), (92, 24), (90, 84), (70, 80)], (232, 232, 230))
    for y in range(26, 82, 9):
        c.flat(circle(88, y, 1.2), (150, 156, 166))
    c.rect(20, 18, 74, 86, k.WHITE, 3)
    for y in (38, 60, 78):
        for x in (30, 43, 56):
            c.flat(k.turned(k.box(x - 2.6, y - 2.6, x + 2.6, y + 2.6), 45, (x, y)), (132, 186, 226))
    c.oval(47, 18, 27, 8, (238, 236, 232))
    c.oval(47, 18, 9, 3.2, (196, 160, 116), pen=1.2)
    c.line([(47, 18), (47, 7)], k.WALNUT, 5)
    c.oval(47, 6, 5, 4, k.WOOD, pen=1.6)
