"""Icons of what is found in bathrooms and what one cleans with."""

from __future__ import annotations

from card_art.canvas import circle, mirrored, outline

from household import canvas as k
from household.canvas import Canvas, icon


@icon("Cloth")
def cloth(c: Canvas) -> None:
    """A red and white checked cleaning cloth with a corner folded over."""
    c.ground(50, 88, 42)
    red = (222, 84, 92)
    c.fill(k.turned(k.box(16, 16, 84, 84, 3), 12), k.WHITE)
    for i in range(3):
        a = 22 + i * 22
        for line in (k.box(a, 17, a + 11, 83), k.box(17, a, 83, a + 11)):
            c.flat(k.turned(line, 12), red, 0.5)
    outlined = [*k.turned(k.box(16, 16, 84, 84, 3), 12)]
    c.line([*outlined, outlined[0]], k.darker(red, 0.5), 2.6)
    c.fill(k.turned([(84, 50), (50, 84), (52, 56)], 12), (246, 190, 194))


@icon("Towel")
def towel(c: Canvas) -> None:
    """One thick bath towel, folded to a square, with pale stripes and the fold at its side."""
    blue = (84, 150, 206)
    c.ground(50, 88, 42)
    c.fill(
        outline(
            (16, 18),
            ((84, 18),),
            ((96, 18), (96, 34), (86, 34)),
            ((86, 34),),
            ((92, 34), (92, 42), (92, 50)),
            ((92, 74),),
            ((92, 84), (86, 88), (80, 88)),
            ((12, 88),),
            ((6, 88), (6, 80), (6, 74)),
            ((6, 30),),
            ((6, 20), (8, 18), (16, 18)),
        ),
        blue,
    )
    c.line(outline((86, 34), ((60, 32), (40, 36), (16, 33))), k.darker(blue, 0.5), 2.4)
    for y in (62, 74):
        c.rect(7.4, y, 90.6, y + 6, k.PAPER, pen=0)
    c.line(outline((16, 26), ((36, 24), (56, 27), (74, 25))), k.lighter(blue, 0.65), 2.2)
    for x in (32, 62):
        c.line(outline((x, 42), ((x + 2, 48), (x - 2, 52), (x, 57))), k.darker(blue, 0.25), 1.8)


@icon("HandTowel")
def hand_towel(c: Canvas) -> None:
    """A small green towel, laid flat, with white stripes and a fringe."""
    green = (104, 188, 128)
    tilt = -8
    for x in range(27, 76, 6):
        for ends in ((82, 92), (16, 8)):
            c.line(k.turned([(x, ends[0]), (x, ends[1])], tilt), k.darker(green, 0.4), 2.8)
    c.fill(k.turned(k.box(22, 14, 78, 86, 2), tilt), green)
    for y in (22, 70):
        c.fill(k.turned(k.box(23.4, y, 76.6, y + 6), tilt), k.WHITE, pen=0)
    for x, sway in ((38, -2), (60, 2)):
        fold = outline((x, 34), ((x + sway, 44), (x - sway, 54), (x, 64)))
        c.line(k.turned(fold, tilt), (70, 146, 94), 1.8)


@icon("SoapBar")
def soap_bar(c: Canvas) -> None:
    """A dry pink bar of soap."""
    c.ground(48, 88, 42)
    c.fill(
        outline(
            (8, 66),
            ((8, 50), (22, 46), (48, 46)),
            ((76, 46), (90, 50), (90, 66)),
            ((90, 84), (78, 88), (48, 88)),
            ((18, 88), (8, 84), (8, 66)),
        ),
        (238, 148, 186),
    )
    c.oval(49, 63, 30, 10.5, (246, 180, 208), pen=1.8)
    for x in (36, 45, 54, 63):
        c.line([(x, 59), (x - 3, 67)], (204, 100, 146), 2.4)


@icon("SoapBottle")
def soap_bottle(c: Canvas) -> None:
    """A soap dispenser with a pump and a drop."""
    c.ground(50, 95, 26)
    c.rect(46.5, 14, 53.5, 36, k.CHROME, 1)
    c.fill(
        outline(
            (26, 16),
            ((26, 6), (40, 6), (46, 6)),
            ((60, 6),),
            ((64, 6), (64, 18), (60, 18)),
            ((34, 18),),
            ((34, 22),),
            ((27, 22),),
        ),
        k.WHITE,
    )
    c.rect(37, 32, 63, 42, k.WHITE, 3)
    side = [
        (50, 42),
        *outline((64, 42), ((78, 44), (78, 56), (78, 62)), ((78, 90),)),
        (74, 95),
        (50, 95),
    ]
    c.fill(mirrored(side, 50), (196, 120, 214))
    c.rect(31, 58, 69, 84, k.WHITE, 4, pen=1.4)
    drop = outline(
        (50, 61),
        ((44, 70), (42, 73), (42, 75)),
        ((42, 84), (58, 84), (58, 75)),
        ((58, 73), (56, 70), (50, 61)),
    )
    c.fill(drop, k.SKY, pen=1.4)


@icon("SprayBottle")
def spray_bottle(c: Canvas) -> None:
    """A cleaner's bottle with a red trigger head."""
    c.ground(54, 95, 26)
    c.rect(46, 26, 62, 44, k.WHITE, 1)
    c.fill([(34, 24), (44, 26), (40, 46), (34, 44)], (150, 40, 44), pen=2)
    c.fill([(26, 10), (32, 6), (70, 6), (76, 16), (68, 28), (32, 26), (26, 22)], (222, 66, 60))
    side = outline(
        (46, 42),
        ((44, 54), (30, 54), (30, 66)),
        ((30, 92),),
        ((33, 95),),
        ((77, 95),),
        ((80, 92),),
        ((80, 66),),
        ((78, 54), (64, 54), (62, 42)),
    )
    c.fill(side, (110, 196, 232))
    c.flat(
        [(31.4, 74), (78.6, 74), (78.6, 92), (76, 93.6), (34, 93.6), (31.4, 92)],
        (60, 146, 210),
        0.9,
    )
    c.fill(k.star(55, 74, 12, 5, 6), k.YELLOW, pen=1.6)


@icon("ToiletPaper")
def toilet_paper(c: Canvas) -> None:
    """A full roll of toilet paper, its end hanging down."""
    c.ground(50, 92, 42)
    c.fill([(64, 52), (94, 52), (94, 92), (86, 88), (79, 92), (71, 88), (64, 92)], (238, 238, 240))
    c.rect(22, 16, 79, 84, k.WHITE, 4, pen=0)
    c.fill(
        [
            *outline(
                (30, 14),
                ((76, 14),),
                ((94, 14), (94, 52), (94, 52)),
                ((94, 74), (84, 84), (74, 84)),
                ((30, 84),),
            )
        ],
        k.WHITE,
    )
    c.oval(30, 49, 24, 35, k.WHITE)
    for r in (0.82, 0.66):
        ring = circle(30, 49, 24 * r, 35 * r)
        c.line([*ring, ring[0]], (206, 208, 216), 1.4)
    c.oval(30, 49, 9, 13, (196, 158, 112))
    c.oval(31, 50, 5, 9, (104, 76, 52), pen=0, depth=-1)
    for y in (62, 72):
        c.line([(70, y + 6), (90, y + 6)], (206, 208, 216), 1.6)


@icon("ToiletPaperRoll")
def toilet_paper_roll(c: Canvas) -> None:
    """An empty cardboard tube."""
    c.ground(50, 84, 42)
    card = (200, 156, 106)
    c.fill([*outline((22, 34), ((84, 22),), ((98, 30), (98, 62), (86, 70)), ((26, 84),))], card)
    for x in (44, 64, 84):
        c.line(
            outline(
                (x - 6, 32 - (x - 40) * 0.17),
                ((x + 6, 44), (x + 6, 64), (x - 2, 78 - (x - 40) * 0.2)),
            ),
            k.darker(card, 0.28),
            1.8,
        )
    c.fill(k.turned(circle(24, 59, 16, 25), -6, (24, 59)), k.lighter(card, 0.3))
    c.fill(k.turned(circle(24.5, 59, 11.5, 20), -6, (24, 59)), (104, 74, 50), pen=1.4, depth=-1)


@icon("Plunger")
def plunger(c: Canvas) -> None:
    """A red rubber plunger on a wooden stick."""
    c.ground(50, 94, 32)
    c.rect(45.5, 4, 54.5, 60, k.OAK, 4)
    c.fill(
        outline(
            (40, 56),
            ((60, 56),),
            ((64, 62), (80, 64), (82, 82)),
            ((18, 82),),
            ((20, 64), (36, 62), (40, 56)),
        ),
        (206, 62, 54),
    )
    c.rect(14, 81, 86, 94, (178, 46, 46), 5)
    c.shine(k.turned(circle(34, 72, 3.6, 7), 26, (34, 72)), 0.45)


@icon("ScrubBrush")
def scrub_brush(c: Canvas) -> None:
    """A toilet brush with white bristles in a holder."""
    c.ground(50, 94, 30)
    c.rect(46, 4, 54, 50, (96, 176, 206), 4)
    for a in range(-60, 61, 12):
        c.line(k.turned([(50, 54), (50, 36)], a, (50, 58)), (196, 200, 208), 5)
        c.line(k.turned([(50, 54), (50, 36)], a, (50, 58)), k.WHITE, 3.2)
    c.fill([(26, 54), (74, 54), (68, 94), (32, 94)], (74, 148, 186))
    c.rect(22, 50, 78, 60, (104, 184, 214), 4)


@icon("Faucet")
def faucet(c: Canvas) -> None:
    """A chrome tap with a lever, turned off."""
    pipe = outline((62, 86), ((62, 44),), ((62, 22), (24, 22), (24, 48)))
    c.line(pipe, k.darker(k.CHROME, 0.62), 19)
    c.line(pipe, k.CHROME, 14)
    c.line([(x - 2.6, y - 1) for x, y in pipe], k.lighter(k.CHROME, 0.75), 3)
    c.rect(44, 82, 80, 92, k.CHROME, 3)
    c.rect(14, 44, 34, 54, k.CHROME, 2)
    c.fill([(66, 24), (92, 8), (97, 15), (72, 36)], k.CHROME)


@icon("ShowerDoor")
def shower_door(c: Canvas) -> None:
    """A glass door in a metal frame with a handle."""
    c.rect(18, 4, 82, 96, k.STEEL, 2)
    c.rect(26, 12, 74, 88, (176, 220, 236), pen=1.6)
    for x in (30, 44):
        c.shine([(x, 60), (x + 22, 20), (x + 28, 20), (x + 6, 60)], 0.6)
    c.rect(64, 42, 71, 64, k.COAL, 3, pen=1.6)


@icon("ShowerGlass")
def shower_glass(c: Canvas) -> None:
    """A fixed pane of glass next to a shower head that is off."""
    c.rect(8, 30, 54, 96, (176, 220, 236), 2, alpha=0.85)
    c.shine([(14, 76), (38, 36), (44, 36), (20, 76)], 0.6)
    arm = outline((92, 60), ((92, 10),), ((84, 4), (76, 8), (74, 14)))
    c.line(arm, k.darker(k.CHROME, 0.62), 8)
    c.line(arm, k.CHROME, 4)
    c.fill([(68, 12), (80, 12), (88, 26), (60, 26)], k.CHROME)


@icon("LaundryHamperLid")
def laundry_hamper_lid(c: Canvas) -> None:
    """The lid of a wicker hamper, with a knob."""
    c.ground(50, 78, 44)
    c.fill(outline((6, 66), ((10, 40), (90, 40), (94, 66))), (214, 170, 110))
    c.rect(4, 64, 96, 76, (196, 148, 90), 4)
    for x in (24, 38, 50, 62, 76):
        c.line([(50 + (x - 50) * 0.7, 49), (x, 64)], (150, 106, 60), 2)
    c.oval(50, 42, 9, 7, k.WALNUT)


@icon("StoveKnob")
def stove_knob(c: Canvas) -> None:
    """A round knob whose mark points up, to off."""
    for step in range(9):
        c.line(k.turned([(50, 6), (50, 12)], -100 + step * 25), k.IRON, 3.4)
    c.oval(50, 54, 34, 34, (70, 72, 84))
    c.oval(50, 54, 24, 24, k.STEEL, pen=1.6)
    c.rect(45, 26, 55, 82, k.CHROME, 4, pen=2)
    c.line([(50, 30), (50, 44)], k.RED, 4)
