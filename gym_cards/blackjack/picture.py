"""Picture of Blackjack."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from gym_cards.cards import Card
from gym_cards.render.badge import badge, badge_width
from gym_cards.render.jitter import Place, scattered
from gym_cards.render.lettering import Ink, put_word, text_width
from gym_cards.render.picture import STANDARD, TABLE, Picture
from gym_cards.render.sprites import Frame, card_height, paste
from gym_cards.render.style import Colour, RenderStyle

_WIDTH = 70
_ROW = 4
# A later card leaves at least this much of an earlier one's left edge visible, more than its corner
# index takes.
_PITCH = 20
# The dealer's cards are displaced by other random numbers.
_PLAYERS_STREAM, _DEALERS_STREAM = 0, 1
# The distance of the dealer's cards, and of the letters from the picture's edges.
_GAP, _MARGIN = 3, 5
# What the badge says of a reward, and its colour: gold, grey and red.
_RESULTS: dict[int, tuple[str, Colour]] = {
    1: ("You win", (0xF5, 0xC8, 0x4C)),
    0: ("Draw", (0xDD, 0xDD, 0xDD)),
    -1: ("You lose", (0x9E, 0x2A, 0x2B)),
}


class BlackjackPicture(Picture):
    """Picture of Blackjack: the dealer's open card and a back above the player's hand.

    At the end it can show the dealer's whole hand, both totals and the result.

    Args:
        style: The style of the picture.
    """

    def __init__(self, style: RenderStyle = STANDARD) -> None:
        super().__init__(style, TABLE)
        line = 20 * style.font_scale
        # Large letters push the rows down, and cards shrink if they would leave the picture.
        width = _WIDTH
        while 12 + 2 * line + 2 * card_height(width) + _row_gap(width) > 298:
            width -= 1
        self._unscaled_width = width
        self._width = style.pixels(width)
        label_top = 12 + line + card_height(width)
        self._label_top = label_top
        self._hand_top = label_top + line
        dealer_top = style.pixels(5 + line)
        self._dealer_corners = [
            (style.pixels(_MARGIN), dealer_top),
            (style.pixels(_MARGIN + width + _GAP), dealer_top),
        ]
        self._dealer_box = (0, dealer_top, style.size, style.pixels(label_top))
        self._hand_box = (0, style.pixels(self._hand_top), style.size, style.size)
        self.label("Dealer", 5, 5, "bold", 16)
        self.label("Player", 5, label_top, "bold", 16)
        if not style.jitters:
            self.put_card(None, self._width, *self._dealer_corners[1])
        self._empty = _template(style, self.frame)
        self._known_places: dict[int, list[Place]] = {}
        self._player: list[Card] = []
        self._jitter: int | None = None
        self._shows_end = False

    def deal(self, player: Sequence[Card], dealer: Card, jitter: int | None = None) -> None:
        """Draws a hand of the player and the dealer's open card.

        Args:
            player: The player's cards, in the order in which they were dealt.
            dealer: The dealer's open card.
            jitter: The seed of the cards' displacement, if the style has any.

        Raises:
            ValueError: If there are more cards than `blackjack_layout` has places for.
        """
        self._jitter = jitter
        if self._shows_end:
            self._shows_end = False
            self._player = []
            self.canvas.put(self._empty, 0, 0)
        if self.style.jitters:
            self.canvas.put(self._empty, 0, 0)
            self._lay_dealers_hand((dealer, None), self._dealer_corners)
        else:
            self._clear_hand(len(player))
            x, y = self._dealer_corners[0]
            self.put_card(dealer, self._width, x, y)
        self._player = list(player)
        self._draw_hand()

    def hit(self, card: Card) -> None:
        """Draws one more card of the player.

        Raises:
            ValueError: If there are more cards than `blackjack_layout` has places for.
        """
        self._player.append(card)
        after = self._places(len(self._player))
        if not self.style.jitters and len(after) <= _ROW:
            self.put_card(card, self._width, after[-1].x, after[-1].y)
        elif after[:-1] == self._places(len(after) - 1):
            self._draw_hand(len(after) - 1)
        else:
            self._clear_hand(len(after))
            self._draw_hand()

    def end(
        self,
        player: Sequence[Card],
        dealer: Sequence[Card],
        totals: tuple[int, int],
        reward: float,
        jitter: int | None = None,
    ) -> None:
        """Draws both hands with their totals, all cards face up, and the result.

        Args:
            player: The player's cards, in the order in which they were dealt.
            dealer: All of the dealer's cards, the open one first.
            totals: What the player's hand counts, and what the dealer's does.
            reward: What the player gets; its sign is the result.
            jitter: The seed of the cards' displacement, if the style has any.

        Raises:
            ValueError: If there are more cards than there are places for.
        """
        self._jitter = jitter
        self._shows_end = True
        self.canvas.put(self._empty, 0, 0)
        self._lay_dealers_hand(dealer, self._corners_of_dealers_hand(len(dealer)))
        self._player = list(player)
        self._draw_hand()
        self._write_total("Dealer", _MARGIN, totals[1])
        end = self._write_total("Player", self._label_top, totals[0])
        self._write_result(end, (reward > 0) - (reward < 0))

    def _lay_dealers_hand(
        self, cards: Sequence[Card | None], corners: Sequence[tuple[int, int]]
    ) -> None:
        for card, place in zip(
            cards, self._scattered(corners, self._dealer_box, _DEALERS_STREAM), strict=True
        ):
            self.paste_card(card, self._width, place)

    def _corners_of_dealers_hand(self, n: int) -> list[tuple[int, int]]:
        """Returns the top left corners of all of the dealer's cards: a row, overlapping if long."""
        width = self._unscaled_width
        pitch = min(width + _GAP, (300 - 2 - _MARGIN - width) / (n - 1))
        if pitch < _PITCH:
            raise ValueError(f"a dealer's hand of {n} cards has no room: expected at most 12")
        _, top = self._dealer_corners[0]
        return [(self.style.pixels(_MARGIN + int(i * pitch)), top) for i in range(n)]

    def _write_total(self, label: str, top: float, points: int) -> int:
        """Writes a hand's total after its label, and returns where it ends."""
        pixels = self.style.pixels
        font = self.font("bold", 16)
        x = pixels(_MARGIN) + text_width(f"{label} ", font)
        put_word(self.canvas, str(points), x, pixels(top), Ink(font, self.ink, self.ground))
        return x + text_width(str(points), font)

    def _write_result(self, left: int, sign: int) -> None:
        """Draws the badge with the result between the hands, some way right of a place."""
        text, fill = _RESULTS[sign]
        right = self.style.size - self.style.pixels(_MARGIN)
        top, bottom = self.style.pixels(self._label_top), self._hand_box[1]
        height = bottom - top - max(1, self.style.pixels(1))
        left += self.style.pixels(_MARGIN)
        # Smaller letters where large ones would meet the total.
        size = 13.0
        while size > 6 and badge_width(text, self.font("bold", size), height) > right - left:
            size -= 0.5
        sprite = badge(text, self.font("bold", size), height, fill)
        paste(self.frame, sprite, right - sprite.ink.shape[1], top)

    def _clear_hand(self, following: int) -> None:
        """Clears the places of the player's hand that the next one does not cover.

        Args:
            following: The number of cards in the next hand.
        """
        if self.style.jitters or max(following, len(self._player)) > _ROW:
            top = self._hand_box[1]
            self.canvas.put(self._empty[top:], 0, top)
            return
        # Cards side by side: those of the next hand cover the first ones.
        if len(self._player) > following:
            for x, y, _ in self._places(len(self._player))[following:]:
                self.take_card(self._width, x, y)

    def _draw_hand(self, start: int = 0) -> None:
        """Draws the player's cards from an index on."""
        places = self._places(len(self._player))
        # A card on top of another shows it at its rounded corners.
        covers = self.style.jitters or len(places) > _ROW
        for card, place in zip(self._player[start:], places[start:], strict=True):
            if covers:
                self.paste_card(card, self._width, place)
            else:
                x, y, _ = place
                self.put_card(card, self._width, x, y)

    def _places(self, n: int) -> list[Place]:
        """Returns the places of a hand's cards."""
        if self.style.jitters:
            return self._scattered(self._corners(n), self._hand_box, _PLAYERS_STREAM)
        if n not in self._known_places:
            self._known_places[n] = [Place(x, y) for x, y in self._corners(n)]
        return self._known_places[n]

    def _corners(self, n: int) -> list[tuple[int, int]]:
        """Returns the top left corners of a hand's cards, before they are displaced."""
        pixels = self.style.pixels
        return [
            (pixels(x), pixels(self._hand_top + y))
            for x, y in blackjack_layout(n, self._unscaled_width)
        ]

    def _scattered(
        self, corners: Sequence[tuple[int, int]], box: tuple[int, int, int, int], stream: int
    ) -> list[Place]:
        return scattered(self.style, self._jitter, corners, self._width, box, stream=stream)


@functools.lru_cache(maxsize=4)
def _kept_template(style: RenderStyle, picture: bytes) -> Frame:
    size = style.size
    return np.frombuffer(picture, np.uint8).reshape(size, size, 3)


def _template(style: RenderStyle, frame: Frame) -> Frame:
    """Returns a copy of a frame that pictures of the same style share."""
    return _kept_template(style, frame.tobytes())


def _row_gap(width: int) -> int:
    """Returns the distance of the rows of a large hand; the second covers half of the first."""
    return card_height(width) * 50 // 98


def blackjack_layout(n: int, width: int = _WIDTH) -> list[tuple[int, int]]:
    """Returns the places of a hand's cards, as the (x, y) of their top left corners.

    Up to four cards are side by side. A second row covers the lower half of the first, and in
    hands of more than eight the cards of a row overlap too, each on top of the one before it.

    Args:
        n: The number of cards in the hand; the game deals at most 22.
        width: The width of a card; all lengths are in pixels of a picture of 300.

    Returns:
        x in the picture, and y below the top of the first row.

    Raises:
        ValueError: If there is no room for this number of cards.
    """
    columns = max(_ROW, (n + 1) // 2)
    room = 300 - 2 - 5 - width
    pitch = min(width + 4, room // (columns - 1))
    if pitch < _PITCH:
        most = 2 * (room // _PITCH + 1)
        raise ValueError(f"a hand of {n} cards has no room: expected at most {most}")
    return [(5 + i % columns * pitch, i // columns * _row_gap(width)) for i in range(n)]
