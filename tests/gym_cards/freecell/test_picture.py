"""Picture of FreeCell: every card can be read, and nothing meets the letters or is left behind."""

import itertools

import numpy as np
import pytest
from PIL import Image

from gym_cards.cards import DECK
from gym_cards.freecell.picture import FreeCellPicture
from gym_cards.freecell.rules import CARDS, CODES, Size, deal
from gym_cards.render import covered, sprites
from gym_cards.render.covered import covered_card, index_height
from gym_cards.render.lettering import Ink, word
from gym_cards.render.picture import TABLE
from gym_cards.render.sprites import card_height
from gym_cards.render.style import WHITE, RenderStyle

TINY, SMALL, STANDARD = Size(2, 4, 3, 1), Size(4, 6, 6, 2), Size(4, 13, 8, 4)
SIZES = (TINY, SMALL, STANDARD, Size(2, 13, 8, 1), Size(4, 2, 3, 4), Size(3, 9, 4, 3))


def longest(size):
    """Places with a column as long as any play makes one, and cards everywhere else."""
    cards = list(range(4 * size.ranks + 3, 3, -1))
    cards = [card for card in cards if card % 4 < size.suits]
    count = -(-size.cards // size.columns) + size.ranks - 1
    return [
        cards[:count],
        *([cards[i % len(cards)]] for i in range(size.columns - 1 + size.cells + size.suits)),
    ]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pixels", [64, 300, 600])
def test_cards_and_letters_have_their_places(size, pixels, written):
    for scale, jitter in itertools.product((0.5, 1, 2), (0, 20)):
        written.clear()
        style = RenderStyle(size=pixels, font_scale=scale, rotation_jitter=jitter)
        picture = FreeCellPicture(size, style)
        letters = []
        for text, x, y, font in written:
            drawn = word(text, Ink(font, WHITE, TABLE))
            height, width, _ = drawn.picture.shape
            letters.append((x + drawn.left, y + drawn.top, width, height))
        columns = [str(index + 1) for index in range(size.columns)]
        legible = pixels * scale >= 165
        assert [text for text, *_ in written][: size.columns] == (columns if legible else [])
        for places, seed in ((longest(size), 5), ([[]] * len(picture._corners), 5)):
            before = picture.frame.copy()
            picture.deal(places, seed)
            for x, y, width, height in letters:
                box = np.s_[y : y + height, x : x + width]
                # Whole, and never under a card.
                assert 0 <= x <= pixels - width
                assert np.array_equal(picture.frame[box], before[box])
        for index, (x, y) in enumerate(picture._corners):
            tall = picture._ends(len(longest(size)[0]))[-1] if index == 0 else 0
            assert 0 <= x <= pixels - picture._width
            assert 0 <= y <= pixels - picture._height - tall
        corners = sorted(picture._corners[: size.columns])
        assert all(b[0] - a[0] >= picture._width for a, b in itertools.pairwise(corners))


@pytest.mark.parametrize(("size", "pixels"), [(TINY, 300), (SMALL, 300), (STANDARD, 600)], ids=str)
def test_every_card_of_the_longest_column_can_be_read(size, pixels):
    picture = FreeCellPicture(size, RenderStyle(size=pixels))
    places = longest(size)
    picture.deal(places)
    x, y = picture._corners[0]
    ends = picture._ends(len(places[0]))
    rows = index_height(picture._width)
    assert min(b - a for a, b in itertools.pairwise(ends)) >= rows - 1
    for card, end in list(zip(places[0], ends, strict=True))[:-1]:
        sprite = covered_card(CARDS[card], picture._width)
        seen = picture.frame[y + end + 4 : y + end + rows - 1, x + 2 : x + picture._width - 2]
        expected = (sprite.ink // 255)[4 : rows - 1, 2 : picture._width - 2]
        assert np.array_equal(seen, expected)
    whole = sprites.card(CARDS[places[0][-1]], picture._width)
    seen = picture.frame[y + ends[-1] :, x : x + picture._width][4 : picture._height - 4, 2:-2]
    assert np.array_equal(seen, (whole.ink // 255)[4:-4, 2:-2])


@pytest.mark.parametrize("width", [45, 62, 70, 90])
def test_covered_cards_tell_rank_and_suit(width):
    rows = index_height(width)
    seen = [(covered_card(card, width).ink // 255).astype(int)[:rows] for card in DECK]
    for one, other in itertools.combinations(seen, 2):
        assert (np.abs(one - other).max(axis=2) > 100).sum() >= 8
    for card, strip in zip(DECK, seen, strict=True):
        # Rank and suit are where the upright index has them, side by side, and nothing else.
        assert (strip[3:, int(0.7 * width) : -3].min(axis=2) > 230).all()
        red = strip[..., 0].astype(int) - strip[..., 2] > 100
        assert red.any() == (card.suit in "DH")


def test_covered_cards_have_the_index_of_the_sheets():
    """The places that `covered` computes are those where the art has ink."""
    for sheet in sprites.CARD_WIDTHS:
        margin, top, width, rank_height, suit_top, suit_width = covered._places(sheet)
        for card in DECK[1::13] + DECK[9::13]:
            dark = (sprites.card(card, sheet).ink // 255).min(axis=2) < 180
            index = dark[top : suit_top + suit_width + 1, margin : margin + width]
            assert all(index[row].any() for row in (0, rank_height - 1, suit_top - top))
            assert not index[rank_height : suit_top - top].any()
            spare = (width - suit_width) // 2
            assert not index[rank_height:, :spare].any()
            assert not index[rank_height:, spare + suit_width :].any()
            assert not dark[top : suit_top + suit_width + 1, margin - 1].any()
            assert not dark[suit_top + suit_width + 1, margin : margin + width].any()


def turned(mask, angle):
    picture = Image.fromarray((255 * mask).astype(np.uint8))
    return np.asarray(picture.rotate(angle, Image.Resampling.NEAREST, expand=True)) > 0


@pytest.mark.parametrize("jitter", [(40, 0), (0, 20), (40, 20), (8, 5)], ids=str)
@pytest.mark.parametrize(("size", "pixels"), [(TINY, 300), (SMALL, 300), (STANDARD, 600)], ids=str)
def test_scattered_cards_keep_their_indices(size, pixels, jitter, monkeypatch):
    style = RenderStyle(size=pixels, position_jitter=jitter[0], rotation_jitter=jitter[1])
    picture = FreeCellPicture(size, style)
    pasted, angles = [], {}
    sprite_of, paste = picture._sprite, sprites.paste

    def spy_sprite(card, angle, is_covered):
        sprite = sprite_of(card, angle, is_covered)
        angles[id(sprite)] = (angle, sprite)
        return sprite

    monkeypatch.setattr(picture, "_sprite", spy_sprite)
    monkeypatch.setattr(
        sprites,
        "paste",
        lambda frame, sprite, x, y: (pasted.append((sprite, x, y)), paste(frame, sprite, x, y)),
    )
    width, rows = picture._width, index_height(picture._width)
    corner = np.zeros((card_height(width), width), bool)
    corner[4:rows, 3 : int(0.65 * width)] = True
    for seed in range(3):
        pasted.clear()
        places = [*deal(seed + 1, size), *([] for _ in range(size.cells + size.suits))]
        picture.deal(places, seed)
        assert len(pasted) == size.cards
        layers = []
        for sprite, x, y in pasted:
            height, wide, _ = sprite.ink.shape
            angle, _ = angles[id(sprite)]
            assert abs(angle) <= jitter[1]
            box = np.s_[y : y + height, x : x + wide]
            assert 0 <= x <= pixels - wide
            assert 0 <= y <= pixels - height
            shown, index = np.zeros((2, pixels, pixels), bool)
            shown[box] = sprite.clear[..., 0] < 200
            index[box] = turned(corner, angle)
            layers.append((index, shown))
        above = np.zeros((pixels, pixels), bool)
        for index, shown in reversed(layers):
            assert (index & above).sum() <= 0.04 * index.sum()
            above |= shown
    assert len({(x, y) for _, x, y in pasted}) == size.cards


def test_a_card_keeps_its_tilt_when_it_moves():
    style = RenderStyle(rotation_jitter=10)
    one, other = FreeCellPicture(SMALL, style), FreeCellPicture(SMALL, style)
    places = [*deal(1, SMALL), *([] for _ in range(6))]
    one.deal(places, 4)
    moved = [list(place) for place in places]
    moved[6].append(moved[0].pop())
    one.show({0: moved[0], 6: moved[6]})
    other.deal(moved, 4)
    assert np.array_equal(one.frame, other.frame)
    other.deal(moved, 5)
    assert not np.array_equal(one.frame, other.frame)


def test_nothing_is_left_of_the_position_before():
    picture = FreeCellPicture(SMALL, RenderStyle())
    bare = picture.frame.copy()
    for seed in range(4):
        rng = np.random.default_rng(seed)
        cards = rng.permutation([CODES[card] for card in DECK if card.rank <= 6]).tolist()
        cuts = np.sort(rng.integers(0, 22, 5)).tolist()
        columns = [cards[a:b][:9] for a, b in itertools.pairwise([0, *cuts, 22])]
        places = [*columns, *([cards[22 + i]] if i < 2 else [] for i in range(6))]
        picture.deal(places)
        fresh = FreeCellPicture(SMALL, RenderStyle())
        fresh.deal(places)
        assert np.array_equal(picture.frame, fresh.frame)
    picture.deal([[]] * 12)
    assert np.array_equal(picture.frame, bare)
