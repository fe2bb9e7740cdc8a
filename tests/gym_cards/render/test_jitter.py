"""Displaced cards: their bounds, and what they never hide."""

import drawing
import numpy as np
import pytest
from card_games import make
from PIL import Image

from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.cards import DECK, Card
from gym_cards.points.picture import PointsPicture
from gym_cards.render import sprites
from gym_cards.render.sprites import card_height
from gym_cards.render.style import RenderStyle

# The part of a card, from its top left corner, that its index takes.
INDEX_WIDTH, INDEX_HEIGHT = 0.3, 0.4


@pytest.fixture
def pasted(monkeypatch):
    """The cards that are put on pictures, with their widths and places."""
    found = []
    for kind in (PointsPicture, BlackjackPicture):
        paste = kind.paste_card

        def spy(self, card, width, place, paste=paste):
            found.append((card, width, place))
            paste(self, card, width, place)

        monkeypatch.setattr(kind, "paste_card", spy)
    return found


def turned(mask, angle):
    """A part of a card, turned as the card is."""
    picture = Image.fromarray((255 * mask).astype(np.uint8))
    return np.asarray(picture.rotate(angle, Image.Resampling.NEAREST, expand=True)) > 0


def assert_indices_are_seen(pasted, size):
    """No card covers the index of one below it, and all lie inside the picture."""
    layers = []
    for card, width, place in pasted:
        sprite = sprites.card(card, width, angle=place.angle)
        height, wide, _ = sprite.ink.shape
        assert place.x >= 0
        assert place.x + wide <= size
        assert place.y >= 0
        assert place.y + height <= size
        box = np.s_[place.y : place.y + height, place.x : place.x + wide]
        covered = np.zeros((size, size), bool)
        covered[box] = sprite.clear[..., 0] < 200
        corner = np.zeros((card_height(width), width), bool)
        corner[: int(card_height(width) * INDEX_HEIGHT), : int(width * INDEX_WIDTH)] = True
        index = np.zeros((size, size), bool)
        index[box] = turned(corner, place.angle)
        layers.append((index, covered))
    for (index, _), *above in (layers[i:] for i in range(len(layers))):
        for _, covered in above:
            # A pixel at the edge of what was turned may be lost to rounding.
            assert (index & covered).sum() <= 0.02 * index.sum()


JITTERS = [(40, 0), (0, 20), (40, 20), (8, 5)]


@pytest.mark.parametrize("jitter", JITTERS, ids=str)
@pytest.mark.parametrize("size", [80, 300])
@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("count", [2, 4, 6])
def test_scattered_cards_keep_their_indices(count, inline, size, jitter, pasted, written):
    style = RenderStyle(size=size, position_jitter=jitter[0], rotation_jitter=jitter[1])
    hand = [DECK[8 * i] for i in range(count)]
    still = drawing.points(hand, ["1", "+"], inline=inline, style=style)
    assert np.array_equal(
        still, drawing.points(hand, ["1", "+"], inline=inline, style=RenderStyle(size=size))
    )
    text_top = min(y for _, _, y, _ in written)
    for seed in range(6):
        pasted.clear()
        frame = drawing.points(hand, ["1", "+"], inline=inline, style=style, jitter=seed)
        assert [card for card, *_ in pasted] == hand
        assert_indices_are_seen(pasted, size)
        for _, width, place in pasted:
            height = sprites.card(None, width, angle=place.angle).ink.shape[0]
            assert place.y + height <= text_top
            assert abs(place.angle) <= jitter[1]
        # The text is where it was.
        assert np.array_equal(frame[text_top:], still[text_top:])


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("jitter", JITTERS, ids=str)
@pytest.mark.parametrize("count", [2, 4, 5, 8, 9, 22])
def test_scattered_hands_keep_their_indices(count, jitter, scale, pasted):
    style = RenderStyle(
        size=200, position_jitter=jitter[0], rotation_jitter=jitter[1], font_scale=scale
    )
    hand = [DECK[(5 * i) % 52] for i in range(count)]
    for seed in range(4):
        pasted.clear()
        frame = drawing.blackjack(hand, Card("H", 9), style=style, jitter=seed)
        assert len(pasted) == count + 2
        assert_indices_are_seen(pasted, 200)
        # The labels are where they were, whole.
        still = drawing.blackjack([], Card("H", 9), style=style)
        picture = BlackjackPicture(style)
        labels = (
            slice(picture._dealer_box[1]),
            slice(picture._dealer_box[3], picture._hand_box[1]),
        )
        for rows in labels:
            assert np.array_equal(frame[rows], still[rows])


@pytest.mark.parametrize(("game", "n"), [("EZPoints", 2), ("Points24", 4), ("Blackjack", 4)])
def test_jitter_is_as_large_as_it_may_be(game, n, pasted):
    """Two cards have room for all of it; four a row turn a little less, for the indices' sake."""
    env = make(game, position_jitter=10, rotation_jitter=8)
    pictures, angles, moves = set(), [], []
    for seed in range(30):
        pasted.clear()
        pictures.add(env.reset(seed=seed)[0].tobytes())
        assert len(pasted) == n
        angles += [place.angle for *_, place in pasted]
        _, width, place = pasted[-1]
        moves.append(place.x + sprites.card(None, width, angle=place.angle).ink.shape[1] / 2)
    assert len(pictures) == 30
    assert min(angles) < -5
    assert max(angles) > 5
    assert max(map(abs, angles)) <= 8
    assert 8 <= max(moves) - min(moves) <= 21


def test_one_kind_of_jitter_alone(pasted):
    for seed in range(5):
        make("Points24", position_jitter=20).reset(seed=seed)
    assert {place.angle for *_, place in pasted} == {0.0}
    assert len({place.x for *_, place in pasted}) > 10
    pasted.clear()
    env = make("Points24", rotation_jitter=10)
    for seed in range(5):
        env.reset(seed=seed)
    for (_, width, place), (x, y) in zip(pasted, env.picture._corners * 5, strict=True):
        height, wide, _ = sprites.card(None, width, angle=place.angle).ink.shape
        # The middle stays, but where a turned card would leave the picture.
        assert abs(place.x + wide / 2 - (x + width / 2)) <= 6
        assert abs(place.y + height / 2 - (y + card_height(width) / 2)) <= 1


@pytest.mark.parametrize("game", ["EZPoints", "Points24", "Blackjack"])
def test_jitter_follows_the_seed_and_lasts_an_episode(game):
    options = {"position_jitter": 20, "rotation_jitter": 10}
    one, other = make(game, **options), make(game, **options)
    assert np.array_equal(one.reset(seed=3)[0], other.reset(seed=3)[0])
    assert np.array_equal(one.reset()[0], other.reset()[0])
    # The deal does not depend on it.
    plain = make(game)
    assert str(plain.reset(seed=3)[1]) == str(one.reset(seed=3)[1])
    before = one._jitter
    one.step(1)
    assert one._jitter == before


def test_the_same_cards_lie_differently_in_every_episode():
    env = make("EZPoints", position_jitter=20)
    frames = {env.reset(options={"cards": ["HA", "S9"]})[0].tobytes() for _ in range(5)}
    assert len(frames) == 5


def test_a_hit_moves_no_other_card(pasted):
    style = RenderStyle(position_jitter=20, rotation_jitter=10)
    picture = BlackjackPicture(style)
    picture.deal(DECK[:2], Card("H", 9), 7)
    dealer = picture.frame[: picture._dealer_box[3]].copy()
    before = {card: place for card, _, place in pasted}
    pasted.clear()
    picture.hit(DECK[30])
    # The others are not drawn again, and lie as they would in the whole hand.
    assert [card for card, *_ in pasted] == [DECK[30]]
    pasted.clear()
    BlackjackPicture(style).deal([*DECK[:2], DECK[30]], Card("H", 9), 7)
    whole = {card: place for card, _, place in pasted}
    assert all(whole[card] == before[card] for card in DECK[:2])
    assert np.array_equal(picture.frame[: picture._dealer_box[3]], dealer)
