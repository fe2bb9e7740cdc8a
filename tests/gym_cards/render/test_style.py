"""Every option of the look changes what it says, nothing else, and hides nothing."""

import itertools

import drawing
import numpy as np
import pytest
from card_games import make
from PIL import Image

from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.cards import DECK, Card
from gym_cards.freecell.rules import Size
from gym_cards.points.picture import PointsPicture
from gym_cards.render import sprites
from gym_cards.render.lettering import Ink, text_width, word
from gym_cards.render.picture import TABLE
from gym_cards.render.sprites import card_height
from gym_cards.render.style import BLACK, WHITE, RenderStyle, ink_on

# The part of a card, from its top left corner, that its index takes.
INDEX_WIDTH, INDEX_HEIGHT = 0.3, 0.4
SIZES = (64, 65, 100, 150, 299, 301, 448, 600)


def cards(codes):
    return [Card.parse(code) for code in codes.split()]


DRAW = {
    "number line": lambda style: drawing.number_line(3, 5, style=style),
    "drawn line": lambda style: drawing.number_line(3, 5, style=style, display="line"),
    "two cards": lambda style: drawing.points(
        cards("HT CK"), ["10", "+", " "], inline=True, style=style
    ),
    "four cards": lambda style: drawing.points(
        cards("HA D7 C4 SQ"), ["(", "7", "-", "4"], inline=False, style=style
    ),
    "blackjack": lambda style: drawing.blackjack(cards("HA C5 D7"), Card("S", 12), style=style),
    "freecell": lambda style: drawing.freecell(
        {
            "Columns": ["S4 H3 S2", "D4 C3", "C4 D3", "H4 S3 C2 H2", "D2"],
            "Cells": [""],
            "Foundations": ["SA", "HA", "", "DA"],
        },
        Size(4, 4, 5, 1),
        style=style,
    ),
    "blackjack 9": lambda style: drawing.blackjack(DECK[15:24], Card("D", 2), style=style),
    "memory": lambda style: drawing.memory(
        ["", "HQ", "?", "", "S7", *"???????"], 4, grid=(3, 4), style=style
    ),
    "video poker": lambda style: drawing.video_poker(DECK[10:15], [2, 5], "flush", style=style),
}
# Their letters, or the edges of their cards, cover a sixth of the picture.
MANY_LETTERS = ("video poker", "freecell")
every_picture = pytest.mark.parametrize("name", DRAW)


def shape_of(frame):
    """How much of each of 20 by 20 squares shows the ground."""
    ground = (frame == frame[-1, -1]).all(axis=2)
    picture = Image.fromarray(ground.astype(np.float32))
    return np.asarray(picture.resize((20, 20), Image.Resampling.BOX))


# Size


@every_picture
@pytest.mark.parametrize("size", SIZES)
def test_a_picture_of_another_size_shows_the_same(name, size):
    frame = DRAW[name](RenderStyle(size=size))
    assert frame.shape == (size, size, 3)
    assert frame.dtype == np.uint8
    difference = np.abs(shape_of(frame) - shape_of(DRAW[name](RenderStyle())))
    # Letters and edges of small pictures cover more of their squares.
    blurred = size < 100 and name in MANY_LETTERS
    assert difference.mean() < (0.13 if blurred else 0.06 if size < 200 else 0.02)
    assert (difference > 0.5).mean() < (0.06 if blurred else 0.02)


def test_sizes_reach_the_observation_space():
    env = make("Points24", size=84)
    assert env.observation_space.shape == (84, 84, 3)
    assert env.reset(seed=0)[0].shape == (84, 84, 3)


# Background


def luminance(colour):
    """The relative luminance of WCAG 2."""
    parts = np.array(colour) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def test_letters_stand_out_from_any_background():
    for ground in itertools.product((0, 64, 127, 128, 192, 255), repeat=3):
        ink = ink_on(ground)
        assert ink in (WHITE, BLACK)
        dark, light = sorted((luminance(ground), luminance(ink)))
        # What WCAG 2 asks of text; one of the two always has it.
        assert (light + 0.05) / (dark + 0.05) >= 4.5, ground


@every_picture
@pytest.mark.parametrize("background", ["#102030", "#800000", "#F0E8C0", "#00ff00"])
def test_the_background_changes_the_ground_and_the_letters_alone(name, background):
    own = np.array((255, 255, 255) if "line" in name else TABLE)
    ground = np.array(list(bytes.fromhex(background[1:])))
    before, after = DRAW[name](RenderStyle()), DRAW[name](RenderStyle(background=background))
    was_ground = (before == own).all(axis=2)
    if "line" not in name:
        # Where the table was is the background now, and nowhere else; cards are as they were.
        assert ((after == ground).all(axis=2) == was_ground).all()
        kept = (before == after).all(axis=2)
        edges_and_letters = ~was_ground & ~kept
        assert edges_and_letters.mean() < (0.17 if name in MANY_LETTERS else 0.03)
        assert kept.mean() > 0.15
    else:
        assert (after[was_ground] == ground).all()
    ink = np.array(ink_on(tuple(ground.tolist())))
    assert (after == ink).all(axis=2).sum() > 30


def test_the_games_own_background_can_be_named():
    for name, draw in DRAW.items():
        own = "#ffffff" if "line" in name else "#35654D"
        assert np.array_equal(draw(RenderStyle(background=own)), draw(RenderStyle()))


# Four colours


@pytest.mark.parametrize("card", DECK, ids=lambda card: card.code)
def test_four_colours_dye_clubs_and_diamonds_alone(card):
    plain, dyed = (
        drawing.points([card], [], inline=False, style=RenderStyle(four_colours=four))
        for four in (False, True)
    )
    changed = (plain != dyed).any(axis=2)
    if card.suit in "HS":
        assert not changed.any()
        return
    # The index alone tells: green clubs, blue diamonds.
    left, top = 5, 10
    columns = slice(left, left + 80)
    corner = dyed[top : top + 105, columns].astype(int)
    inked = changed[top : top + 105, columns]
    assert inked.sum() > 100
    red, green, blue = corner[inked].mean(axis=0)
    strongest = {"C": green, "D": blue}[card.suit]
    assert strongest == max(red, green, blue)
    assert strongest > min(red, green, blue) + 30


def test_four_colours_leave_the_rest():
    style = RenderStyle(four_colours=True)
    hand = cards("HA SK H5")
    assert np.array_equal(
        drawing.blackjack(hand, Card("S", 3), style=style), drawing.blackjack(hand, Card("S", 3))
    )


# Letters


def seen_words(frame, written, ink):
    """Makes sure that every word stands in the picture, whole, and returns their boxes."""
    boxes = []
    for text, x, y, font in written:
        drawn = word(text, Ink(font, ink, TABLE))
        picture = drawn.picture
        height, width, _ = picture.shape
        left, top = x + drawn.left, y + drawn.top
        if not picture.size:
            continue
        assert left >= 0
        assert left + width <= frame.shape[1]
        assert top >= 0
        assert top + height <= frame.shape[0]
        assert np.array_equal(frame[top : top + height, left : left + width], picture), text
        boxes.append((left, top, left + width, top + height))
    return boxes


def apart(one, other):
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


@pytest.mark.parametrize("size", [64, 300])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1, 1.5, 2])
@pytest.mark.parametrize("game", ["EZPoints", "Points24"])
@pytest.mark.parametrize("count", range(2, 7))
def test_cards_and_the_longest_formula_never_meet(count, game, scale, size, written):
    """The widest formula that can be played, token by token, beside every number of cards."""
    env = make(game, num_cards=count, hands="any", font_scale=scale, size=size)
    empty = env.reset(options={"cards": ["HT"] * count})[0]
    bottom = env.picture._corners[0][1] + card_height(env.picture._width)
    assert all(x >= 0 and x + env.picture._width <= size for x, _ in env.picture._corners)
    assert all(y >= 0 for _, y in env.picture._corners)
    limit = (2 if game == "EZPoints" else 5) * count + (1 if game == "EZPoints" else 0)
    for widest in ("+", "10"):
        env.reset(options={"cards": ["HT"] * count})
        for position in range(limit + 1):
            first = position < count if widest == "10" else position <= limit - count
            frame = env.step(env.action_names.index("10" if first else "+"))[0]
        assert np.array_equal(frame[:bottom], empty[:bottom])


@pytest.mark.parametrize("size", [64, 98, 112, 300, 500])
@pytest.mark.parametrize("scale", [0.5, 1, 2])
@pytest.mark.parametrize("inline", [True, False])
def test_formulas_are_whole_at_every_font_size(inline, scale, size, written):
    tokens = ["10", "(", "10", " ", "*", "10", ")"] * 3 if not inline else ["10", "*"] * 3
    style = RenderStyle(size=size, font_scale=scale)
    hand = cards("HA CT") if inline else cards("HA CT S2 D9")
    frame = drawing.points(hand, tokens, inline=inline, style=style)
    assert [text for text, *_ in written] == ["Formula:", *tokens]
    boxes = seen_words(frame, written, WHITE)
    assert all(apart(*pair) for pair in itertools.combinations(boxes, 2))
    assert all(x + text_width(text, font) <= size - style.pixels(5) for text, x, _, font in written)


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("scale", [0.5, 0.8, 1, 1.3, 2])
def test_a_long_formula_leaves_nothing_behind_at_any_size(inline, scale):
    tokens = ["10", "(", "10", " ", "*", "10", ")"] * 3
    hand = cards("HA CT") if inline else cards("HA CT S2 D9")
    for size in (*range(64, 132), 150, 224, 300):
        style = RenderStyle(size=size, font_scale=scale)
        picture = PointsPicture(len(hand), inline=inline, style=style)
        picture.deal(hand)
        before = picture.frame.copy()
        for token in tokens:
            picture.append(token)
        assert (picture.frame == drawing.points(hand, tokens, inline=inline, style=style)).all()
        picture.deal(hand)
        assert (picture.frame == before).all(), size


@pytest.mark.parametrize("game", ["EZPoints", "Points24"])
def test_larger_letters_are_larger(game, written):
    heights = []
    for scale in (0.5, 1, 2):
        written.clear()
        make(game, font_scale=scale).reset(seed=0)
        (font,) = {font for *_, font in written}
        heights.append(int(font.split("-")[1]))
    assert heights[1] == 2 * heights[0]
    assert heights[2] == 2 * heights[1]


@pytest.mark.parametrize("size", [64, 300, 600])
@pytest.mark.parametrize("scale", [0.5, 1, 2])
@pytest.mark.parametrize("number", [0, 20, 60, 1000, 10**9])
def test_numbers_stay_inside_at_every_font_size(number, scale, size):
    style = RenderStyle(size=size, font_scale=scale)
    frame = drawing.number_line(number, number, style=style)
    rows = (frame != 255).any(axis=(1, 2))
    assert not rows[: style.pixels(58)].any()
    assert not frame[:, : style.pixels(28)].min() < 255
    assert frame[:, -style.pixels(3) :].min() == 255
    for start, end in ((60, 168), (180, 288)):
        assert rows[style.pixels(start) : style.pixels(end)].any()
    assert not rows[style.pixels(168) : style.pixels(180)].any()
    assert not rows[style.pixels(288) :].any()
    other = drawing.number_line(number, number + 1, style=style)
    top = style.pixels(174)
    assert np.array_equal(frame[:top], other[:top])
    assert not np.array_equal(frame[top:], other[top:])


# Blackjack's hands


@pytest.mark.parametrize("size", [64, 300, 448])
@pytest.mark.parametrize("scale", [0.5, 1, 1.4, 2])
def test_every_hand_of_blackjack_is_seen(scale, size, written):
    style = RenderStyle(size=size, font_scale=scale)
    for count in range(1, 23):
        written.clear()
        hand = [DECK[(7 * i + count) % 52] for i in range(count)]
        picture = BlackjackPicture(style)
        picture.deal(hand, Card("H", 9))
        width, height = picture._width, card_height(picture._width)
        for label in seen_words(picture.frame, written, WHITE):
            for x, y in (*picture._corners(count), *picture._dealer_corners):
                assert apart(label, (x, y, x + width, y + height))
        for card, (x, y) in zip(hand, picture._corners(count), strict=True):
            assert x >= 0
            assert x + width <= size
            assert y + height <= size
            face = sprites.card(card, width)
            part = np.s_[3 : int(height * INDEX_HEIGHT), 2 : int(width * INDEX_WIDTH)]
            opaque = (face.clear == 0)[part][..., 0]
            seen = picture.frame[y : y + height, x : x + width][part]
            assert np.array_equal(seen[opaque], (face.ink // 255)[part][opaque])


# Mistakes


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("size", 63, "a whole number from 64 to 2048"),
        ("size", 2049, "a whole number from 64 to 2048"),
        ("size", 300.0, "a whole number from 64 to 2048"),
        ("size", True, "a whole number from 64 to 2048"),
        ("size", "300", "a whole number from 64 to 2048"),
        ("font_scale", 0.4, "a number from 0.5 to 2"),
        ("font_scale", 2.1, "a number from 0.5 to 2"),
        ("font_scale", float("nan"), "a number from 0.5 to 2"),
        ("font_scale", None, "a number from 0.5 to 2"),
        ("position_jitter", -1, "a number from 0 to 40"),
        ("position_jitter", 41, "a number from 0 to 40"),
        ("rotation_jitter", 20.5, "a number from 0 to 20"),
        ("four_colours", 1, "True or False"),
        ("background", "green", "a colour such as"),
        ("background", "#12345", "a colour such as"),
        ("background", "#1234567", "a colour such as"),
        ("background", "#12345g", "a colour such as"),
        ("background", "#123456\n", "a colour such as"),
        ("background", (1, 2, 3), "a colour such as"),
    ],
)
def test_values_out_of_range(option, value, told):
    with pytest.raises(ValueError, match=f"^{option}=.*: expected {told}"):
        make("Points24", **{option: value})


@pytest.mark.parametrize(
    ("game", "option", "hint"),
    [
        ("Points24", "backgroud", "did you mean 'background'"),
        ("Blackjack", "four_colors", "did you mean 'four_colours'"),
        ("EZPoints", "rotation_jiter", "did you mean 'rotation_jitter'"),
        ("NumberLine", "front_scale", "did you mean 'font_scale'"),
        ("Points24", "num_cardz", "did you mean 'num_cards'"),
        ("Blackjack", "deck", "did you mean 'decks'"),
        ("NumberLine", "xyz", "a style has .*, and the game max_position, display, render_mode"),
        ("NumberLine", "xyz", "a style has background, font_scale, size"),
        ("NumberLine", "four_colours", "a style has background, font_scale, size"),
        ("NumberLine", "position_jitter", "a style has background, font_scale, size"),
        ("NumberLine", "rotation_jitter", "a style has background, font_scale, size"),
    ],
)
def test_unknown_options_name_the_nearest(game, option, hint):
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}': {hint}"):
        make(game, **{option: 1})


@pytest.mark.parametrize("game", ["Points24", "Blackjack"])
def test_every_look_has_the_same_episodes(game):
    plain, other = make(game), make(game, position_jitter=10, rotation_jitter=5, size=120)
    plain.reset(seed=3)
    other.reset(seed=3)
    for _ in range(30):
        one, two = plain.step(1), other.step(1)
        assert one[1:4] == two[1:4]
        assert one[4]["state"] == two[4]["state"]
        if one[2] or one[3]:
            assert plain.reset()[1]["state"] == other.reset()[1]["state"]


@pytest.mark.parametrize("size", [64, 84, 300, 601])
@pytest.mark.parametrize("font_scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("num_cards", range(2, 7))
@pytest.mark.parametrize("game", ["EZPoints", "Points24"])
def test_any_formula_that_the_rules_allow_can_be_drawn(game, num_cards, font_scale, size):
    env = make(
        game,
        num_cards=num_cards,
        font_scale=font_scale,
        size=size,
        treat_face_cards_as_10=False,
        hands="any",
    )
    names = env.action_names
    for sign in ("+", "(", "*"):
        if sign in names:
            env.reset(seed=0, options={"cards": ["CK"] * num_cards})
            ended, taken = False, 0
            while not ended:
                action = names.index("13" if taken < num_cards else sign)
                _, _, terminated, ended, _ = env.step(action)
                taken += 1
                assert not terminated


def test_numbers_of_numpy_are_plain():
    assert make("Points24", size=np.uint8(200)).observation_space.shape == (200, 200, 3)
    with pytest.raises(ValueError, match="font_scale="):
        make("Points24", font_scale=np.complex64(1))
