from collections import Counter

import numpy as np
import pytest

from gym_cards.cards import DECK, RANKS, SUITS, Card, deal


def test_the_deck_holds_every_card_once():
    assert len(DECK) == len(set(DECK)) == 52
    assert set(DECK) == {Card(suit, rank) for suit in SUITS for rank in RANKS}


def test_codes_are_read_back():
    assert [Card.parse(card.code) for card in DECK] == list(DECK)
    assert len({card.code for card in DECK}) == 52


@pytest.mark.parametrize(
    ("code", "card", "label"),
    [
        ("HA", Card("H", 1), "A"),
        ("S9", Card("S", 9), "9"),
        ("CT", Card("C", 10), "10"),
        ("DJ", Card("D", 11), "J"),
        ("DQ", Card("D", 12), "Q"),
        ("DK", Card("D", 13), "K"),
    ],
)
def test_codes_and_labels(code, card, label):
    assert Card.parse(code) == card
    assert card.code == code
    assert card.label == label


@pytest.mark.parametrize("code", ["", "H", "H10", "AH", "h9", "H1", "X5", "HT ", None, 5, ("H", 9)])
def test_bad_codes(code):
    with pytest.raises(ValueError, match="is not a card: expected"):
        Card.parse(code)


def test_deals_are_uniform():
    rng = np.random.default_rng(0)
    counts = Counter(card for _ in range(13_000) for card in deal(rng, 4))
    # A chi-square test, 51 degrees of freedom: the 99.9% quantile is 87.0.
    assert sum((counts[card] - 1000) ** 2 / 1000 for card in DECK) < 87.0


@pytest.mark.parametrize("count", [11, 12, 13, 30])
def test_hands_of_any_size(count):
    rng = np.random.default_rng(5)
    hands = [deal(rng, count) for _ in range(400)]
    assert {len(hand) for hand in hands} == {count}
    last = Counter(hand[-1] for hand in hands)
    assert len(last) == 52
    # By hand: 400 of 52 is 7.7 each, and 8 standard deviations above it are 30.
    assert max(last.values()) < 30


def test_a_deal_that_fits_into_one_number_is_one_draw():
    drawn, rng = np.random.default_rng(5), np.random.default_rng(5)
    number = int(drawn.integers(52**11))
    expected = [DECK[number // 52**place % 52] for place in range(11)]
    assert list(deal(rng, 11)) == expected
