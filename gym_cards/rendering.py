"""From a game's state to its picture: pure functions that know no environment.

All cards and letters were drawn beforehand (assets/build_art.py) and ship as PNG sheets, which
decode without loss; what happens here is integer arithmetic alone. The same state therefore gives
the same bytes on every machine, and no font is used.

Text and cards that lie on a plain ground are blended with it once and kept, so that most of a
picture is copied.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gym_cards.cards import RANKS, SUITS, Card

Frame = NDArray[np.uint8]
Colour = tuple[int, int, int]

SIZE = 300
TABLE: Colour = (0x35, 0x65, 0x4D)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

# Text keeps this far from the picture's right edge.
_MARGIN = 5
_BLACKJACK_WIDTH = 70
_BLACKJACK_ROWS = (150, 200)
_BLACKJACK_ROW = 4
# In Blackjack a later card leaves at least this much of an earlier one's left edge to be seen,
# which is more than its corner index takes.
_BLACKJACK_PITCH = 20


def number_line(target: int, current: int) -> Frame:
    """The picture of NumberLine: two lines of black text on white.

    Args:
        target: The number to reach.
        current: The number reached so far.

    Returns:
        An array of shape (300, 300, 3) and dtype uint8. A number that is too long for its line
        stands below its label, and at last in smaller letters.

    Raises:
        ValueError: If a number is too long for the picture.
    """
    frame = _ground(WHITE).copy()
    for label, number, y in (("Target:", target, 60), ("Current:", current, 180)):
        ways = [_Way("bold-36", y, 44, 2), _Way("bold-16", y, 20, 2)]
        _write(frame, [label, str(number)], 30, ways, BLACK, WHITE)
    return frame


def points(cards: Sequence[Card], formula: Sequence[str], *, inline: bool) -> Frame:
    """The picture of a points game: a row of cards above the formula.

    Args:
        cards: One or more cards, left to right; two and four have pictures of their own size.
        formula: The formula's tokens. They are joined with single spaces, so that a refused
            number, " ", shows as a wider gap.
        inline: Whether the formula stands beside its label, in 20 px letters (EZPoints), or below
            it, in 16 px letters (Points24).

    Returns:
        An array of shape (300, 300, 3) and dtype uint8. A formula that is too long for its line
        goes on in further lines, which begin higher or in 16 px letters if they must; tokens are
        never divided.

    Raises:
        ValueError: If there is no art for so many cards, or the formula is too long for the
            picture: any 21 tokens of the games fit.
    """
    width = int(SIZE / len(cards) * 0.9)
    height = int(width * 7 / 5)
    frame = _ground(TABLE).copy()
    y = int((SIZE - height) / 2)
    for i, card in enumerate(cards):
        _put(frame, _card_on_table(card, width), 5 + int(i * width * 1.1), y)
    if inline:
        words = ["Formula:", *formula]
        ways = [
            _Way("sans-20", 258, 24, 1),
            _Way("sans-20", 250, 23, 2),
            _Way("sans-16", 246, 17, 3),
        ]
    else:
        _put_word(frame, "Formula:", 10, 210, "sans-16", WHITE, TABLE)
        words = list(formula)
        ways = [_Way("sans-16", 240, 19, 3), _Way("sans-16", 231, 17, 4)]
    _write(frame, words, 10, ways, WHITE, TABLE)
    return frame


def blackjack(player: Sequence[Card], dealer: Card) -> Frame:
    """The picture of Blackjack: the dealer's open card and a back above the player's hand.

    Args:
        player: The player's cards, in the order in which they were dealt.
        dealer: The dealer's open card.

    Returns:
        An array of shape (300, 300, 3) and dtype uint8. A large hand's cards overlap such that
        every corner index is to be seen.

    Raises:
        ValueError: If there are more cards than `blackjack_layout` has places for.
    """
    frame = _ground(TABLE).copy()
    _put_word(frame, "Dealer", 5, 5, "bold-16", WHITE, TABLE)
    _put(frame, _card_on_table(dealer, _BLACKJACK_WIDTH), 5, 25)
    _put(frame, _card_on_table(None, _BLACKJACK_WIDTH), 78, 25)
    _put_word(frame, "Player", 5, 130, "bold-16", WHITE, TABLE)
    for card, (x, y) in zip(player, blackjack_layout(len(player)), strict=True):
        if len(player) <= _BLACKJACK_ROW:
            _put(frame, _card_on_table(card, _BLACKJACK_WIDTH), x, y)
        else:
            # Cards overlap: a rounded corner shows the card below.
            _paste(frame, card_face(card, _BLACKJACK_WIDTH), x, y)
    return frame


def blackjack_layout(n: int) -> list[tuple[int, int]]:
    """Where the cards of a hand stand, as the (x, y) of their top left corners.

    Up to four cards stand side by side. A second row covers the lower half of the first, and in
    hands of more than eight the cards of a row overlap too, each on top of the one before it.

    Args:
        n: How many cards the hand has; 22 is the most that the game can deal.

    Raises:
        ValueError: If so many cards have no room.
    """
    columns = max(_BLACKJACK_ROW, (n + 1) // 2)
    room = SIZE - 2 - 5 - _BLACKJACK_WIDTH
    pitch = min(_BLACKJACK_WIDTH + 4, room // (columns - 1))
    if pitch < _BLACKJACK_PITCH:
        most = 2 * (room // _BLACKJACK_PITCH + 1)
        raise ValueError(f"a hand of {n} cards has no room: expected at most {most}")
    return [(5 + i % columns * pitch, _BLACKJACK_ROWS[i // columns]) for i in range(n)]


class Sprite(NamedTuple):
    """A picture to be put on another one.

    Attributes:
        ink: Colour times opacity, shape (height, width, 3), dtype uint16.
        clear: 255 minus the opacity, shape (height, width, 1), dtype uint16.
    """

    ink: NDArray[np.uint16]
    clear: NDArray[np.uint16]


def card_face(card: Card, width: int) -> Sprite:
    """The face of a card of one of the widths that there is art for.

    Raises:
        ValueError: If there is no art for the width.
    """
    sheet = _sheet(f"faces-{width}.png", "RGBA")
    row, column = SUITS.index(card.suit), RANKS.index(card.rank)
    height = sheet.shape[0] // len(SUITS)
    return _sprite(sheet[row * height : (row + 1) * height, column * width : (column + 1) * width])


def card_back(width: int) -> Sprite:
    """The back of every card, of one of the widths that there is art for.

    Raises:
        ValueError: If there is no art for the width.
    """
    return _sprite(_sheet(f"back-{width}.png", "RGBA"))


def draw_text(frame: Frame, text: str, x: int, y: int, font: str, colour: Colour) -> None:
    """Writes one line of text into a frame, in place; what lies outside is cut off.

    Args:
        frame: Shape (height, width, 3), dtype uint8.
        text: Printable ASCII characters.
        x: Where the pen begins.
        y: The top of the line, at the font's ascender.
        font: "bold-36", "bold-16", "sans-20" or "sans-16": DejaVu Sans, and its size in pixels.
        colour: Of the letters.

    Raises:
        ValueError: If a character is not printable ASCII.
    """
    sheet = _sheet(f"glyphs-{font}.png", "L")
    ink = np.array(colour, np.uint16)
    for start, width, bearing, advance in _glyphs(text, font):
        coverage = sheet[:, start : start + width, None].astype(np.uint16)
        _paste(frame, Sprite(coverage * ink, 255 - coverage), x + bearing, y)
        x += advance


@functools.lru_cache(maxsize=1024)
def text_width(text: str, font: str) -> int:
    """How far `draw_text` moves the pen, in whole pixels; there is no kerning.

    Raises:
        ValueError: If a character is not printable ASCII.
    """
    return sum(advance for *_, advance in _glyphs(text, font))


@functools.cache
def _ground(colour: Colour) -> Frame:
    """An empty picture, to be copied."""
    return np.full((SIZE, SIZE, 3), colour, np.uint8)


@functools.cache
def _card_on_table(card: Card | None, width: int) -> Frame:
    """A card's face, or the back for None, with the table behind its rounded corners."""
    sprite = card_back(width) if card is None else card_face(card, width)
    picture = np.full(sprite.ink.shape, TABLE, np.uint8)
    _paste(picture, sprite, 0, 0)
    return picture


@functools.lru_cache(maxsize=1024)
def _word(text: str, font: str, colour: Colour, ground: Colour) -> tuple[Frame, int, int]:
    """A word's inked part on its ground, and how far right of the pen and below the top it lies."""
    # A glyph reaches beyond the pen's way by far less than the height of a line.
    reach = _sheet(f"glyphs-{font}.png", "L").shape[0]
    picture = np.full((reach, text_width(text, font) + 2 * reach, 3), ground, np.uint8)
    draw_text(picture, text, reach, 0, font, colour)
    rows, columns = (picture != ground).any(axis=2).nonzero()
    if not rows.size:
        return picture[:0, :0], 0, 0
    left, top = int(columns.min()), int(rows.min())
    return picture[top : rows.max() + 1, left : columns.max() + 1].copy(), left - reach, top


def _put_word(
    frame: Frame, text: str, x: int, y: int, font: str, colour: Colour, ground: Colour
) -> None:
    """Writes a word as `draw_text` does, into a part of a frame that shows the ground alone."""
    picture, right, down = _word(text, font, colour, ground)
    _put(frame, picture, x + right, y + down)


def _put(frame: Frame, picture: Frame, x: int, y: int) -> None:
    """Copies a picture into a frame, in place."""
    height, width, _ = picture.shape
    frame[y : y + height, x : x + width] = picture


def _paste(frame: Frame, sprite: Sprite, x: int, y: int) -> None:
    """Puts a sprite on a frame, in place: (opacity·colour + (255 − opacity)·below + 127) // 255."""
    height, width, _ = sprite.ink.shape
    top, left = max(y, 0), max(x, 0)
    below = frame[top : max(y + height, 0), left : max(x + width, 0)]
    seen = np.s_[top - y : top - y + below.shape[0], left - x : left - x + below.shape[1]]
    # At most 255 · 255 + 127, which uint16 holds.
    below[...] = (sprite.ink[seen] + below * sprite.clear[seen] + np.uint16(127)) // 255


class _Way(NamedTuple):
    """One way of writing a text: a font, the first line's top, the lines' distance and number."""

    font: str
    top: int
    pitch: int
    room: int


def _write(
    frame: Frame,
    words: Sequence[str],
    x: int,
    ways: Sequence[_Way],
    colour: Colour,
    ground: Colour,
) -> None:
    """Writes words from `x` to the right margin, in the first of the ways that has room."""
    room = SIZE - _MARGIN - x
    for way in ways:
        lines, widest = _wrapped(words, room, way.font)
        if len(lines) <= way.room and widest <= room:
            for row, line in enumerate(lines):
                for word, start in line:
                    y = way.top + row * way.pitch
                    _put_word(frame, word, x + start, y, way.font, colour, ground)
            return
    raise ValueError(
        f"{' '.join(words)!r} is too long for the picture: expected text that fits {way.room} "
        f"lines of {room} px, got {len(lines)}, of which the longest has {widest} px"
    )


def _wrapped(
    words: Sequence[str], width: int, font: str
) -> tuple[list[list[tuple[str, int]]], int]:
    """Words joined with spaces into as few lines of this width as hold them.

    Returns:
        Each line's words, each with the place where it starts, and the width of the widest line.
    """
    space = text_width(" ", font)
    lines: list[list[tuple[str, int]]] = []
    end = widest = 0
    for word in words:
        start = end + space
        end = start + text_width(word, font)
        if lines and end <= width:
            lines[-1].append((word, start))
        else:
            end -= start
            lines.append([(word, 0)])
        widest = max(widest, end)
    return lines, widest


def _glyphs(text: str, font: str) -> list[tuple[int, int, int, int]]:
    """Each character's place and width in the glyph sheet, its bearing and its advance."""
    glyphs = _metrics()[font]
    try:
        return [glyphs[character] for character in text]
    except KeyError as error:
        raise ValueError(
            f"{text!r} cannot be drawn: there is no glyph for {error.args[0]!r}, expected "
            "printable ASCII characters"
        ) from None


@functools.cache
def _metrics() -> dict[str, dict[str, tuple[int, int, int, int]]]:
    text = (resources.files("gym_cards") / "art" / "glyphs.json").read_text(encoding="utf-8")
    return {
        font: {character: (a, b, c, d) for character, (a, b, c, d) in glyphs.items()}
        for font, glyphs in json.loads(text).items()
    }


@functools.cache
def _sheet(name: str, mode: str) -> Frame:
    """A sheet of art as an array of shape (height, width) or (height, width, 4), dtype uint8."""
    path = resources.files("gym_cards") / "art" / name
    if not path.is_file():
        raise ValueError(
            f"there is no {name} among the art of gym_cards: add its size to assets/build_art.py "
            "and run it"
        )
    with path.open("rb") as file, Image.open(file) as picture:
        return np.array(picture.convert(mode))


def _sprite(picture: Frame) -> Sprite:
    """A sprite from a picture of shape (height, width, 4): red, green, blue and opacity."""
    wide = picture.astype(np.uint16)
    return Sprite(wide[..., :3] * wide[..., 3:], 255 - wide[..., 3:])
