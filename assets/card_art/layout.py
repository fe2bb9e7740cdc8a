"""Places of indices and pips on a card."""

from __future__ import annotations

from typing import NamedTuple


class Layout(NamedTuple):
    """Places on a card of one size, in whole pixels.

    Attributes:
        width: Of the card.
        height: Of the card.
        rank: Width and height of a rank letter in the corner.
        ten: Width of the corner's "10", which is narrower a digit.
        top: Of the corner's rank letter.
        middle: Of the corner's column, in half pixels.
        suit: Width and height of the corner's suit symbol.
        suit_top: Top of the corner's suit symbol.
        pip: Width and height of a pip.
        column: Distance of the outer pip columns from the card's middle.
        row: Distance of the top pip row from the card's middle.
    """

    width: int
    height: int
    rank: tuple[int, int]
    ten: int
    top: int
    middle: int
    suit: tuple[int, int]
    suit_top: int
    pip: tuple[int, int]
    column: int
    row: float

    @classmethod
    def of(cls, width: int, height: int) -> Layout:
        """The layout of a card of this size.

        Corners shrink more slowly than the card, because cards are recognised by them. Symbols
        are as odd or even in width as the card, so that its middle is theirs to the pixel.
        """
        rank_height = round(8.5 + 0.125 * width)
        rank_width = round(rank_height * 0.74)
        ten = round(rank_height * 0.94)
        margin = max(3, round(0.045 * width))
        suit_width = like(round(rank_height * 0.72), ten)
        suit_height = suit_width + 1
        top = margin + 1
        suit_top = top + rank_height + max(2, round(0.025 * width))
        index_right = margin + ten
        pip_width = like(int(0.18 * width - 2.8), width)
        pip_height = round(pip_width * 1.12)
        gap = max(1, round(0.03 * width))
        column = int(width / 2 - index_right - gap - pip_width / 2)
        row = height / 2 - top - pip_height / 2 - max(1, round(0.025 * width))
        return cls(
            width,
            height,
            (rank_width, rank_height),
            ten,
            top,
            2 * margin + ten,
            (suit_width, suit_height),
            suit_top,
            (pip_width, pip_height),
            column,
            row,
        )


def like(value: int, parity: int) -> int:
    """`value`, or one more, so that it is odd where `parity` is odd."""
    return value + (value - parity) % 2


# Pips stand in three columns (-1, 0, 1) and at heights given as shares of the outer rows' distance
# from the middle. Those below the middle are drawn upside down.
SIDES = (-1.0, 1.0)
PIPS: dict[int, tuple[tuple[float, float], ...]] = {
    2: ((0, -1), (0, 1)),
    3: ((0, -1), (0, 0), (0, 1)),
    4: tuple((x, y) for y in (-1, 1) for x in SIDES),
    5: (*((x, y) for y in (-1, 1) for x in SIDES), (0, 0)),
    6: tuple((x, y) for y in (-1, 0, 1) for x in SIDES),
    7: (*((x, y) for y in (-1, 0, 1) for x in SIDES), (0, -0.5)),
    8: (*((x, y) for y in (-1, 0, 1) for x in SIDES), (0, -0.5), (0, 0.5)),
    9: (*((x, y) for y in (-1, -1 / 3, 1 / 3, 1) for x in SIDES), (0, 0)),
    10: (*((x, y) for y in (-1, -1 / 3, 1 / 3, 1) for x in SIDES), (0, -2 / 3), (0, 2 / 3)),
}
