"""The counts behind the values of holds, against trying out every draw and published figures."""

import math
from itertools import combinations

import numpy as np
import pytest

from gym_cards.cards import DECK, Card
from gym_cards.video_poker.exact import TOTALS, all_hands, exact, game_value, outcomes
from gym_cards.video_poker.rules import HANDS, HOLDS, PAY_TABLES, hand_of

FULL = PAY_TABLES["9/6"]
DEALT = [
    *("HJ DJ C5 S9 H2", "HA HK HQ HJ S2", "HA HK HQ HJ HT", "S2 S3 S4 S5 S6", "D2 H3 C4 S5 S7"),
    *("HA SA DA CA S2", "HA SA DA CK SK", "HT ST D9 C9 S4", "C4 C6 C7 C8 CK", "HA S2 D3 C4 SK"),
]


def cards(codes):
    return [Card.parse(code) for code in codes.split()]


def tried(hand, hold):
    """The number of draws that end in each hand, by trying all of them."""
    rest = [card for card in DECK if card not in hand]
    held = [hand[place] for place in hold]
    counts = [0] * len(HANDS)
    for drawn in combinations(rest, 5 - len(hold)):
        counts[hand_of([*held, *drawn])] += 1
    return counts


@pytest.mark.parametrize("codes", DEALT)
def test_holds_that_draw_up_to_two_cards_count_as_when_tried(codes):
    hand = cards(codes)
    counts = outcomes(hand)
    for action, hold in enumerate(HOLDS):
        if len(hold) >= 3:
            assert counts[action].tolist() == tried(hand, hold)


def test_random_deals_and_a_hold_that_draws_three_count_as_when_tried():
    rng = np.random.default_rng(0)
    for _ in range(5):
        hand = [DECK[place] for place in rng.permutation(52)[:5]]
        counts = outcomes(hand)
        assert (counts >= 0).all()
        assert (counts.sum(axis=1) == TOTALS).all()
        action = int(rng.choice([a for a, hold in enumerate(HOLDS) if len(hold) == 2]))
        assert counts[action].tolist() == tried(hand, HOLDS[action])


@pytest.mark.slow
@pytest.mark.parametrize("codes", ["HJ DJ C5 S9 H2", "HA HK HQ HJ ST"])
def test_holds_that_draw_up_to_five_cards_count_as_when_tried(codes):
    hand = cards(codes)
    for action, hold in enumerate(HOLDS):
        if len(hold) < 3:
            assert outcomes(hand)[action].tolist() == tried(hand, hold)


@pytest.mark.parametrize(
    ("codes", "hold", "paid"),
    [
        # What strategy tables give for "9/6".
        ("HJ DJ C5 S9 H2", "hold 1 2 only", 1.5365),
        ("H5 D5 C2 S9 HQ", "hold 1 2 only", 0.8237),
        ("H5 D5 C5 S9 H2", "hold 1 2 3 only", 4.3025),
        ("H5 D5 C9 S9 H2", "hold 1 2 3 4 only", (4 * 9 + 43 * 2) / 47),
        ("HA HK HQ HJ HT", "hold all", 800),
    ],
)
def test_published_values(codes, hold, paid):
    from gym_cards.video_poker.env import ACTION_NAMES

    values = exact(cards(codes), FULL)
    action = ACTION_NAMES.index(hold)
    assert values.optimal_actions == (action,)
    assert values.value + 1 == pytest.approx(paid, abs=5e-5)


def test_a_success_pays_more_than_the_bet():
    """Of a low pair, three kickers are thrown away for the most chances of two pair or better."""
    hand = cards("H5 D5 C2 S9 HK")
    counts = outcomes(hand)
    known = exact(hand, FULL)
    wins = counts[:, 2:].sum(axis=1) / TOTALS
    assert known.success_probability == wins.max()
    assert wins.argmax() == 3
    # With "all american", two pair is no success.
    assert (
        exact(hand, PAY_TABLES["all american"]).success_probability
        == (counts[:, 3:].sum(axis=1) / TOTALS).max()
    )


def test_a_discount_has_no_effect_and_the_best_hold_depends_on_the_table():
    hand = cards("HJ DJ H5 H9 H2")
    assert exact(hand, FULL, 0.5) == exact(hand, FULL)
    assert exact(hand, FULL).optimal_actions == (3,)
    assert exact(hand, PAY_TABLES["all american"]).optimal_actions == (29,)


@pytest.mark.parametrize("codes", ["HA HA C5 S9 H2", "HA HK", "HA HK HQ HJ HT H9"])
def test_other_than_five_different_cards_are_an_error(codes):
    with pytest.raises(ValueError, match="expected 5 different cards"):
        exact(cards(codes), FULL)


@pytest.mark.slow
def test_hands_that_differ_by_more_than_suits():
    hands, deals = all_hands()
    assert (len(hands), deals.sum()) == (134_459, math.comb(52, 5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pays", "plays_for", "returned", "wins", "most"),
    [
        # The known returns of Jacks or Better, 99.5439%, and of All American, 100.72%.
        ("9/6", None, 0.995439, 0.239980, 0.245007),
        ("all american", None, 1.007221, 0.116373, 0.122357),
        ("all american", FULL, 0.973429, None, 0.122357),
    ],
)
def test_the_best_play_gets_back_what_is_published(pays, plays_for, returned, wins, most):
    reward, often, most_often = game_value(PAY_TABLES[pays], plays_for)
    assert (1 + reward, most_often) == pytest.approx((returned, most), abs=5e-7)
    assert wins is None or often == pytest.approx(wins, abs=5e-7)
