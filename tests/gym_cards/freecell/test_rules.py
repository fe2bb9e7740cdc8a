"""Rules of FreeCell, on positions worked out by hand."""

import pytest

from gym_cards.cards import DECK, Card
from gym_cards.freecell.rules import (
    CARDS,
    CODES,
    FITS,
    NAMES,
    Board,
    Size,
    deal,
    moves_of,
    names_of,
)

SMALL = Size(suits=4, ranks=6, columns=6, cells=2)
STANDARD = Size(suits=4, ranks=13, columns=8, cells=4)
# The deal that Microsoft's FreeCell numbers 1, row by row.
FIRST = """
    JD 2D 9H JC 5D 7H 7C 5H
    KD KC 9S 5S AD QC KH 3H
    2S KS 9D QD JS AS AH 3C
    4C 5C 10S QH 4H AC 4D 7S
    3S 10D 4S 10H 8H 2C JH 7D
    6D 8S 8D QS 6C 3D 8C 10C
    6S 9C 2H 6H
"""


def numbers(codes):
    return [CODES[Card.parse(code)] for code in codes.split()]


def board(columns, cells="", size=SMALL):
    filled = numbers(cells)
    return Board(map(numbers, columns), filled + [0] * (size.cells - len(filled)), size)


def state(one):
    return (
        [" ".join(CARDS[card].code for card in column) for column in one.columns],
        [CARDS[card].code if card else "" for card in one.cells],
        one.home,
    )


POSITION = (["S6 H5", "D6 C2", "C5", "", "H6 C6 C4 D5", "S5 C3"], "D3")


def test_cards_and_numbers_are_one_to_one():
    assert {CARDS[CODES[card]] for card in DECK} == set(DECK)
    assert NAMES[CODES[Card("S", 10)]] == "10S"
    assert NAMES[0] == "-"


@pytest.mark.parametrize("card", DECK, ids=lambda card: card.code)
def test_a_card_fits_on_the_next_rank_of_the_other_colour(card):
    others = "CS" if card.suit in "DH" else "DH"
    expected = {Card(suit, card.rank + 1) for suit in others} if card.rank < 13 else set()
    fits = {CARDS[code] for code in FITS[CODES[card]] if code in CARDS}
    assert fits == expected


def test_the_first_deal_of_the_standard_game():
    rows = [row.split() for row in FIRST.strip().splitlines()]
    columns = [[NAMES[card] for card in column] for column in deal(1, STANDARD)]
    assert columns == [[row[i] for row in rows if i < len(row)] for i in range(8)]


@pytest.mark.parametrize("size", [Size(2, 4, 3, 1), Size(3, 5, 4, 1), SMALL, STANDARD], ids=str)
def test_a_deal_has_every_card_once(size):
    for number in (1, 2, 617):
        columns = deal(number, size)
        cards = [card for column in columns for card in column]
        assert sorted(cards) == sorted(
            CODES[Card(suit, rank)]
            for suit in "SHCD"[: size.suits]
            for rank in range(1, size.ranks + 1)
        )
        lengths = [len(column) for column in columns]
        assert lengths == sorted(lengths, reverse=True)
        assert max(lengths) - min(lengths) <= 1
    assert deal(1, size) != deal(2, size)


def test_actions_are_all_pairs_of_different_places():
    names = names_of(SMALL)
    assert len(names) == len(set(names)) == (6 + 2) * (6 + 1)
    assert names[:7] == (
        *(f"column 1 to column {i}" for i in (2, 3, 4, 5, 6)),
        "column 1 to cell",
        "column 1 to foundation",
    )
    assert names[-7:] == (*(f"cell 2 to column {i}" for i in range(1, 7)), "cell 2 to foundation")
    assert len(moves_of(SMALL)) == len(names)


def test_what_the_rules_allow():
    """D3 is in a cell; spades to 4, hearts to 4, clubs to the ace, diamonds to 2 are home."""
    one = board(*POSITION)
    one_home = dict(zip("SHCD", one.home, strict=True))
    assert one_home == {"S": 4, "H": 4, "C": 1, "D": 2}
    allowed = {name for name, bit in zip(names_of(SMALL), one.mask(), strict=True) if bit}
    assert allowed == {
        *("column 1 to column 4", "column 1 to cell", "column 1 to foundation"),
        *("column 2 to column 4", "column 2 to cell", "column 2 to foundation"),
        *("column 3 to column 4", "column 3 to cell"),
        *("column 5 to column 4", "column 5 to cell"),
        *("column 6 to column 4", "column 6 to cell"),
        *("cell 1 to column 4", "cell 1 to foundation"),
    }
    assert allowed == {
        name
        for name, move in zip(names_of(SMALL), moves_of(SMALL), strict=True)
        if one.allows(move)
    }


def test_cards_go_on_others_and_back():
    one = board(["S6", "H5 D3", "C4", "", "", ""])
    moves = dict(zip(names_of(SMALL), moves_of(SMALL), strict=True))
    assert one.allows(moves["column 2 to column 3"])
    one.play(moves["column 2 to column 3"])
    assert not one.allows(moves["column 3 to column 1"])
    one.play(moves["column 2 to column 1"])
    one.play(moves["column 3 to cell"])
    one.play(moves["column 3 to cell"])
    assert state(one)[:2] == (["S6 H5", "", "", "", "", ""], ["D3", "C4"])
    assert not one.allows(moves["column 1 to cell"])
    one.play(moves["cell 2 to column 1"])
    one.play(moves["cell 1 to column 1"])
    assert state(one)[:2] == (["S6 H5 C4 D3", "", "", "", "", ""], ["", ""])


def test_the_game_is_solved_when_all_are_home():
    one = board(["S6", "", "H6", "", "", ""], "C6 D6")
    assert one.home == [5, 5, 5, 5]
    home = SMALL.columns + 1
    for source in (0, 2, 6):
        one.play((source, home))
    assert not one.solved
    one.play((7, home))
    assert one.solved
    assert one.home == [6, 6, 6, 6]
    assert not any(one.mask())


def test_a_position_without_moves():
    """The cell is taken, the aces are covered, and no card fits on another one."""
    size = Size(2, 4, 3, 1)
    assert not any(board(["SA H3 S2", "HA S3 H2", "S4"], "H4", size).mask())
    # With the cell free every column has a move.
    freed = board(["SA H3 S2", "HA S3 H2", "S4 H4"], "", size)
    names = [name for name, bit in zip(names_of(size), freed.mask(), strict=True) if bit]
    assert names == ["column 1 to cell", "column 2 to cell", "column 3 to cell"]
