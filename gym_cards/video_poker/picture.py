"""Picture of video poker."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gym_cards.cards import Card
from gym_cards.render.lettering import draw_text, text_width
from gym_cards.render.picture import TABLE, Picture
from gym_cards.render.sprites import Frame, font_glyphs
from gym_cards.render.style import BLACK, WHITE, Colour, RenderStyle, ink_on
from gym_cards.video_poker.rules import HAND_SIZE, HANDS, NOTHING, Pays

# What is marked: on dark tables gold with black letters, on light ones blue with white letters.
_GOLD: Colour = (255, 203, 71)
_BLUE: Colour = (28, 63, 148)

_HELD = "HELD"
_QUESTION = "Hold which cards?"
# Lengths in a picture of 300 pixels.
_PITCH = 59.0
_LEFT, _RIGHT = 5.0, 295.0
_TABLE_LEFT, _TABLE_RIGHT = 20.0, 280.0
_INDENT = 8.0
_WIDEST, _NARROWEST = 54.0, 48.0
_TALL = 1.4
# Letters and the rows that they need, before letters are scaled.
_PAYS_LETTERS, _PAYS_ROW = 12.5, 15.5
_MARK_LETTERS, _MARK_ROW = 12.0, 17.0
_RESULT_LETTERS, _RESULT_ROW = 16.0, 21.0
_GAPS = 18.0


class Patch(NamedTuple):
    """Part of a picture and its place."""

    picture: Frame
    x: int
    y: int


class VideoPokerPicture(Picture):
    """Picture of video poker: the pay table above five cards, and below them what is held.

    Args:
        style: The style of the picture.
        pays: What each of `HANDS` pays.
    """

    def __init__(self, style: RenderStyle, pays: Pays) -> None:
        super().__init__(style, TABLE)
        self._parts = _parts(style, self.ground, pays)
        self._shown: list[Card | None] = [None] * HAND_SIZE
        self._marked: tuple[int, ...] = ()
        self._result: int | None = None
        for patch in (*self._parts.rows.values(), *self._parts.numbers, self._parts.question):
            self._put(patch)

    def deal(self, cards: Sequence[Card], jitter: int | None = None) -> None:
        """Draws five cards, of which none is held yet.

        Args:
            cards: The cards.
            jitter: The seed of the cards' displacement, if the style has any.
        """
        parts = self._parts
        self._lay(cards, jitter)
        for place in self._marked:
            self._put(parts.numbers[place])
        self._marked = ()
        if self._result is not None:
            if self._result in parts.rows:
                self._put(parts.rows[self._result])
            self._put(parts.question)
            self._result = None

    def draw(
        self,
        cards: Sequence[Card],
        held: Sequence[int],
        result: int,
        jitter: int | None = None,
    ) -> None:
        """Draws the final hand, after `deal` drew the first one.

        Args:
            cards: The five cards.
            held: The places of those that were held, 0 to 4.
            result: What the hand is, as a place in `HANDS`.
            jitter: The seed that `deal` was given.
        """
        parts = self._parts
        self._lay(cards, jitter)
        for place in held:
            self._put(parts.marks[place])
        self._marked = tuple(held)
        if result in parts.marked_rows:
            self._put(parts.marked_rows[result])
        self._put(parts.results[result])
        self._result = result

    def _lay(self, cards: Sequence[Card], jitter: int | None) -> None:
        """Draws the cards that are not shown yet."""
        parts = self._parts
        if self.style.jitters:
            self._put(parts.no_cards)
            self.lay_cards(cards, parts.width, parts.corners, parts.box, jitter)
            return
        for card, shown, (x, y) in zip(cards, self._shown, parts.corners, strict=True):
            if card != shown:
                self.put_card(card, parts.width, x, y)
        self._shown = list(cards)

    def _put(self, patch: Patch) -> None:
        self.canvas.put(*patch)


class _Lengths(NamedTuple):
    """Layout; all lengths are in pixels of a picture of 300.

    Attributes:
        table: Scale of the letters in the pay table.
        marks: Scale of those below the cards.
        result: Scale of those in the last line.
        top: The top of the pay table.
        row: The height of one of its rows.
        card: The width of the cards.
        left: The left edge of the first card.
        cards_top: The top of the cards.
        marks_top: The top of the row below the cards.
        result_top: The top of the last line.
    """

    table: float
    marks: float
    result: float
    top: float
    row: float
    card: float
    left: float
    cards_top: float
    marks_top: float
    result_top: float

    @property
    def table_end(self) -> float:
        """The end of the pay table."""
        return self.top + (len(HANDS) - 1) * self.row


def _lengths(scale: float, rows: Sequence[str], lines: Sequence[str]) -> _Lengths:
    """Returns the layout: letters have the scale if there is room, and cards shrink for them.

    Args:
        scale: The scale of the letters.
        rows: What the rows of the pay table say.
        lines: What the last line may say.
    """
    marks = min(scale, (_PITCH - 12) / _width([_HELD], _MARK_LETTERS))
    result = min(scale, (_RIGHT - _LEFT) / _width(lines, _RESULT_LETTERS))
    room = 300 - _GAPS - _MARK_ROW * marks - _RESULT_ROW * result
    table = min(
        scale,
        (_TABLE_RIGHT - _TABLE_LEFT - 2 * _INDENT) / _width(rows, _PAYS_LETTERS),
        (room - _NARROWEST * _TALL) / (len(rows) * _PAYS_ROW),
    )
    row = _PAYS_ROW * table
    room -= len(rows) * row
    card = min(_WIDEST, room / _TALL)
    spare = room - card * _TALL
    top = 6 + 0.25 * spare
    cards_top = top + len(rows) * row + 4 + 0.5 * spare
    return _Lengths(
        table=table,
        marks=marks,
        result=result,
        top=top,
        row=row,
        card=card,
        left=(300 - _PITCH * (HAND_SIZE - 1) - card) / 2,
        cards_top=cards_top,
        marks_top=cards_top + card * _TALL + 3,
        result_top=296 - 0.12 * spare - _RESULT_ROW * result,
    )


class _Parts:
    """All that is drawn except for the cards; pictures of the same style share it.

    Attributes:
        width: The cards' width in pixels.
        corners: Their top left corners.
        box: Left, top, right and bottom of the part of the picture that they stay in.
        no_cards: That part without cards.
        rows: The rows of the pay table by hand; "nothing" has none.
        marked_rows: The same for the hand that was paid.
        numbers: The number below each card.
        marks: What replaces it below a card that is held.
        results: The line below that says what the hand pays, by hand.
        question: The same before the draw.
    """

    def __init__(self, style: RenderStyle, ground: Colour, pays: Pays) -> None:
        self._key = (style, ground, pays)
        self._style, self._ground = style, ground
        self._ink = ink_on(ground)
        dark = self._ink == WHITE
        self._mark, self._mark_ink = (_GOLD, BLACK) if dark else (_BLUE, WHITE)
        names = [name.capitalize() for name in HANDS]
        table = list(zip(names, map(str, pays), strict=True))
        told = [f"{name}: pays {paid}" for name, paid in table]
        told[NOTHING] = "No win"
        lengths = _lengths(
            style.font_scale, [f"{name}  {paid}" for name, paid in table[1:]], [*told, _QUESTION]
        )
        pixels = style.pixels

        font = self._font(_PAYS_LETTERS * lengths.table)
        self.rows: dict[int, Patch] = {}
        self.marked_rows: dict[int, Patch] = {}
        for hand, (name, paid) in enumerate(table[1:], 1):
            # The best hand is at the top.
            y = lengths.top + (len(HANDS) - 1 - hand) * lengths.row
            for marked, rows in ((False, self.rows), (True, self.marked_rows)):
                patch = self._patch((_TABLE_LEFT, y, _TABLE_RIGHT, y + lengths.row), marked)
                width, indent = patch.picture.shape[1], pixels(_INDENT)
                self._write(patch, name, indent, font, marked)
                self._write(patch, paid, width - indent - text_width(paid, font), font, marked)
                rows[hand] = patch

        self.width = pixels(lengths.card)
        lefts = [lengths.left + place * _PITCH for place in range(HAND_SIZE)]
        self.corners = [(pixels(left), pixels(lengths.cards_top)) for left in lefts]
        edges = (0.0, lengths.table_end + 2, 300.0, lengths.marks_top)
        self.no_cards = self._patch(edges, False)
        left, top, right, bottom = map(pixels, edges)
        self.box = (left, top, right, bottom)

        font = self._font(_MARK_LETTERS * lengths.marks)
        bottom_of_marks = lengths.marks_top + _MARK_ROW * lengths.marks
        self.numbers: list[Patch] = []
        self.marks: list[Patch] = []
        for number, left_edge in enumerate(lefts, 1):
            middle = left_edge + lengths.card / 2
            reach = (_PITCH - 3) / 2
            edges = (middle - reach, lengths.marks_top, middle + reach, bottom_of_marks)
            self.numbers.append(self._centred(edges, str(number), font, False))
            self.marks.append(self._centred(edges, _HELD, font, True))

        font = self._font(_RESULT_LETTERS * lengths.result)
        lines = [*told, _QUESTION]
        reach = min(150, max(text_width(line, font) for line in lines) * 150 / style.size + 1)
        end = lengths.result_top + _RESULT_ROW * lengths.result
        edges = (150 - reach, lengths.result_top, 150 + reach, end)
        *self.results, self.question = (self._centred(edges, line, font, False) for line in lines)

    def _font(self, size: float) -> str:
        return f"bold-{max(1, int(size * self._style.size / 300 + 0.5))}"

    def _patch(self, edges: tuple[float, float, float, float], marked: bool) -> Patch:
        """Returns an empty part of the picture between left, top, right and bottom."""
        left, top, right, bottom = map(self._style.pixels, edges)
        patch = np.full((bottom - top, right - left, 3), self._ground, np.uint8)
        if marked:
            _round_off(patch, self._mark)
        return Patch(patch, left, top)

    def _write(self, patch: Patch, text: str, x: int, font: str, marked: bool) -> None:
        height = font_glyphs(font)[" "].coverage.shape[0]
        colour = self._mark_ink if marked else self._ink
        draw_text(patch.picture, text, x, (len(patch.picture) - height) // 2, font, colour)

    def _centred(
        self, edges: tuple[float, float, float, float], text: str, font: str, marked: bool
    ) -> Patch:
        patch = self._patch(edges, marked)
        start = (patch.picture.shape[1] - text_width(text, font)) // 2
        self._write(patch, text, start, font, marked)
        return patch

    def __reduce__(self) -> tuple[Any, ...]:
        return _parts, self._key

    def __deepcopy__(self, memo: dict[int, Any]) -> _Parts:
        return self


@functools.lru_cache(maxsize=8)
def _parts(style: RenderStyle, ground: Colour, pays: Pays) -> _Parts:
    return _Parts(style, ground, pays)


def _width(texts: Sequence[str], size: float) -> float:
    """Returns the width of the longest text in letters of a size, before it is rounded."""
    return max(text_width(text, "bold-72") for text in texts) * size / 72


def _round_off(frame: Frame, colour: Colour) -> None:
    """Paints a frame with a colour, except for rounded corners."""
    height, width, _ = frame.shape
    # Every pixel is divided into 4 by 4 parts, whose middles have odd numbers in eighths.
    radius = 8 * (min(height, width) // 3)
    rows, columns = (2 * np.arange(4 * length) + 1 for length in (height, width))
    down = np.maximum(radius - rows, rows - (8 * height - radius)).clip(0)
    across = np.maximum(radius - columns, columns - (8 * width - radius)).clip(0)
    inside = down[:, None] ** 2 + across[None] ** 2 <= radius**2
    parts = inside.reshape(height, 4, width, 4).sum(axis=(1, 3))[..., None]
    frame[...] = (parts * np.array(colour) + (16 - parts) * frame.astype(np.int_) + 8) // 16
