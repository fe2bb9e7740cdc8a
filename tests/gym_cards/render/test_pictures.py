"""Pictures: the same bytes everywhere, every card distinct, and nothing hidden or cut off."""

import copy
import functools
import hashlib
import importlib
import inspect
import itertools
import json
import pickle
import pkgutil
from collections.abc import Callable
from pathlib import Path

import drawing
import numpy as np
import pytest
from PIL import Image, ImageFont

import gym_cards.render
from gym_cards.blackjack import picture as blackjack_picture
from gym_cards.blackjack.picture import BlackjackPicture, blackjack_layout
from gym_cards.cards import DECK, Card
from gym_cards.freecell import picture as freecell_picture
from gym_cards.freecell.rules import Size
from gym_cards.memory import picture as memory_picture
from gym_cards.number_line import drawn_line
from gym_cards.number_line import picture as number_line_picture
from gym_cards.number_line.picture import NumberLinePicture
from gym_cards.points import picture as points_picture
from gym_cards.points.picture import PointsPicture
from gym_cards.render import picture as base
from gym_cards.render import sprites
from gym_cards.render.lettering import Ink, draw_text, number, text_width
from gym_cards.render.picture import TABLE, Picture
from gym_cards.render.sprites import Frame
from gym_cards.render.style import WHITE, RenderStyle
from gym_cards.set_game import drawing as set_drawing
from gym_cards.set_game import picture as set_picture
from gym_cards.set_game.rules import DECK as SET_DECK
from gym_cards.video_poker import picture as video_poker_picture

HASHES = Path(__file__).with_name("frame_hashes.json")
# The corner that holds a card's index, for every width: columns and rows from the top left.
INDEX = {67: (20, 38), 70: (21, 39), 135: (33, 56)}
WIDTHS = tuple(INDEX)
FONTS = ("bold-36", "bold-16", "sans-20", "sans-16")
# A refused number and the widest tokens; a formula never has more than 21.
LONGEST = (["10", "(", "10", " ", "*", "10", ")"] * 3, ["10"] * 21, ["*"] * 21, [" "] * 21)


def cards(codes: str) -> list[Card]:
    return [Card.parse(code) for code in codes.split()]


# The longest column among others, cells and foundations with and without cards.
FREECELL = {
    "Columns": ["S6 H5 C4 D3", "D6 C2", "C5 C3", "", "H6 C6 S4 H3 S5 D4", "H4"],
    "Cells": ["", "D5"],
    "Foundations": ["S3", "H2", "CA", "D2"],
}
FREECELL_52 = {
    "Columns": [
        "DJ DK S2 C4 S3 D6 SK HQ CJ HT S9 H8 C7 H6 S5 H4",
        *("D2 CK SQ C5 DT S8", "H9 D9 H5 D8", "CJ S5", "D5 SJ HK D4"),
        *("H7 CQ C6 H2", "C7 CT ST C9", "C8 HJ S7 S6"),
    ],
    "Cells": ["DQ", "", "C2", ""],
    "Foundations": ["", "HA", "CA", "DA"],
}

FRAMES: dict[str, Callable[[], Frame]] = {
    "number_line 3 5": lambda: drawing.number_line(3, 5),
    "number_line 0 12": lambda: drawing.number_line(0, 12),
    "number_line 123456 1234567890123": lambda: drawing.number_line(123456, 1234567890123),
    "ezpoints empty": lambda: drawing.points(cards("H6 SK"), [], inline=True),
    "ezpoints": lambda: drawing.points(cards("D2 CA"), ["2", "+", "10"], inline=True),
    "ezpoints long": lambda: drawing.points(cards("CT SJ"), ["10"] * 21, inline=True),
    "points24 empty": lambda: drawing.points(cards("HQ D8 C9 S3"), [], inline=False),
    "points24": lambda: drawing.points(
        cards("HA DK CJ S7"), ["(", "10", "-", " ", "4", ")", "*", "3", "/", "1"], inline=False
    ),
    "points24 long": lambda: drawing.points(cards("H4 D5 CQ SA"), ["10"] * 21, inline=False),
    "blackjack": lambda: drawing.blackjack(cards("HA CT"), Card("S", 13)),
    "blackjack 6": lambda: drawing.blackjack(DECK[3:9], Card("D", 1)),
    "memory": lambda: drawing.memory(["", "HQ", "?", "", "S7", *"???????"], 4, grid=(3, 4)),
    "memory 24": lambda: drawing.memory(["?"] * 23 + ["DT"], 12, grid=(4, 6)),
    **{
        f"set {first}": functools.partial(
            drawing.set_cards, [card.name for card in SET_DECK[first : first + 9]], [2, 9]
        )
        for first in range(0, 81, 9)
    },
    "blackjack 22": lambda: drawing.blackjack(DECK[20:42], Card("C", 11)),
    "video poker": lambda: drawing.video_poker(cards("HJ DJ C5 S9 H2")),
    "video poker end": lambda: drawing.video_poker(
        cards("HJ DJ CQ S7 SJ"), [1, 2], "three of a kind"
    ),
    "blackjack won": lambda: drawing.blackjack_end(cards("HA SK"), cards("CK D6 H5"), 1.5),
    "blackjack lost": lambda: drawing.blackjack_end(DECK[3:9], DECK[22:34], -1.0),
    "blackjack draw": lambda: drawing.blackjack_end(cards("H9 SK D2"), cards("CK DA"), 0.0),
    "freecell": lambda: drawing.freecell(FREECELL, Size(4, 6, 6, 2)),
    "freecell 52": lambda: drawing.freecell(FREECELL_52, Size(4, 13, 8, 4)),
    **{
        f"{suit} at {size}": functools.partial(drawing.points, row, [], inline=size == 135)
        for size, count in ((67, 4), (135, 2))
        for suit in "CDHS"
        for row in [[Card(suit, rank) for rank in (11, 12, 13, 1)[:count]]]
    },
}


def digest(frame: Frame) -> str:
    return hashlib.sha256(frame.tobytes()).hexdigest()


def face(card: Card | None, width: int) -> Frame:
    """A card, or the back, alone on a table just as large."""
    frame = np.full((sprites.card_height(width), width, 3), TABLE, np.uint8)
    sprites.paste(frame, sprites.card(card, width), 0, 0)
    return frame


@pytest.mark.parametrize("name", FRAMES)
def test_frames_have_the_bytes_that_were_recorded(name):
    assert digest(FRAMES[name]()) == json.loads(HASHES.read_text())[name], (
        "the picture changed: if it was meant to, record it anew with "
        "`python tests/gym_cards/render/test_pictures.py`"
    )


@pytest.mark.parametrize("name", FRAMES)
def test_frames_are_fresh_arrays(name):
    first, second = FRAMES[name](), FRAMES[name]()
    assert first.shape == (300, 300, 3)
    assert first.dtype == np.uint8
    assert first.flags.c_contiguous
    assert first.flags.owndata
    assert first.flags.writeable
    before = digest(second)
    first[...] = 7
    assert digest(second) == digest(FRAMES[name]()) == before


@pytest.mark.parametrize("place", [(-1, 0), (0, -1), (231, 0), (0, 203)])
def test_a_card_outside_of_the_picture_is_an_error(place):
    picture = Picture(RenderStyle(), TABLE)
    with pytest.raises(ValueError, match="picture of 70 x 98 pixels at .* inside the frame of"):
        picture.put_card(DECK[0], 70, *place)
    assert (picture.frame == TABLE).all()


def test_a_card_is_taken_away_again_and_copies_of_a_picture_are_apart():
    picture = Picture(RenderStyle(size=100, background="#123456"), TABLE)
    bare = picture.frame.copy()
    picture.put_card(DECK[5], 40, 60, 44)
    shown = picture.frame.copy()
    assert (shown[44:, 60:] != bare[44:, 60:]).any(axis=2).mean() > 0.9
    assert (shown[:44] == bare[:44]).all()
    assert (shown[:, :60] == bare[:, :60]).all()
    for other in (copy.deepcopy(picture), pickle.loads(pickle.dumps(picture))):
        other.take_card(40, 60, 44)
        assert (other.frame == bare).all()
        assert (picture.frame == shown).all()
    elsewhere = np.empty_like(shown)
    picture.move_to(elsewhere)
    picture.take_card(40, 60, 44)
    assert (elsewhere == bare).all()
    assert picture.frame is elsewhere


def test_a_card_that_could_not_be_drawn_is_drawn_the_next_time(monkeypatch):
    style = RenderStyle(size=100, background="#010203")
    whole = Picture(style, TABLE)
    whole.put_card(DECK[5], 40, 0, 0)
    base._faces.cache_clear()

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(sprites, "paste", interrupted)
    picture = Picture(style, TABLE)
    with pytest.raises(KeyboardInterrupt):
        picture.put_card(DECK[5], 40, 0, 0)
    monkeypatch.undo()
    picture.put_card(DECK[5], 40, 0, 0)
    assert (picture.frame == whole.frame).all()


def test_a_picture_goes_on_from_read_only_buffers():
    picture = PointsPicture(2, inline=True)
    picture.deal(cards("HA CT"))
    buffers = []
    pickled = pickle.dumps(picture, protocol=5, buffer_callback=buffers.append)
    again = pickle.loads(pickled, buffers=[bytes(one.raw()) for one in buffers])
    assert (again.frame == picture.frame).all()
    for one in (picture, again):
        one.append("10")
    assert (again.frame == picture.frame).all()


@pytest.mark.parametrize("inline", [True, False])
def test_a_formula_too_long_for_the_picture_spoils_nothing(inline):
    hand = cards("HA CT") if inline else cards("HA CT S2 D9")
    for written in ([], ["+"], ["10"] * 15):
        picture = PointsPicture(len(hand), inline=inline)
        picture.deal(hand)
        for token in written:
            picture.append(token)
        with pytest.raises(ValueError, match="too long for the picture"):
            picture.append("1" * 300)
        assert (picture.frame == drawing.points(hand, written, inline=inline)).all()
        picture.append("+")
        assert (picture.frame == drawing.points(hand, [*written, "+"], inline=inline)).all()
        picture.deal(hand)
        assert (picture.frame == drawing.points(hand, [], inline=inline)).all()


def test_arguments_are_left_as_they_were():
    hand, formula = cards("HA CT S2 D9"), ["10", "+"]
    drawing.points(hand, formula, inline=False)
    drawing.blackjack(hand, hand[0])
    assert hand == cards("HA CT S2 D9")
    assert formula == ["10", "+"]


@pytest.mark.parametrize("width", WIDTHS)
def test_all_faces_and_the_back_differ_visibly(width):
    faces = [face(card, width).astype(int) for card in DECK]
    for one, other in itertools.combinations([*faces, face(None, width).astype(int)], 2):
        assert (np.abs(one - other).max(axis=2) > 100).sum() >= 20
    # The index alone tells every card from every other one.
    columns, rows = INDEX[width]
    for one, other in itertools.combinations(faces, 2):
        assert (np.abs(one - other)[:rows, :columns].max(axis=2) > 100).sum() >= 10


@pytest.mark.parametrize("width", WIDTHS)
def test_faces_have_the_sizes_of_the_pictures_and_rounded_corners(width):
    for card in DECK:
        sprite = sprites.card(card, width)
        assert sprite.ink.shape == (int(width * 7 / 5), width, 3)
        assert sprite.clear.shape == (int(width * 7 / 5), width, 1)
        # Rounded corners let the table through, the rest does not.
        assert sprite.clear[0, 0] == 255
        assert not sprite.clear[width // 8 : -width // 8].any()
    assert sprites.card(None, width).ink.shape == (int(width * 7 / 5), width, 3)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_index_stands_clear_of_the_pips(width):
    columns, rows = INDEX[width]
    for card in DECK:
        if 2 <= card.rank <= 10:
            dark = face(card, width).min(axis=2) < 200
            assert not dark[3:rows, columns - 1].any()
            assert not dark[rows - 1, 3:columns].any()


def test_cards_stand_where_the_published_games_put_them():
    four = drawing.points(cards("HA CT S2 D9"), [], inline=False)
    assert [x for x in range(1, 300) if _edge(four, 150, x)] == [5, 78, 152, 226]
    assert [y for y in range(1, 200) if _edge(four.swapaxes(0, 1), 40, y)] == [103]
    two = drawing.points(cards("HA CT"), [], inline=True)
    assert [x for x in range(1, 300) if _edge(two, 100, x)] == [5, 153]
    assert [y for y in range(1, 245) if _edge(two.swapaxes(0, 1), 70, y)] == [55]
    hand = drawing.blackjack(cards("HA CT S2 D9"), Card("S", 5))
    assert [x for x in range(1, 300) if _edge(hand, 75, x)] == [5, 78]
    assert [x for x in range(1, 300) if _edge(hand, 200, x)] == [5, 79, 153, 227]
    assert [y for y in range(1, 300) if _edge(hand.swapaxes(0, 1), 68, y)] == [25, 150]


def _edge(frame: Frame, row: int, x: int) -> bool:
    """Whether a card begins at this column."""
    table = np.array(TABLE)
    return bool((frame[row, x - 1] == table).all() and (frame[row, x] != table).any())


@pytest.mark.parametrize("n", range(1, 23))
def test_no_card_of_a_hand_hides_another_ones_index(n):
    places = [(x, 150 + y) for x, y in blackjack_layout(n)]
    columns, rows = INDEX[70]
    assert places[: min(n, 4)] == [(5 + 74 * i, 150) for i in range(min(n, 4))] or n > 8
    for i, (x, y) in enumerate(places):
        assert x >= 0
        assert y >= 150
        assert x + 70 <= 300
        assert y + 98 <= 300
        for later_x, later_y in places[i + 1 :]:
            apart = (
                later_x >= x + columns
                or later_x + 70 <= x
                or later_y >= y + rows
                or later_y + 98 <= y
            )
            assert apart
    # And so it is in the picture.
    hand = [DECK[(7 * i + n) % 52] for i in range(n)]
    frame = drawing.blackjack(hand, Card("H", 9))
    for card, (x, y) in zip(hand, places, strict=True):
        # From the second row and column on, since corners show what lies below them.
        seen = frame[y + 4 : y + rows, x + 2 : x + columns]
        assert (seen == face(card, 70)[4:rows, 2:columns]).all()


@pytest.mark.parametrize("before", [2, 4, 5, 9, 22])
@pytest.mark.parametrize("after", [2, 3, 4, 5, 8, 9, 22])
def test_nothing_is_left_of_the_hand_before(before, after):
    hand = DECK[24 : 24 + after]
    picture = BlackjackPicture()
    picture.deal(DECK[:before], Card("H", 9))
    picture.deal(hand, Card("S", 12))
    assert (picture.frame == drawing.blackjack(hand, Card("S", 12))).all()


def test_nothing_is_left_of_the_formula_before():
    for inline, hand in ((True, cards("HA CT")), (False, cards("HA CT S2 D9"))):
        picture = PointsPicture(len(hand), inline=inline)
        for formula in (*LONGEST, ["1"], ["10"] * 9, []):
            picture.deal(hand)
            for token in formula:
                picture.append(token)
            assert (picture.frame == drawing.points(hand, formula, inline=inline)).all()


@pytest.mark.parametrize(("size", "scale"), [(300, 1.0), (300, 2.0), (64, 0.5), (150, 1.5)])
def test_nothing_is_left_of_the_numbers_before(size, scale):
    style = RenderStyle(size=size, font_scale=scale)
    picture = NumberLinePicture(style)
    numbers = [*range(10), 10, 88, 71, 7, 10**12, 11, 10**20, 10**9, 123456, 654321, 1, 0]
    for target, current in itertools.pairwise(numbers):
        picture.show(target, current)
        assert (picture.frame == drawing.number_line(target, current, style=style)).all()


@pytest.mark.parametrize("font", [*FONTS, "bold-5", "bold-23"])
def test_numbers_of_as_many_digits_cover_one_another(font):
    ink = Ink(font, WHITE, TABLE)
    for digits in ("0", "00"):
        pictures = [number(str(i).zfill(len(digits)), ink) for i in range(10 ** len(digits))]
        assert len({(one.picture.shape, one[1:]) for one in pictures}) == 1
        for i, one in enumerate(pictures):
            # Nothing of it lies outside of its box.
            drawn = np.full((99, 99, 3), TABLE, np.uint8)
            draw_text(drawn, str(i).zfill(len(digits)), 20, 5, font, WHITE)
            height, width, _ = one.picture.shape
            top, left = 5 + one.top, 20 + one.left
            expected = np.full_like(drawn, TABLE)
            expected[top : top + height, left : left + width] = one.picture
            assert (drawn == expected).all()


def test_a_hand_too_large_is_an_error():
    with pytest.raises(ValueError, match="25 cards has no room: expected at most 24"):
        blackjack_layout(25)


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("formula", LONGEST)
def test_the_longest_formulas_stay_readable_and_inside(formula, inline, written):
    hand = cards("HA CT") if inline else cards("HA CT S2 D9")
    frame = drawing.points(hand, formula, inline=inline)
    assert [text for text, *_ in written] == ["Formula:", *formula]
    for (text, x, y, font), (_, next_x, next_y, _) in itertools.pairwise(written):
        # A space lies between neighbours, and 16 rows between lines.
        space = text_width(" ", font)
        assert next_y >= y + 16 or (next_y == y and next_x == x + text_width(text, font) + space)
    for text, x, y, font in written:
        assert x + text_width(text, font) <= 295
        assert y >= (245 if inline else 200)
    # What was copied in is what drawing gives: no line hides a part of another one.
    expected = frame.copy()
    expected[245 if inline else 205 :] = TABLE
    for text, x, y, font in written:
        draw_text(expected, text, x, y, font, WHITE)
    assert (frame == expected).all()
    # Letters end above the picture's last row and left of its last columns.
    assert (frame[-1] == TABLE).all()
    assert (frame[:, -5:] == TABLE).all() or not inline


def test_short_formulas_stand_on_one_line_where_the_published_games_write_them():
    hand = cards("HA CT S2 D9")
    four = drawing.points(hand, ["8", "*", "3"], inline=False)
    expected = drawing.points(hand, [], inline=False)
    draw_text(expected, "8 * 3", 10, 240, "sans-16", WHITE)
    assert (four == expected).all()
    two = drawing.points(cards("HA CT"), ["1", " ", "+"], inline=True)
    expected = drawing.points(cards("HA CT"), [], inline=True)
    expected[245:] = TABLE
    draw_text(expected, "Formula: 1   +", 10, 258, "sans-20", WHITE)
    assert (two == expected).all()


def test_a_formula_or_number_without_room_is_an_error():
    with pytest.raises(ValueError, match="too long for the picture"):
        drawing.points(cards("HA CT"), ["10"] * 60, inline=True)
    with pytest.raises(ValueError, match="too long for the picture"):
        drawing.number_line(10**80, 0)


@pytest.mark.parametrize("number", [0, 7, 99, 12345, 10**9, 10**12, 10**20, 10**40])
def test_numbers_of_any_length_stay_inside(number):
    frame = drawing.number_line(number, number)
    assert (frame[:, :29] == 255).all()
    assert (frame[:, -5:] == 255).all()
    assert (frame[:60] == 255).all()
    assert frame[60:180].min() == frame[180:].min() == 0


@pytest.mark.parametrize("font", FONTS)
def test_every_printable_character_has_its_own_glyph(font):
    pictures = set()
    for code in range(32, 127):
        frame = np.zeros((60, 60, 3), np.uint8)
        draw_text(frame, chr(code), 10, 5, font, WHITE)
        pictures.add(frame.tobytes())
        assert text_width(chr(code), font) > 0
    assert len(pictures) == 95


def test_text_is_cut_off_at_the_edges_and_blended_in_between():
    frame = np.zeros((30, 30, 3), np.uint8)
    whole = frame.copy()
    draw_text(whole, "W", 5, 5, "sans-20", (255, 128, 0))
    assert whole[..., 0].max() == 255
    assert whole[..., 1].max() == 128
    assert whole[..., 2].max() == 0
    # (coverage · colour + 127) // 255 over black.
    assert (whole[..., 1] == (whole[..., 0].astype(int) * 128 + 127) // 255).all()
    draw_text(frame, "W", -5, -5, "sans-20", (255, 128, 0))
    assert (frame[:-10, :-10] == whole[10:, 10:]).all()
    for x, y in ((-40, 0), (0, -40), (40, 0), (0, 40)):
        frame = np.zeros((30, 30, 3), np.uint8)
        draw_text(frame, "W", x, y, "sans-20", WHITE)
        assert not frame.any()


@pytest.mark.parametrize("text", ["×", "1\n2", "♠"])
def test_characters_without_a_glyph_are_an_error(text):
    with pytest.raises(ValueError, match="expected printable ASCII characters"):
        text_width(text, "sans-16")
    with pytest.raises(ValueError, match="expected printable ASCII characters"):
        drawing.points(cards("HA CT"), [text], inline=True)


@pytest.mark.parametrize("width", [20, 33, 66, 100, 200])
def test_sizes_without_art_are_scaled_from_the_next_larger_sheet(width):
    larger = next(sheet for sheet in sprites.CARD_WIDTHS if sheet > width)
    for card in (*DECK[::5], None):
        sprite = sprites.card(card, width)
        assert sprite.ink.shape == (width * 7 // 5, width, 3)
        large = sprites.card(card, larger)
        for name, channel in (("ink", 255 * 255), ("clear", 255)):
            scaled, master = (getattr(one, name) / channel for one in (sprite, large))
            blurred = [coarse(picture) for picture in (scaled, master)]
            assert np.abs(blurred[0] - blurred[1]).mean() < 0.02


def coarse(picture):
    """A picture's means in the squares of a grid of 7 by 5."""
    image = Image.fromarray((255 * picture.mean(axis=2)).astype(np.float32))
    return np.asarray(image.resize((5, 7), Image.Resampling.BOX)) / 255


def test_no_font_is_used(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a font was opened")

    for name in ("truetype", "load", "load_default", "load_path", "FreeTypeFont", "ImageFont"):
        monkeypatch.setattr(ImageFont, name, refuse)
    modules = [
        importlib.import_module(f"gym_cards.render.{module.name}")
        for module in pkgutil.iter_modules(gym_cards.render.__path__)
    ]
    modules += [blackjack_picture, drawn_line, number_line_picture, points_picture]
    modules += [memory_picture, set_drawing, set_picture, video_poker_picture, freecell_picture]
    cached = [one for module in modules for one in vars(module).values()]
    clears = [one.cache_clear for one in cached if hasattr(one, "cache_clear")]
    assert len(clears) > 5
    for clear in clears:
        clear()
    for draw in FRAMES.values():
        draw()
    for module in modules:
        compiled = module.__name__.endswith("._canvas")
        assert compiled or "ImageFont" not in inspect.getsource(module)


if __name__ == "__main__":
    recorded = {name: digest(draw()) for name, draw in FRAMES.items()}
    HASHES.write_text(json.dumps(recorded, indent=1) + "\n")
