"""A game's picture from plain values, drawn from scratch."""

from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.blackjack.rules import total
from gym_cards.cards import Card
from gym_cards.freecell.picture import FreeCellPicture
from gym_cards.freecell.rules import CODES
from gym_cards.memory.picture import MemoryPicture
from gym_cards.number_line.picture import NumberLinePicture
from gym_cards.points.picture import PointsPicture
from gym_cards.render.picture import STANDARD
from gym_cards.set_game.picture import SETPicture
from gym_cards.set_game.rules import card_named
from gym_cards.video_poker.picture import VideoPokerPicture
from gym_cards.video_poker.rules import HANDS, PAY_TABLES


def number_line(target, current, *, style=STANDARD, display="text", max_position=5):
    picture = NumberLinePicture(style, display, max_position)
    picture.show(target, current)
    return picture.frame


def points(cards, formula, *, inline, style=STANDARD, jitter=None):
    picture = PointsPicture(len(cards), inline=inline, style=style)
    picture.deal(cards, jitter)
    for token in formula:
        picture.append(token)
    return picture.frame


def blackjack(player, dealer, *, style=STANDARD, jitter=None):
    picture = BlackjackPicture(style)
    picture.deal(player, dealer, jitter)
    return picture.frame


def memory(codes, misses, *, grid, style=STANDARD, jitter=None):
    shown = ["back" if code == "?" else Card.parse(code) if code else None for code in codes]
    picture = MemoryPicture(*grid, style)
    picture.deal(shown, misses, jitter)
    return picture.frame


def set_cards(names, picked, *, style=STANDARD, jitter=None):
    picture = SETPicture(len(names), style)
    picture.deal([card_named(name) for name in names], [number - 1 for number in picked], jitter)
    return picture.frame


def video_poker(cards, held=(), result="", *, pays=PAY_TABLES["9/6"], style=STANDARD, jitter=None):
    """Before the draw without a result; what is held counts from 1."""
    picture = VideoPokerPicture(style, pays)
    picture.deal(cards, jitter)
    if result:
        picture.draw(cards, [place - 1 for place in held], HANDS.index(result), jitter)
    return picture.frame


def blackjack_end(player, dealer, reward, *, style=STANDARD, jitter=None):
    picture = BlackjackPicture(style)
    picture.end(player, dealer, (total(player), total(dealer)), reward, jitter)
    return picture.frame


def freecell(info, size, *, style=STANDARD, jitter=None):
    """A picture of what an info tells."""
    places = [*info["Columns"], *info["Cells"], *info["Foundations"]]
    picture = FreeCellPicture(size, style)
    picture.deal([[CODES[Card.parse(code)] for code in place.split()] for place in places], jitter)
    return picture.frame
