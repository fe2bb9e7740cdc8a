"""What hands are, how cards are drawn, and what is said of the cards that are held."""

from collections import Counter
from itertools import combinations, permutations

import pytest

from gym_cards.cards import DECK, Card
from gym_cards.video_poker.env import ACTION_NAMES
from gym_cards.video_poker.rules import HANDS, HOLDS, hand_of, pay_table, promise, take


def cards(codes):
    return [Card.parse(code) for code in codes.split()]


@pytest.mark.parametrize(
    ("codes", "name"),
    [
        ("HT HA HK HQ HJ", "royal flush"),
        ("SK S9 SJ ST SQ", "straight flush"),
        ("CA C3 C2 C5 C4", "straight flush"),
        ("H7 S7 D7 C7 SA", "four of a kind"),
        ("H7 S7 D7 CA SA", "full house"),
        ("H2 H9 HJ HK HA", "flush"),
        ("HT SA SK SQ SJ", "straight"),
        ("HA S2 S3 S4 S5", "straight"),
        ("HQ SK SA S2 S3", "nothing"),
        ("H2 S3 S4 S5 S7", "nothing"),
        ("H7 S7 D7 CK SA", "three of a kind"),
        ("H7 S7 D2 C2 SA", "two pair"),
        ("HA SA D2 C3 S4", "jacks or better"),
        ("HJ SJ D2 C3 S4", "jacks or better"),
        ("HT ST D2 C3 S4", "nothing"),
        ("H2 S2 DK CQ SA", "nothing"),
    ],
)
def test_hands(codes, name):
    assert {HANDS[hand_of(order)] for order in permutations(cards(codes))} == {name}


@pytest.mark.slow
def test_how_many_of_all_hands_are_what():
    """The published frequencies; of the 1,098,240 pairs four thirteenths are high."""
    counts = Counter(map(hand_of, combinations(DECK, 5)))
    assert [counts[hand] for hand in range(len(HANDS) - 1, 0, -1)] == [
        *(4, 36, 624, 3_744, 5_108, 10_200, 54_912, 123_552, 1_098_240 * 4 // 13)
    ]
    assert counts.total() == 2_598_960


class Choosing:
    """A generator whose next number is known."""

    def __init__(self, number):
        self.number = number

    def integers(self, high):
        assert 0 <= self.number < high
        return self.number


def test_every_order_of_cards_is_drawn_by_one_number():
    deck = list(DECK[:5])
    drawn = set()
    for number in range(5 * 4 * 3):
        left = deck.copy()
        taken = take(Choosing(number), left, 3)
        drawn.add(tuple(taken))
        assert sorted([*taken, *left]) == sorted(deck)
    assert drawn == set(permutations(deck, 3))


def test_no_name_of_a_hold_is_part_of_another_one():
    assert ACTION_NAMES[21] == "hold 1 3 5 only"
    assert HOLDS[21] == (0, 2, 4)
    assert not [(a, b) for a, b in permutations(ACTION_NAMES, 2) if a in b]


def test_pay_tables_pay_nothing_for_nothing():
    own = {name: 3 * index for index, name in enumerate(HANDS[1:])}
    assert pay_table(own) == (0, 0, 3, 6, 9, 12, 15, 18, 21, 24)
    assert pay_table("9/6")[hand_of(cards("H7 S7 D7 CA SA"))] == 9


@pytest.mark.parametrize(
    ("held", "discarded", "told"),
    [
        ("HT HA HK HQ HJ", "", "a royal flush"),
        ("C2 C3 C4 C5 C6", "", "a straight flush"),
        ("H7 S7 D7 CA SA", "", "a full house"),
        ("H7 S7 D7 C7 SA", "", "four of a kind"),
        ("H2 H9 HJ HK HA", "", "a flush"),
        ("HT SA SK SQ SJ", "", "a straight"),
        ("H7 S7 D7 C4 SA", "", "three sevens"),
        ("H7 S7 D2 C2 SA", "", "two pair"),
        ("H2 S9 DJ CK SA", "", "nothing"),
        ("H6 S6 D6 C6", "SA", "four sixes"),
        ("H7 S7 D2", "C2 SA", "a pair of sevens"),
        ("HJ SJ", "C5 D9 H2", "a pair of jacks"),
        ("HA HK HT HJ", "S3", "four to a royal flush"),
        # The missing card was dealt, and is thrown away.
        ("HA HK HT HJ", "HQ", "four to a flush"),
        ("H9 HK HT HJ", "HQ", "four to a flush"),
        ("HT HJ", "H9 HQ S2", "one high card"),
        ("H9 HT HJ", "S2 S3", "three to a straight flush"),
        ("H2 H7 HJ", "S2 S3", "three to a flush"),
        ("H2 S3 S4 S5", "DK", "four to a straight"),
        ("HA S3 S4 S5", "DK", "four to a straight"),
        ("HJ SQ", "C2 C5 C9", "two high cards"),
        ("HJ HQ", "C2 C5 C9", "two to a royal flush"),
        ("HA", "C2 C5 C9 DJ", "one high card"),
        ("H2 S9", "CA C5 DJ", "nothing yet"),
        ("H4", "CA C5 DJ D9", "nothing yet"),
    ],
)
def test_what_is_said_of_cards_that_are_held(held, discarded, told):
    assert promise(cards(held), cards(discarded)) == told
