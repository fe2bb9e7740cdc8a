"""A game's picture from plain values, drawn from scratch."""

from gym_cards.blackjack.picture import BlackjackPicture
from gym_cards.cards import Card
from gym_cards.memory.picture import MemoryPicture
from gym_cards.number_line.picture import NumberLinePicture
from gym_cards.points.picture import PointsPicture
from gym_cards.render.picture import STANDARD
from gym_cards.set_game.picture import SETPicture
from gym_cards.set_game.rules import card_named


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
