"""The picture of Blackjack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gym_cards.cards import Card
from gym_cards.pictures.base import STANDARD, TABLE, Picture
from gym_cards.pictures.jitter import scattered
from gym_cards.pictures.look import Look
from gym_cards.pictures.sprites import card_height

_WIDTH = 70
_ROW = 4
# A later card leaves at least this much of an earlier one's left edge to be seen, which is more
# than its corner index takes.
_PITCH = 20
# The dealer's cards are displaced by numbers of their own, which no card of the player's has.
_DEALERS_FIRST = 100


class BlackjackPicture(Picture):
    """The picture of Blackjack: the dealer's open card and a back above the player's hand.

    Args:
        look: What it looks like.
    """

    def __init__(self, look: Look = STANDARD) -> None:
        super().__init__(look, TABLE)
        line = 20 * look.font_scale
        # Large letters push the rows down, and cards shrink where they would leave the picture.
        width = _WIDTH
        while 12 + 2 * line + 2 * card_height(width) + _row_gap(width) > 298:
            width -= 1
        self._unscaled_width = width
        self._width = look.pixels(width)
        label_top = 12 + line + card_height(width)
        self._hand_top = label_top + line
        dealer_top = look.pixels(5 + line)
        self._dealer_corners = [
            (look.pixels(5), dealer_top),
            (look.pixels(5 + width + 3), dealer_top),
        ]
        self._dealer_box = (0, dealer_top, look.size, look.pixels(label_top))
        self._hand_box = (0, look.pixels(self._hand_top), look.size, look.size)
        self.label("Dealer", 5, 5, "bold", 16)
        self.label("Player", 5, label_top, "bold", 16)
        if not look.jitters:
            self.put_card(None, self._width, *self._dealer_corners[1])
        self._empty = self.frame.copy()
        self._known_corners: dict[int, list[tuple[int, int]]] = {}
        self._player: list[Card] = []
        self._jitter: int | None = None

    def deal(self, player: Sequence[Card], dealer: Card, jitter: int | None = None) -> None:
        """Draws a hand of the player and the dealer's open card.

        Args:
            player: The player's cards, in the order in which they were dealt.
            dealer: The dealer's open card.
            jitter: What the cards' displacement is drawn from, where the look has any.

        Raises:
            ValueError: If there are more cards than `blackjack_layout` has places for.
        """
        self._jitter = jitter
        if self.look.jitters:
            self.frame[...] = self._empty
            self._scatter((dealer, None), self._dealer_corners, self._dealer_box, _DEALERS_FIRST)
        else:
            self._clear_hand(max(len(player), len(self._player)))
            self.put_card(dealer, self._width, *self._dealer_corners[0])
        self._player = list(player)
        self._draw_hand()

    def hit(self, card: Card) -> None:
        """Draws one more card of the player's.

        Raises:
            ValueError: If there are more cards than `blackjack_layout` has places for.
        """
        before = self._corners(len(self._player))
        after = self._corners(len(self._player) + 1)
        if self.look.jitters or after[:-1] != before:
            self._clear_hand(len(after))
            self._player.append(card)
            self._draw_hand()
        else:
            self._player.append(card)
            self._draw_hand(len(before))

    def _clear_hand(self, most: int) -> None:
        """Draws the table where the player's hand lies, of which the next may be seen in parts.

        Args:
            most: How many cards the larger one of both hands has.
        """
        if self.look.jitters or most > _ROW:
            top = self._hand_box[1]
            self.frame[top:] = self._empty[top:]
            return
        # Cards side by side: those of the next hand cover the first two.
        for x, y in self._corners(len(self._player))[2:]:
            place = np.s_[y : y + card_height(self._width), x : x + self._width]
            self.frame[place] = self._empty[place]

    def _draw_hand(self, start: int = 0) -> None:
        """Draws the player's cards from the one at an index on."""
        corners = self._corners(len(self._player))
        # A card that lies on another one shows it at its rounded corners.
        if self.look.jitters or len(self._player) > _ROW:
            self._scatter(self._player, corners, self._hand_box, 0, start)
            return
        for index in range(start, len(corners)):
            self.put_card(self._player[index], self._width, *corners[index])

    def _scatter(
        self,
        cards: Sequence[Card | None],
        corners: Sequence[tuple[int, int]],
        box: tuple[int, int, int, int],
        first: int,
        start: int = 0,
    ) -> None:
        places = scattered(self.look, self._jitter, corners, self._width, box, first=first)
        for card, place in zip(cards[start:], places[start:], strict=True):
            self.paste_card(card, self._width, place)

    def _corners(self, n: int) -> list[tuple[int, int]]:
        """The top left corners of a hand's cards."""
        if n not in self._known_corners:
            pixels = self.look.pixels
            self._known_corners[n] = [
                (pixels(x), pixels(self._hand_top + y))
                for x, y in blackjack_layout(n, self._unscaled_width)
            ]
        return self._known_corners[n]


def _row_gap(width: int) -> int:
    """How far below the first row of a large hand the second begins: it covers half of it."""
    return card_height(width) * 50 // 98


def blackjack_layout(n: int, width: int = _WIDTH) -> list[tuple[int, int]]:
    """Where the cards of a hand stand, as the (x, y) of their top left corners.

    Up to four cards stand side by side. A second row covers the lower half of the first, and in
    hands of more than eight the cards of a row overlap too, each on top of the one before it.

    Args:
        n: How many cards the hand has; 22 is the most that the game can deal.
        width: Of a card; all lengths are in pixels of a picture of 300.

    Returns:
        x in the picture, and y below the top of the first row.

    Raises:
        ValueError: If so many cards have no room.
    """
    columns = max(_ROW, (n + 1) // 2)
    room = 300 - 2 - 5 - width
    pitch = min(width + 4, room // (columns - 1))
    if pitch < _PITCH:
        most = 2 * (room // _PITCH + 1)
        raise ValueError(f"a hand of {n} cards has no room: expected at most {most}")
    return [(5 + i % columns * pitch, i // columns * _row_gap(width)) for i in range(n)]
