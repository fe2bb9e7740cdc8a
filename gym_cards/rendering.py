"""From a game's state to its picture: pure functions that know no environment.

All cards and letters are art that was drawn beforehand; a picture of standard size without jitter
is put together from copies and integer arithmetic alone, so that the same state gives the same
bytes on every machine, and no font is used.
"""

from __future__ import annotations

from collections.abc import Sequence

from gym_cards.cards import Card
from gym_cards.pictures.base import STANDARD
from gym_cards.pictures.blackjack import BlackjackPicture
from gym_cards.pictures.lettering import draw_text, text_width
from gym_cards.pictures.look import Look
from gym_cards.pictures.number_line import Display, NumberLinePicture
from gym_cards.pictures.points import PointsPicture
from gym_cards.pictures.sprites import Frame

__all__ = ["Frame", "blackjack", "draw_text", "number_line", "points", "text_width"]


def number_line(
    target: int,
    current: int,
    *,
    look: Look = STANDARD,
    display: Display = "text",
    max_position: int = 5,
) -> Frame:
    """The picture of NumberLine; the arguments are those of `NumberLinePicture`.

    Returns:
        An array of shape (size, size, 3) and dtype uint8. A number that is too long for its line
        stands below its label, and at last in smaller letters.

    Raises:
        ValueError: If a number is too long for the picture.
    """
    picture = NumberLinePicture(look, display, max_position)
    picture.show(target, current)
    return picture.frame


def points(
    cards: Sequence[Card],
    formula: Sequence[str],
    *,
    inline: bool,
    look: Look = STANDARD,
    jitter: int | None = None,
) -> Frame:
    """The picture of a points game; the arguments are those of `PointsPicture`.

    Returns:
        An array of shape (size, size, 3) and dtype uint8. The formula's tokens are joined with
        single spaces. A formula that is too long for its line goes on in further lines, which
        begin higher or in smaller letters if they must; tokens are never divided.

    Raises:
        ValueError: If the formula is too long for the picture.
    """
    picture = PointsPicture(len(cards), inline=inline, look=look)
    picture.deal(cards, jitter)
    for token in formula:
        picture.append(token)
    return picture.frame


def blackjack(
    player: Sequence[Card], dealer: Card, *, look: Look = STANDARD, jitter: int | None = None
) -> Frame:
    """The picture of Blackjack; the arguments are those of `BlackjackPicture`.

    Returns:
        An array of shape (size, size, 3) and dtype uint8. A large hand's cards overlap such that
        every corner index is to be seen.

    Raises:
        ValueError: If there are more cards than `blackjack_layout` has places for.
    """
    picture = BlackjackPicture(look)
    picture.deal(player, dealer, jitter)
    return picture.frame
