"""Icons of what is eaten."""

from __future__ import annotations

from card_art.canvas import circle, mirrored, outline

from household import canvas as k
from household.canvas import Canvas, icon


def apple_side() -> list[tuple[float, float]]:
    """The right half of an apple's outline, from the dent above to the dent below."""
    return outline(
        (50, 32),
        ((56, 25), (84, 22), (88, 46)),
        ((91, 68), (74, 92), (62, 92)),
        ((56, 92), (54, 89), (50, 89)),
    )


@icon("Apple")
def apple(c: Canvas) -> None:
    """A red apple with stem and leaf."""
    c.ground(50, 92, 30)
    c.fill(mirrored(apple_side(), 50), (214, 48, 50))
    c.line(outline((50, 35), ((50, 24), (53, 18), (57, 13))), k.WALNUT, 4.4)
    leaf = outline((54, 24), ((60, 8), (78, 10), (84, 12)), ((80, 26), (64, 30), (54, 24)))
    c.fill(leaf, k.GREEN)
    c.shine(circle(31, 46, 6, 10), 0.55)


@icon("AppleSliced")
def apple_sliced(c: Canvas) -> None:
    """A halved apple that shows its core, and a wedge."""
    c.ground(50, 92, 40)
    half = [(x - 11, y) for x, y in mirrored(apple_side(), 50)]
    c.fill(half, (214, 48, 50))
    inner = [(39 + (x - 39) * 0.83, 60 + (y - 60) * 0.83) for x, y in half]
    c.fill(inner, (255, 244, 206), pen=0.8)
    for side in (-1, 1):
        c.fill(k.turned(circle(39 + side * 5.5, 60, 3, 7), side * 14, (39, 60)), k.WALNUT, pen=0)
    c.line([(39, 36), (40, 22)], k.WALNUT, 4)
    wedge = outline((60, 84), ((66, 62), (84, 56), (97, 62)), ((96, 84), (78, 98), (60, 84)))
    c.fill(wedge, (214, 48, 50))
    flesh = outline((61, 82), ((66, 63), (84, 57), (96, 62)), ((84, 74), (74, 80), (61, 82)))
    c.fill(flesh, (255, 244, 206), pen=1)


def loaf_end(x: float, width: float, top: float, base: float) -> list[tuple[float, float]]:
    """A slice of bread as seen from the front."""
    half = width / 2
    side = outline(
        (x, top),
        ((x + half * 0.9, top - 3), (x + half * 1.25, top + 14), (x + half * 0.8, top + 24)),
        (((x + half * 0.86), base),),
    )
    return mirrored(side, x)


@icon("Bread")
def bread(c: Canvas) -> None:
    """A whole loaf with three cuts in its crust."""
    c.ground(50, 84, 44)
    loaf = outline(
        (7, 72),
        ((2, 36), (24, 30), (50, 30)),
        ((76, 30), (98, 36), (93, 72)),
        ((92, 84), (84, 84), (74, 84)),
        ((26, 84),),
        ((12, 84), (8, 84), (7, 72)),
    )
    c.fill(loaf, (206, 138, 66))
    for x in (27, 49, 71):
        cut = outline(
            (x - 8, 56),
            ((x - 7, 42), (x - 1, 36), (x + 8, 35)),
            ((x + 6, 46), (x + 2, 54), (x - 8, 56)),
        )
        c.fill(cut, (252, 222, 160), pen=1.4)


@icon("BreadSliced")
def bread_sliced(c: Canvas) -> None:
    """Three slices of toast bread, one behind the other."""
    c.ground(50, 88, 42)
    for x, y in ((70, 24), (54, 26), (36, 28)):
        c.fill(loaf_end(x, 54, y, 60 + y), (188, 118, 54))
        c.fill(loaf_end(x - 1, 43, y + 6, 55 + y), (254, 232, 184), pen=0.8)
    for x, y in ((28, 52), (40, 46), (33, 70), (44, 64), (24, 66)):
        c.flat(circle(x, y, 2.2, 1.6), (226, 190, 130))


@icon("Egg")
def egg(c: Canvas) -> None:
    """A brown speckled egg."""
    c.ground(50, 91, 28)
    side = outline((50, 10), ((70, 10), (83, 44), (83, 62)), ((83, 82), (68, 92), (50, 92)))
    c.fill(mirrored(side, 50), (246, 214, 176))
    c.shine(k.turned(circle(37, 42, 6, 12), 16, (37, 42)), 0.6)
    for x, y in ((60, 36), (66, 58), (52, 70), (42, 62), (60, 78), (70, 70), (47, 28)):
        c.flat(circle(x, y, 1.9), (206, 156, 110))


@icon("EggSliced")
def egg_sliced(c: Canvas) -> None:
    """A cracked egg: its yolk in the lower shell, the upper one next to it."""
    c.ground(50, 90, 42)
    white = outline(
        (6, 78),
        ((2, 62), (26, 60), (34, 66)),
        ((46, 54), (84, 58), (90, 70)),
        ((102, 84), (84, 94), (68, 88)),
        ((50, 98), (14, 98), (6, 78)),
    )
    c.fill(white, k.WHITE)
    c.oval(46, 74, 19, 14, (252, 184, 40))
    c.shine(circle(39, 69, 5, 3), 0.7)
    for x, turn in ((32, -24), (74, 22)):
        shell = [
            *outline(
                (x - 20, 40),
                ((x - 18, 12), (x - 6, 6), (x, 6)),
                ((x + 8, 6), (x + 18, 14), (x + 20, 40)),
            ),
            (x + 13, 31),
            (x + 6, 41),
            (x - 1, 30),
            (x - 8, 41),
            (x - 14, 32),
        ]
        c.fill(k.turned(shell, turn, (x, 28)), (246, 214, 176))


@icon("Lettuce")
def lettuce(c: Canvas) -> None:
    """A head of lettuce: frilled leaves around a pale heart."""
    c.ground(50, 91, 36)
    for x, y, r, colour in (
        (50, 56, 42, (88, 164, 66)),
        (47, 59, 33, (122, 192, 84)),
        (51, 62, 23, (164, 216, 110)),
        (49, 66, 13, (212, 236, 156)),
    ):
        frill = []
        for step in range(72):
            a = step * 5
            wave = 1 + 0.075 * (1 if step % 6 < 3 else -1)
            frill.append(k.turned([(x, y - r * wave * 0.86)], a, (x, y))[0])
        c.fill(frill, colour, pen=1.9)
    for a in (-62, -30, 0, 30, 62):
        c.line(k.turned([(50, 74), (50, 42)], a, (50, 80)), (232, 246, 196), 2.0, 0.9)


@icon("LettuceSliced")
def lettuce_sliced(c: Canvas) -> None:
    """Separate leaves of lettuce, fanned out, with white ribs."""
    c.ground(50, 90, 40)
    for a, colour in ((-44, (98, 170, 70)), (44, (98, 170, 70)), (0, (140, 202, 92))):
        leaf = outline(
            (50, 92),
            ((36, 84), (24, 60), (31, 44)),
            ((24, 34), (34, 28), (38, 24)),
            ((38, 12), (48, 16), (50, 12)),
            ((52, 16), (62, 12), (62, 24)),
            ((66, 28), (76, 34), (69, 44)),
            ((76, 60), (64, 84), (50, 92)),
        )
        leaf = [(50 + (x - 50) * 0.86, 92 + (y - 92) * (0.92 if a == 0 else 0.8)) for x, y in leaf]
        c.fill(k.turned(leaf, a, (50, 90)), colour, pen=2.2)
        rib = [[(50, 90), (50, 40)], [(50, 68), (41, 50)], [(50, 68), (59, 50)]]
        for line in rib:
            c.line(k.turned(line, a, (50, 90)), (236, 248, 206), 3.2)


@icon("Potato")
def potato(c: Canvas) -> None:
    """A lumpy brown potato with eyes."""
    c.ground(50, 84, 40)
    body = outline(
        (10, 62),
        ((6, 40), (26, 28), (44, 32)),
        ((62, 22), (92, 30), (93, 54)),
        ((94, 74), (76, 84), (58, 80)),
        ((42, 88), (14, 88), (10, 62)),
    )
    c.fill(body, (190, 146, 92))
    for x, y in ((32, 46), (58, 42), (74, 58), (46, 66), (24, 66), (64, 72)):
        c.line(outline((x - 4, y), ((x - 1, y + 3.5), (x + 4, y))), (116, 80, 48), 2.4)
    c.shine(k.turned(circle(27, 44, 5, 8), 50, (27, 44)), 0.25)


@icon("PotatoSliced")
def potato_sliced(c: Canvas) -> None:
    """Yellow potato slices in a row, brown at the rim."""
    c.ground(50, 86, 44)
    for x in (72, 55, 38):
        c.oval(x, 56, 22, 29, (170, 122, 70))
        c.oval(x - 1.5, 56, 17.5, 24.5, (250, 224, 140), pen=0)
    for x, y in ((30, 48), (40, 62), (34, 72), (42, 44)):
        c.flat(circle(x, y, 1.8), (222, 184, 96))


@icon("Tomato")
def tomato(c: Canvas) -> None:
    """A flat round tomato with a green star of sepals."""
    c.ground(50, 90, 38)
    side = outline((50, 30), ((66, 20), (96, 26), (94, 58)), ((92, 82), (70, 91), (50, 91)))
    c.fill(mirrored(side, 50), (232, 74, 48))
    for a in (-75, -38, 0, 38, 75):
        sepal = outline((45, 30), ((44, 42), (48, 52), (50, 55)), ((52, 52), (56, 42), (55, 30)))
        c.fill(k.turned(sepal, a, (50, 30)), k.LEAF, pen=1.2)
    c.line([(50, 32), (53, 16)], k.LEAF, 5)
    c.shine(k.turned(circle(22, 54, 4.5, 9), 14, (22, 54)), 0.5)


@icon("TomatoSliced")
def tomato_sliced(c: Canvas) -> None:
    """Round tomato slices with seed chambers."""
    c.ground(50, 90, 44)
    for x, y, r in ((68, 40, 26), (36, 60, 31)):
        c.oval(x, y, r, r, (226, 66, 44))
        c.oval(x, y, r * 0.82, r * 0.82, (250, 138, 104), pen=0)
        for a in range(0, 360, 72):
            chamber = circle(x, y - r * 0.47, r * 0.2, r * 0.26)
            c.fill(k.turned(chamber, a, (x, y)), (206, 44, 34), pen=0)
            for dx in (-0.08, 0.08):
                seed = circle(x + dx * r, y - r * 0.47, r * 0.045, r * 0.09)
                c.flat(k.turned(seed, a, (x, y)), (255, 226, 130))
