"""Rules of FreeCell on plain values: cards as numbers, moves between places, and the board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gym_cards.cards import RANKS, Card

SUITS = ("S", "H", "C", "D")
"""The suits in the order in which games with fewer use them: black and red alternate."""

# The number of a card is four times its rank plus its suit's index, so that the numbers of cards of
# the same colour are both even or both odd. 0 is no card.
CODES = {Card(suit, rank): 4 * rank + SUITS.index(suit) for rank in RANKS for suit in SUITS}
"""The number of each card, 4 to 55."""
CARDS = {code: card for card, code in CODES.items()}
"""The card of each number."""
NAMES = ("-", *([""] * 3), *(CARDS[code].label + CARDS[code].suit for code in range(4, 56)))
"""The text of each number, rank first: "10S"; "-" for no card."""
FITS: tuple[frozenset[int], ...] = (
    *([frozenset[int]()] * 4),
    *(
        frozenset((code // 4 + 1) * 4 + suit for suit in range(4) if (suit - code) % 2)
        for code in range(4, 56)
    ),
)
"""For each number, the cards that it may be put on: a rank higher, of the other colour."""


class Size(NamedTuple):
    """Size of the game.

    Attributes:
        suits: The number of suits, 2 to 4.
        ranks: The number of cards of a suit, 2 to 13, from the ace on.
        columns: The number of columns, 3 to 8.
        cells: The number of cells, 1 to 4.
    """

    suits: int
    ranks: int
    columns: int
    cells: int

    @property
    def cards(self) -> int:
        """The number of cards."""
        return self.suits * self.ranks

    @property
    def max_moves(self) -> int:
        """The number of moves after which an episode is truncated."""
        return 5 * self.cards


Move = tuple[int, int]
"""Source and target: the index of a column; then those of the cells for a source, and the number of
columns for any cell and one more for the foundation as a target."""


def moves_of(size: Size) -> tuple[Move, ...]:
    """Returns every move, in the order of the actions."""
    cell, home = size.columns, size.columns + 1
    moves: list[Move] = []
    for source in range(size.columns + size.cells):
        moves += [(source, column) for column in range(size.columns) if column != source]
        if source < size.columns:
            moves.append((source, cell))
        moves.append((source, home))
    return tuple(moves)


def names_of(size: Size) -> tuple[str, ...]:
    """Returns the text of every move, such as "column 3 to cell"."""
    columns = [f"column {i + 1}" for i in range(size.columns)]
    sources = [*columns, *(f"cell {i + 1}" for i in range(size.cells))]
    targets = [*columns, "cell", "foundation"]
    return tuple(f"{sources[source]} to {targets[target]}" for source, target in moves_of(size))


def deal(number: int, size: Size) -> list[list[int]]:
    """Returns the columns of a numbered deal, the top card of each last.

    With four suits of thirteen and eight columns these are Microsoft's numbered deals: a deck in
    the order of the ranks, and of clubs, diamonds, hearts and spades in each, from which a linear
    congruential generator draws cards that are dealt row by row.
    """
    suits = sorted(SUITS[: size.suits])
    deck = [CODES[Card(suit, rank)] for rank in RANKS[: size.ranks] for suit in suits]
    columns: list[list[int]] = [[] for _ in range(size.columns)]
    state = number
    for place in range(size.cards):
        state = (214013 * state + 2531011) % 2**31
        drawn = (state >> 16) % len(deck)
        deck[drawn], deck[-1] = deck[-1], deck[drawn]
        columns[place % size.columns].append(deck.pop())
    return columns


class Board:
    """Position of a game, which moves change.

    Attributes:
        columns: The cards of each column, the top card last.
        cells: The card in each cell, 0 for none.
        home: The rank of the top card of each suit's foundation, 0 for none.

    Args:
        columns: The cards of each column.
        cells: The card in each cell, 0 for none. All cards that are neither in a column nor in a
            cell are on the foundations.
        size: The size of the game.
    """

    def __init__(self, columns: Sequence[Sequence[int]], cells: Sequence[int], size: Size) -> None:
        self.columns = [list(column) for column in columns]
        self.cells = list(cells)
        away = {*self.cells, *(card for column in self.columns for card in column)}
        self.home = [
            next((rank for rank in range(size.ranks) if (rank + 1) * 4 + suit in away), size.ranks)
            for suit in range(size.suits)
        ]

    @property
    def solved(self) -> bool:
        """True if all cards are on the foundations."""
        return not any(self.cells) and not any(self.columns)

    @property
    def tops_home(self) -> list[int]:
        """The top card of each foundation, 0 for none."""
        return [4 * rank + suit if rank else 0 for suit, rank in enumerate(self.home)]

    def card_at(self, source: int) -> int:
        """Returns the card that a move from a column or a cell takes, 0 if there is none."""
        if source >= len(self.columns):
            return self.cells[source - len(self.columns)]
        column = self.columns[source]
        return column[-1] if column else 0

    def goes_home(self, card: int) -> bool:
        """Returns whether a card is the next one of its suit's foundation."""
        return self.home[card & 3] == (card >> 2) - 1

    def allows(self, move: Move) -> bool:
        """Returns whether the rules allow a move."""
        source, target = move
        card = self.card_at(source)
        if not card:
            return False
        if target < len(self.columns):
            column = self.columns[target]
            return not column or column[-1] in FITS[card]
        return 0 in self.cells if target == len(self.columns) else self.goes_home(card)

    def play(self, move: Move) -> None:
        """Makes a move that the rules allow."""
        source, target = move
        if source < len(self.columns):
            card = self.columns[source].pop()
        else:
            card = self.card_at(source)
            self.cells[source - len(self.columns)] = 0
        if target < len(self.columns):
            self.columns[target].append(card)
        elif target == len(self.columns):
            self.cells[self.cells.index(0)] = card
        else:
            self.home[card & 3] += 1

    def mask(self) -> bytes:
        """Returns a 1 for each move that the rules allow, else 0, in the order of `moves_of`."""
        tops = [column[-1] if column else 0 for column in self.columns]
        cell = 0 in self.cells
        number = len(tops)
        allowed = bytearray()
        for source, card in enumerate((*tops, *self.cells)):
            width = number + 1
            if not card:
                allowed += bytes(width)
                continue
            fits = FITS[card]
            row = [not top or top in fits for top in tops]
            if source < number:
                row[source:] = row[source + 1 :]
                row.append(cell)
            row.append(self.home[card & 3] == (card >> 2) - 1)
            allowed += bytes(row)
        return bytes(allowed)
