"""A game's picture from plain values, drawn from scratch."""

from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.cards import Card
from gym_cards.freecell.picture import FreeCellPicture
from gym_cards.freecell.rules import CODES
from gym_cards.number_line.picture import NumberLinePicture
from gym_cards.points.picture import PointsPicture
from gym_cards.render.picture import STANDARD


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


def freecell(info, size, *, style=STANDARD, jitter=None):
    """A picture of what an info tells."""
    places = [*info["Columns"], *info["Cells"], *info["Foundations"]]
    picture = FreeCellPicture(size, style)
    picture.deal([[CODES[Card.parse(code)] for code in place.split()] for place in places], jitter)
    return picture.frame
