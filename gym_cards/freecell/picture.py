"""Picture of FreeCell."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from gym_cards.cards import Card
from gym_cards.freecell.rules import CARDS, SUITS, Size
from gym_cards.render import sprites
from gym_cards.render.covered import covered_card, index_height
from gym_cards.render.lettering import text_width
from gym_cards.render.picture import STANDARD, TABLE, Picture
from gym_cards.render.sprites import Frame, Sprite, card_height
from gym_cards.render.style import Colour, RenderStyle, ink_on

# Lengths in a picture of 300 pixels.
_LETTERS = 10.0
_LINE = 12.0
_EDGE = 3.0
# Of a card's height: what a neighbour in the column leaves visible, and the least of it in the
# longest columns.
_STEP, _LEAST_STEP = 0.33, 0.24
# With jitter cards are smaller, and lie further apart.
_SHRINK, _WIDE_STEP = 0.86, 0.52
_FAINTEST = 24
# In pixels; smaller ones could not be read.
_SMALLEST_LETTERS = 6
# Shapes are drawn this many times larger and averaged down.
_SCALE = 4


class FreeCellPicture(Picture):
    """Picture of FreeCell: cells and foundations above the columns.

    Places are numbered: the columns, then the cells, then the foundations in the order of `SUITS`.

    Args:
        size: The size of the game.
        style: The style of the picture.
    """

    def __init__(self, size: Size, style: RenderStyle = STANDARD) -> None:
        super().__init__(style, TABLE)
        self._size = size
        line = _LINE * style.font_scale
        slots = max(size.columns, size.cells + size.suits)
        # A column of cards that are all in the way, and a run on top of it.
        longest = -(-size.cards // size.columns) + size.ranks - 1
        room = 300 - 2 * line - 2 * _EDGE
        height = room / (2 + (longest - 1) * _LEAST_STEP)
        pitch = 300 / slots
        width = min(0.9 * pitch, height / 1.4)
        pixels = style.pixels
        self._width = pixels(width * (_SHRINK if style.jitters else 1))
        self._height = card_height(self._width)
        self._step = self._height * (_WIDE_STEP if style.jitters else _STEP)
        # Cards stay between the rows of letters.
        self._tops = (pixels(_EDGE + line), pixels(_EDGE + 2 * line + 1.4 * width))
        self._floors = (self._tops[1] - pixels(line), style.size - pixels(_EDGE))
        upper = self._tops[0] + (self._floors[0] - self._tops[0] - self._height) // 2
        self._rows = (max(self._tops[0], upper), self._tops[1])
        self._floor = self._floors[1]
        lefts = [self._left(300 / size.columns, i) for i in range(size.columns)]
        lefts += [self._left(pitch, i) for i in range(size.cells)]
        lefts += [self._left(pitch, slots - size.suits + i) for i in range(size.suits)]
        rows = [self._rows[1]] * size.columns + [self._rows[0]] * (size.cells + size.suits)
        self._corners = list(zip(lefts, rows, strict=True))
        self._gap = pixels(pitch) - self._width
        self._put_labels(lefts, pixels(pitch))
        self._slots = [
            _slot(self.ground, self._width, suit)
            for suit in (None,) * (size.columns + size.cells) + SUITS[: size.suits]
        ]
        for slot, (x, y) in zip(self._slots, self._corners, strict=True):
            self.canvas.put(slot, x, y)
        self._bare = _bare_column(self.ground, self._slots[0].tobytes(), self._width, self._floor)
        self._empty = _template(style, size, self.frame.tobytes()) if style.jitters else None
        self._shown: list[Sequence[int]] = [()] * len(self._corners)
        self._jitter: int | None = None
        self._moves = np.zeros((56, 3))

    def deal(self, places: Sequence[Sequence[int]], jitter: int | None = None) -> None:
        """Draws all places.

        Args:
            places: The numbers of the cards in every place, the top card last.
            jitter: The seed of the cards' displacement, if the style has any.
        """
        if self.style.jitters and jitter != self._jitter:
            self._jitter = jitter
            self._moves = np.zeros((56, 3))
            if jitter is not None:
                self._moves = np.random.default_rng([jitter, 0]).uniform(-1, 1, (56, 3))
        self.show(dict(enumerate(places)))

    def show(self, changes: dict[int, Sequence[int]]) -> None:
        """Draws some places.

        Args:
            changes: The numbers of the cards in each of these places, the top card last.
        """
        for place, cards in changes.items():
            self._shown[place] = tuple(cards)
        if self._empty is not None:
            self.canvas.put(self._empty, 0, 0)
            for place in range(len(self._shown)):
                self._scatter(place)
            return
        for place in changes:
            self._lay(place)

    def _lay(self, place: int) -> None:
        """Draws a place with its cards in order."""
        cards, (x, y) = self._shown[place], self._corners[place]
        if place >= self._size.columns:
            if cards:
                self.put_card(CARDS[cards[-1]], self._width, x, y)
            else:
                self.canvas.put(self._slots[place], x, y)
            return
        ends = self._ends(len(cards))
        self.canvas.put(self._bare[: self._floor - y], x, y)
        faces = _covering_faces(self.ground, self._width, self.style.four_colours)
        for index, card in enumerate(cards):
            key = CARDS[card], index > 0, index + 1 < len(cards)
            self.canvas.put(faces[key], x, y + ends[index])

    def _scatter(self, place: int) -> None:
        """Draws a place with its cards moved and turned, each as it is wherever it lies."""
        cards, (x, y) = self._shown[place], self._corners[place]
        row = int(place < self._size.columns)
        if row == 0:
            cards = cards[-1:]
        ends = self._ends(len(cards))
        width, height, style = self._width, self._height, self.style
        step = ends[1] if len(cards) > 1 else height
        spare = max(0.0, step - index_height(width) - 1)
        # A turned card leans into its neighbour's column and over the card below it.
        sine = min(0.7 * spare / width, 0.8 * self._gap / height)
        turn = min(style.rotation_jitter, math.degrees(math.asin(min(1.0, sine))))
        leaning = math.sin(math.radians(turn))
        reach = style.position_jitter * style.size / 300
        across = min(reach, max(0.0, self._gap - leaning * height) / 2)
        down = min(reach, max(0.0, spare - leaning * width) / 2)
        for index, card in enumerate(cards):
            move_x, move_y, share = self._moves[card].tolist()
            angle = round(round(share * 10) / 10 * turn, 2)
            sprite = self._sprite(CARDS[card], angle, index + 1 < len(cards))
            tall, wide, _ = sprite.ink.shape
            left = x + move_x * across + (width - wide) / 2
            top = y + ends[index] + move_y * down + (height - tall) / 2
            left = min(max(left, 0), style.size - wide)
            top = max(min(top, self._floors[row] - tall), self._tops[row])
            sprites.paste(self.frame, sprite, int(left), int(top))

    def _sprite(self, card: Card, angle: float, covered: bool) -> Sprite:
        draw = covered_card if covered else sprites.card
        return draw(card, self._width, four_colours=self.style.four_colours, angle=angle)

    def _ends(self, count: int) -> list[int]:
        """Returns how far each card of a column lies below the first one."""
        room = self._floor - self._rows[1] - self._height
        step = min(self._step, room / (count - 1)) if count > 1 else 0.0
        return [int(index * step) for index in range(count)]

    def _left(self, pitch: float, index: int) -> int:
        return self.style.pixels((index + 0.5) * pitch) - self._width // 2

    def _put_labels(self, lefts: Sequence[int], pitch: int) -> None:
        """Writes the names of the places above them, where there is room and they can be read."""
        size, scale = self._size, 300 / self.style.size
        font = self.font("bold", _LETTERS)
        if int(font.partition("-")[2]) < _SMALLEST_LETTERS:
            return

        def write(text: str, middle: float, room: float, row: float) -> None:
            if text_width(text, font) <= room:
                left = middle - text_width(text, font) / 2
                self.label(text, left * scale, row, "bold", _LETTERS)

        below = self._floors[0] * scale
        for index, left in enumerate(lefts[: size.columns]):
            write(str(index + 1), left + self._width / 2, pitch, below)
        cells = lefts[size.columns : size.columns + size.cells]
        long = text_width("cell 0", font) <= pitch
        for index, left in enumerate(cells):
            text = f"cell {index + 1}" if long else str(index + 1)
            write(text, left + self._width / 2, pitch, 1)
        first, last = lefts[-size.suits], lefts[-1] + self._width
        write("foundations", (first + last) / 2, size.suits * pitch, 1)


class _CoveringFaces(dict[tuple[Card, bool, bool], Frame]):
    """Cards of one size, by whether each lies on another one, and whether another lies on it."""

    def __init__(self, ground: Colour, width: int, four_colours: bool) -> None:
        self._ground, self._width, self._four_colours = ground, width, four_colours

    def __missing__(self, key: tuple[Card, bool, bool]) -> Frame:
        card, covering, covered = key
        draw = covered_card if covered else sprites.card
        sprite = draw(card, self._width, four_colours=self._four_colours)
        picture = np.full(sprite.ink.shape, self._ground, np.uint8)
        if covering:
            # At its upper corners the edges of the card below are seen.
            middle = card_height(self._width) // 2
            picture[:middle] = covered_card(card, self._width).ink[middle] // 255
        sprites.paste(picture, sprite, 0, 0)
        # Stored only when it is complete, because all pictures share it.
        self[key] = picture
        return picture


@functools.lru_cache(maxsize=16)
def _covering_faces(ground: Colour, width: int, four_colours: bool) -> _CoveringFaces:
    return _CoveringFaces(ground, width, four_colours)


@functools.lru_cache(maxsize=16)
def _bare_column(ground: Colour, slot: bytes, width: int, height: int) -> Frame:
    """Returns the ground of a column with the slot at its top."""
    column = np.full((height, width, 3), ground, np.uint8)
    column[: card_height(width)] = np.frombuffer(slot, np.uint8).reshape(-1, width, 3)
    return column


@functools.lru_cache(maxsize=4)
def _template(style: RenderStyle, size: Size, picture: bytes) -> Frame:
    """Returns the bare table, which pictures of the same style share."""
    return np.frombuffer(picture, np.uint8).reshape(style.size, style.size, 3)


@functools.lru_cache(maxsize=64)
def _slot(ground: Colour, width: int, suit: str | None) -> Frame:
    """Draws the place of a card, on a foundation with the symbol of its suit."""
    height = card_height(width)
    shape = Image.new("L", (width * _SCALE, height * _SCALE))
    thick = max(1.0, width / 45) * _SCALE
    radius = 0.075 * width * _SCALE
    right, bottom = shape.width - 1, shape.height - 1
    draw = ImageDraw.Draw(shape)
    draw.rounded_rectangle((0, 0, right, bottom), radius, fill=255)
    inner = (thick, thick, right - thick, bottom - thick)
    draw.rounded_rectangle(inner, max(0.0, radius - thick), fill=0)
    coverage = np.array(shape.reduce(_SCALE))
    if suit is not None:
        symbol = _symbol(suit, max(4, width // 2))
        rows, columns = symbol.shape
        top, left = (height - rows) // 2, (width - columns) // 2
        coverage[top : top + rows, left : left + columns] = symbol
    # Traces that are seen on some grounds only are left out.
    coverage[coverage < _FAINTEST] = 0
    picture = np.full((height, width, 3), ground, np.uint8)
    colours = np.full_like(picture, _mixed(ground, 0.45))
    sprites.paste(picture, Sprite.of(colours, coverage), 0, 0)
    return picture


def _symbol(suit: str, width: int) -> Frame:
    """Returns the coverage of a suit's symbol, as the ace has it in its middle."""
    sheet = 90
    ink = sprites.card(Card(suit, 1), sheet).ink // 255
    darkness = 255 - ink.min(axis=2).astype(np.uint8)
    middle, height = sheet // 2, darkness.shape[0]
    across = int(0.26 * sheet)
    symbol = darkness[height // 2 - across - 4 : height // 2 + across + 4]
    symbol = symbol[:, middle - across : middle + across]
    scale = width / symbol.shape[1]
    size = width, max(1, round(symbol.shape[0] * scale))
    return np.asarray(Image.fromarray(symbol).resize(size, Image.Resampling.BICUBIC))


def _mixed(ground: Colour, share: float) -> Colour:
    """Returns the ground with some of the letters' colour."""
    red, green, blue = (
        round(below + share * (above - below))
        for below, above in zip(ground, ink_on(ground), strict=True)
    )
    return red, green, blue
