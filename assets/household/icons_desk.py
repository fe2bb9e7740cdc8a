"""Icons of small things that lie on desks, tables and beds."""

from __future__ import annotations

from card_art.canvas import circle, mirrored, outline

from household import canvas as k
from household.canvas import Canvas, icon


@icon("AlarmClock")
def alarm_clock(c: Canvas) -> None:
    """A red twin-bell alarm clock."""
    c.ground(50, 93, 30)
    for x in (26, 74):
        c.line([(50 + (x - 50) * 0.8, 82), (x, 93)], k.darker(k.IRON, 0.5), 7)
        bell = outline((x - 15, 20), ((x - 15, 2), (x + 15, 2), (x + 15, 20)))
        c.fill(k.turned(bell, (x - 50) * 1.3, (x, 20)), k.GOLD)
    c.line([(50, 22), (50, 10)], k.IRON, 5)
    c.oval(50, 55, 36, 35, (220, 66, 60))
    c.oval(50, 55, 27, 26, k.WHITE, pen=1.4)
    for a in range(0, 360, 30):
        c.flat(k.turned(circle(50, 34, 1.8), a, (50, 55)), k.IRON)
    c.line([(50, 55), (50, 39)], k.INK, 4.2)
    c.line([(50, 55), (61, 61)], k.INK, 4.2)


@icon("Book")
def book(c: Canvas) -> None:
    """A thick closed book, lying slantwise, blue, with pages to be seen."""
    c.ground(50, 90, 40)
    c.fill([(8, 60), (58, 84), (94, 52), (94, 62), (58, 95), (8, 71)], (38, 74, 140))
    c.fill([(12, 62), (58, 85), (91, 55), (91, 61), (58, 91), (12, 68)], k.PAPER, pen=0)
    for d in (2.2, 4.4):
        c.line([(12, 62 + d), (58, 85 + d), (91, 55 + d)], (196, 186, 168), 0.9)
    c.fill([(8, 58), (46, 24), (94, 48), (58, 83)], (62, 112, 196))
    c.fill([(27, 55), (47, 37), (74, 50), (55, 68)], k.GOLD, pen=1.2)
    c.line([(40, 54), (52, 44)], (62, 112, 196), 2.6)
    c.line([(48, 58), (60, 48)], (62, 112, 196), 2.6)


@icon("Newspaper")
def newspaper(c: Canvas) -> None:
    """A folded newspaper with a headline, columns and a picture."""
    c.ground(50, 90, 38)
    c.fill([(20, 12), (90, 16), (88, 90), (18, 88)], (206, 204, 196))
    c.fill([(12, 10), (82, 12), (80, 90), (10, 88)], (236, 234, 224))
    c.rect(18, 18, 75, 27, (52, 50, 56), pen=0)
    c.rect(18, 34, 45, 58, (126, 132, 142), pen=0)
    for i in range(8):
        y = 35.5 + i * 6.6
        c.line([(50, y), (74, y)], (110, 108, 110), 2.2)
        if y > 60:
            c.line([(19, y), (44, y)], (110, 108, 110), 2.2)


@icon("Box")
def cardboard_box(c: Canvas) -> None:
    """An open cardboard box with its flaps out."""
    c.ground(50, 92, 40)
    board = (204, 158, 104)
    c.fill([(18, 36), (50, 24), (82, 36), (50, 48)], k.darker(board, 0.55))
    c.fill([(18, 36), (50, 48), (50, 93), (18, 80)], board)
    c.fill([(50, 48), (82, 36), (82, 80), (50, 93)], k.darker(board, 0.14))
    c.fill([(18, 36), (50, 24), (36, 11), (4, 23)], k.lighter(board, 0.2))
    c.fill([(82, 36), (50, 24), (64, 11), (96, 23)], k.lighter(board, 0.1))
    c.fill([(18, 36), (50, 48), (38, 62), (4, 49)], k.lighter(board, 0.3))
    c.fill([(82, 36), (50, 48), (62, 62), (96, 49)], k.lighter(board, 0.05))


@icon("Candle")
def candle(c: Canvas) -> None:
    """A thick candle in a brass holder, not lit."""
    c.ground(50, 92, 34)
    c.oval(50, 84, 38, 9, k.GOLD)
    c.line(outline((84, 82), ((99, 78), (97, 62), (86, 66))), k.darker(k.GOLD, 0.5), 5)
    c.rect(33, 24, 67, 82, (250, 240, 214), 4)
    c.oval(50, 24, 17, 5.6, (255, 250, 232), pen=1.6)
    drip = outline((34, 24), ((34, 50), (42, 52), (42, 30)))
    c.fill(drip, (255, 250, 232), pen=1.2)
    c.line(outline((50, 24), ((50, 16), (48, 12), (53, 7))), k.INK, 3.6)


@icon("CD")
def compact_disc(c: Canvas) -> None:
    """A shining disc with rainbow reflections and a hole."""
    c.ground(50, 93, 34)
    c.oval(50, 50, 43, 43, (200, 208, 220))
    for a, colour in (
        (20, (150, 220, 190)),
        (38, (150, 190, 250)),
        (56, (214, 160, 240)),
        (2, (244, 232, 150)),
    ):
        for flip in (0, 180):
            c.flat(
                k.turned([(50, 50), *outline((91, 41), ((93, 50), (91, 59)))], a + flip - 74),
                colour,
                0.75,
            )
    c.line([*circle(50, 50, 43), (93, 50)], k.darker((200, 208, 220), 0.62), 2.6)
    c.oval(50, 50, 15, 15, (228, 232, 238), pen=1.6)
    c.oval(50, 50, 6, 6, (90, 94, 108), pen=1.6)


@icon("CellPhone")
def cell_phone(c: Canvas) -> None:
    """A smartphone, its screen off."""
    c.ground(50, 95, 24)
    c.rect(25, 5, 75, 95, (74, 78, 94), 9)
    c.rect(30, 14, 70, 82, (34, 36, 46), 2, pen=1)
    c.shine([(30, 60), (30, 36), (52, 14), (68, 14)], 0.16)
    c.oval(50, 88.5, 3.6, 3.6, (120, 126, 140), pen=0)
    c.line([(45, 9.6), (55, 9.6)], (120, 126, 140), 2)


@icon("CreditCard")
def credit_card(c: Canvas) -> None:
    """A violet bank card with a chip and raised digits."""
    c.ground(50, 84, 44)
    tilt = -10
    c.fill(k.turned(k.box(5, 23, 95, 79, 7), tilt), (112, 84, 190))
    c.fill(k.turned(k.box(6.4, 31, 93.6, 41), tilt), (50, 40, 74), pen=0)
    c.fill(k.turned(k.box(14, 46, 31, 59, 3), tilt), k.GOLD, pen=1.4)
    for x in (15, 33, 51, 69):
        c.line(k.turned([(x, 69), (x + 12, 69)], tilt), k.WHITE, 3.6)
    c.flat(k.turned(circle(76, 53, 7), tilt), (240, 90, 70))
    c.flat(k.turned(circle(84, 53, 7), tilt), (250, 190, 70), 0.9)


@icon("KeyChain")
def key_chain(c: Canvas) -> None:
    """A ring with two keys and a red tag."""
    c.ground(50, 93, 32)
    for a, colour in ((28, k.GOLD), (-8, k.CHROME)):
        key = [
            (46.5, 46),
            (53.5, 46),
            (53.5, 73),
            (61, 73),
            (61, 79),
            (57, 79),
            (57, 83),
            (61, 83),
            (61, 90),
            (53.5, 90),
            (50, 94),
            (46.5, 91),
        ]
        c.fill(k.turned(key, a, (44, 26)), colour, pen=2.2)
        c.fill(k.turned(circle(50, 44, 12), a, (44, 26)), colour, pen=2.2)
        c.flat(k.turned(circle(50, 41, 3.6), a, (44, 26)), k.darker(colour, 0.6))
    ring = [*circle(44, 24, 17), (61, 24)]
    c.line(ring, k.darker(k.STEEL, 0.62), 8)
    c.line(ring, k.STEEL, 4.4)
    c.fill(k.turned(k.box(58, 28, 92, 48, 5), 22, (58, 32)), (220, 62, 62))


@icon("Laptop")
def laptop(c: Canvas) -> None:
    """An open laptop, its screen off."""
    c.ground(50, 90, 46)
    c.rect(15, 12, 85, 66, (150, 158, 172), 5)
    c.rect(20, 17, 80, 61, (46, 50, 64), 1, pen=0.8)
    c.shine([(26, 61), (52, 17), (66, 17), (40, 61)], 0.14)
    c.fill([(14, 66), (86, 66), (97, 86), (3, 86)], (190, 196, 206))
    c.fill([(3, 86), (97, 86), (95, 91), (5, 91)], (140, 148, 160), pen=1.6)
    for i, y in enumerate((70, 74.5)):
        c.line([(21 - i * 2.6, y), (79 + i * 2.6, y)], (96, 102, 116), 2.8)
    c.fill([(40, 79), (60, 79), (61.5, 84), (38.5, 84)], (160, 168, 180), pen=0.8)


@icon("Pen")
def pen(c: Canvas) -> None:
    """A blue ballpoint pen with a clip, its point to the lower left."""
    t = 45
    c.fill(k.turned([(46, 84), (54, 84), (51.2, 100), (48.8, 100)], t), k.CHROME, pen=2)
    c.fill(k.turned(k.box(43, 30, 57, 86, 2), t), (60, 108, 220))
    c.fill(k.turned(k.box(42.5, 2, 57.5, 36, 4), t), (34, 62, 140))
    c.fill(k.turned(k.box(46.5, -5, 53.5, 4, 2), t), k.CHROME, pen=2)
    c.fill(k.turned(k.box(56, 6, 61.5, 34, 2.5), t), k.CHROME, pen=1.8)
    c.shine(k.turned(k.box(45, 42, 47.6, 80, 1.2), t), 0.6)


@icon("Pencil")
def pencil(c: Canvas) -> None:
    """A yellow pencil with a pink rubber, its point to the lower left."""
    t = 45
    c.fill(k.turned([(42, 82), (58, 82), (50, 104)], t), (248, 222, 176))
    c.flat(k.turned([(46.6, 95), (53.4, 95), (50, 104)], t), (52, 48, 56))
    c.fill(k.turned(k.box(42, 14, 58, 83), t), (250, 196, 48))
    for x in (47.3, 52.7):
        c.line(k.turned([(x, 16), (x, 82)], t), (206, 146, 24), 1.6)
    c.fill(k.turned(k.box(41.5, 6, 58.5, 16, 1), t), k.CHROME, pen=1.8)
    c.fill(k.turned(k.box(42, -6, 58, 7, 5), t), (242, 130, 150))


@icon("Pillow")
def pillow(c: Canvas) -> None:
    """A puffed pillow with pointed corners, pale blue with stripes."""
    c.ground(50, 85, 44)
    body = outline(
        (6, 24),
        ((30, 32), (70, 32), (94, 24)),
        ((88, 44), (88, 64), (95, 84)),
        ((70, 78), (30, 78), (5, 84)),
        ((12, 64), (12, 44), (6, 24)),
    )
    c.fill(body, (164, 204, 236))
    for x in (28, 43, 58, 73):
        c.line(outline((x, 33), ((x - 2, 46), (x - 2, 62), (x, 76))), (238, 246, 252), 4.2)
    for x, y, dx, dy in ((12, 30, 9, 6), (88, 30, -9, 6), (11, 79, 9, -5), (89, 79, -9, -5)):
        c.line([(x, y), (x + dx, y + dy)], (96, 138, 178), 1.8)


@icon("RemoteControl")
def remote_control(c: Canvas) -> None:
    """A long black remote control with coloured buttons."""
    t = 28
    c.ground(50, 93, 26)
    c.fill(k.turned(k.box(34, 2, 66, 98, 9), t), (66, 68, 80))
    c.flat(k.turned(circle(43, 13, 4.4), t), (236, 70, 64))
    for row in range(3):
        for column in range(3):
            c.flat(k.turned(circle(42 + column * 8, 28 + row * 10, 2.9), t), (226, 230, 236))
    c.flat(k.turned(circle(50, 66, 9), t), (150, 158, 172))
    c.flat(k.turned(circle(50, 66, 3.6), t), (66, 68, 80))
    for x, colour in ((41, k.GREEN), (50, k.YELLOW), (59, k.SKY)):
        c.flat(k.turned(circle(x, 84, 3.2), t), colour)


@icon("Statue")
def statue(c: Canvas) -> None:
    """A stone bust on a pedestal."""
    stone = (206, 200, 190)
    c.ground(50, 95, 30)
    c.rect(26, 84, 74, 96, k.darker(stone, 0.14), 2)
    c.rect(34, 74, 66, 85, stone, 1)
    chest = outline(
        (18, 70),
        ((18, 54), (38, 54), (42, 48)),
        ((58, 48),),
        ((62, 54), (82, 54), (82, 70)),
        ((72, 80), (28, 80), (18, 70)),
    )
    c.fill(chest, stone)
    c.rect(42, 38, 58, 54, k.darker(stone, 0.1), 3, pen=0)
    face = outline(
        (34, 24),
        ((34, 44), (42, 50), (50, 50)),
        ((58, 50), (66, 44), (66, 24)),
        ((66, 10), (34, 10), (34, 24)),
    )
    c.fill(face, stone)
    for x, y in ((33, 21), (38, 12), (46, 7), (55, 7), (63, 12), (67, 21)):
        c.oval(x, y, 6.4, 6.4, k.darker(stone, 0.12), pen=1.8)
    for x in (43, 57):
        c.line([(x - 3.6, 28), (x + 3.6, 28)], k.darker(stone, 0.6), 2.4)
    c.line([(50, 29), (48.4, 37), (51.6, 37)], k.darker(stone, 0.5), 2)
    c.line([(46, 42.5), (54, 42.5)], k.darker(stone, 0.55), 2.2)


@icon("Vase")
def vase(c: Canvas) -> None:
    """An empty violet vase with two handles."""
    c.ground(50, 95, 26)
    for flip in (-1, 1):
        ear = [
            (50 + flip * (x - 50), y) for x, y in outline((61, 22), ((84, 20), (86, 42), (74, 48)))
        ]
        c.line(ear, k.darker((150, 104, 200), 0.62), 8)
        c.line(ear, (168, 122, 214), 4)
    side = outline(
        (50, 10),
        ((65, 10),),
        ((60, 18), (58, 28), (60, 34)),
        ((66, 42), (80, 48), (80, 64)),
        ((80, 82), (68, 88), (66, 95)),
        ((50, 95),),
    )
    c.fill(mirrored(side, 50), (150, 104, 200))
    band = outline(
        (21, 58), ((36, 66), (64, 66), (79, 58)), ((80, 70),), ((64, 78), (36, 78), (20, 70))
    )
    c.fill(band, (226, 196, 246), pen=0)
    c.oval(50, 11, 16, 5, (176, 132, 220))
    c.oval(50, 11.6, 11, 2.8, (84, 50, 128), pen=1)


@icon("Watch")
def watch(c: Canvas) -> None:
    """A wrist watch with a brown strap."""
    strap = (148, 92, 56)
    c.ground(50, 96, 16)
    c.fill([(38, 4), (62, 4), (66, 36), (34, 36)], strap)
    c.fill([(34, 64), (66, 64), (62, 97), (38, 97)], strap)
    for y in (76, 83, 90):
        c.flat(circle(50, y, 1.9), k.darker(strap, 0.6))
    c.rect(37, 9, 63, 16, k.GOLD, 2, pen=1.6)
    c.rect(74, 46, 84, 54, k.GOLD, 2, pen=2)
    c.oval(50, 50, 28, 28, k.GOLD)
    c.oval(50, 50, 21.5, 21.5, k.WHITE, pen=1.4)
    for a in range(0, 360, 90):
        c.line(k.turned([(50, 32), (50, 35)], a), k.IRON, 2.4)
    c.line([(50, 50), (50, 37)], k.INK, 3.4)
    c.line([(50, 50), (59, 50)], k.INK, 3.4)


@icon("TissueBox")
def tissue_box(c: Canvas) -> None:
    """A flowered box with a tissue that sticks out."""
    c.ground(50, 91, 44)
    tissue = outline(
        (34, 48),
        ((36, 34), (26, 22), (30, 10)),
        ((40, 18), (44, 8), (52, 8)),
        ((60, 8), (62, 20), (72, 14)),
        ((74, 28), (64, 36), (66, 48)),
    )
    c.fill(tissue, k.WHITE, pen=2.2)
    c.line(outline((48, 46), ((44, 34), (50, 26), (48, 16))), (196, 200, 210), 1.8)
    c.line(outline((57, 46), ((62, 36), (56, 28), (60, 18))), (196, 200, 210), 1.8)
    c.fill([(6, 54), (18, 42), (82, 42), (94, 54)], (150, 214, 206))
    c.oval(50, 48, 24, 4, (60, 120, 120), pen=0)
    c.fill(
        outline(
            (33, 48.5),
            ((36, 42), (34, 38), (35, 34)),
            ((65, 34),),
            ((64, 40), (66, 44), (67, 48.5)),
            ((60, 51), (40, 51), (33, 48.5)),
        ),
        k.WHITE,
        pen=0,
    )
    c.rect(6, 54, 94, 91, (92, 186, 180), 3)
    for x, y in ((22, 66), (50, 73), (78, 66), (35, 82), (65, 82)):
        for a in range(0, 360, 72):
            c.flat(k.turned(circle(x, y - 3.6, 2.4, 2.8), a, (x, y)), k.WHITE)
        c.flat(circle(x, y, 2.1), k.YELLOW)


@icon("WateringCan")
def watering_can(c: Canvas) -> None:
    """A green watering can with a long spout and a rose."""
    c.ground(46, 92, 36)
    handle = outline((38, 44), ((12, 14), (-8, 56), (20, 76)))
    c.line(handle, k.darker((70, 150, 90), 0.62), 10)
    c.line(handle, (84, 166, 100), 5.4)
    c.fill([(60, 62), (84, 26), (90, 30), (64, 84)], (70, 150, 90))
    c.fill([(76, 20), (95, 31), (91, 39), (72, 27)], (96, 178, 110), pen=2.2)
    c.fill([(24, 44), (66, 44), (70, 92), (20, 92)], (84, 166, 100))
    c.fill(outline((24, 44), ((28, 32), (56, 32), (60, 44))), (60, 132, 78))
    c.line([(22, 66), (68, 66)], (54, 120, 70), 3)
