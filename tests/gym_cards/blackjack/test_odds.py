import itertools
from fractions import Fraction

import pytest

from gym_cards.blackjack.odds import (
    CARD_ODDS,
    action_values,
    dealer_distribution,
    game_value,
    optimal_action,
)

UPCARDS = range(1, 11)


def odds(*cards):
    product = Fraction(1)
    for card in cards:
        product *= Fraction(4 if card == 10 else 1, 13)
    return product


def score(cards):
    """A hand's total as Gymnasium's Blackjack counts it, 0 if bust."""
    total = sum(cards)
    if 1 in cards and total + 10 <= 21:
        total += 10
    return total if total <= 21 else 0


def dealer_hands(cards):
    """Every way the dealer's hand can end, card by card."""
    total = sum(cards) + (10 if 1 in cards and sum(cards) + 10 <= 21 else 0)
    if total >= 17:
        yield cards
    else:
        for card in range(1, 11):
            yield from dealer_hands((*cards, card))


@pytest.mark.parametrize("upcard", UPCARDS)
def test_dealer_distribution_by_enumeration(upcard):
    expected = dict.fromkeys((17, 18, 19, 20, 21, 0), Fraction(0))
    for hand in dealer_hands((upcard,)):
        expected[score(hand)] += odds(*hand[1:])
    got = dealer_distribution(upcard)
    assert got == expected
    assert sum(got.values()) == 1


def test_card_odds_sum_to_one():
    assert sum(CARD_ODDS.values()) == 1


def test_a_returned_distribution_is_the_callers_own():
    dealer_distribution(5).clear()
    assert sum(dealer_distribution(5).values()) == 1


def test_game_values():
    reward, wins = game_value("reward"), game_value("wins")
    assert round(float(reward.win_rate), 3) == 0.429
    assert round(float(reward.mean_reward), 4) == -0.0466
    assert round(float(wins.win_rate), 3) == 0.432
    assert wins.win_rate > reward.win_rate
    assert wins.mean_reward < reward.mean_reward


def natural_results():
    """The probability of a player's natural, and of one that the dealer's natural draws."""
    natural = 2 * odds(1, 10)
    return natural, natural**2


def test_natural_pays_half_more():
    # Standing on 21 is best with and without, so only the pay of winning naturals changes: against
    # any dealer's hand but one of 21, unlike `sab`.
    natural, _ = natural_results()
    dealer_21 = sum(odds(upcard) * dealer_distribution(upcard)[21] for upcard in UPCARDS)
    gain = natural * (1 - dealer_21) / 2
    plain, paid = game_value(), game_value(natural=True)
    assert paid.mean_reward == plain.mean_reward + gain
    assert paid.win_rate == plain.win_rate


def test_sab_lets_a_natural_win_against_a_late_21():
    natural, both = natural_results()
    dealer_21 = sum(odds(upcard) * dealer_distribution(upcard)[21] for upcard in UPCARDS)
    gain = natural * dealer_21 - both
    plain, sab = game_value(), game_value(sab=True)
    assert sab.mean_reward == plain.mean_reward + gain
    assert sab.win_rate == plain.win_rate + gain
    assert game_value(sab=True, natural=True) == sab


@pytest.mark.parametrize(
    ("upcard", "value"), [(1, Fraction(9, 13)), (10, Fraction(12, 13)), (5, Fraction(1))]
)
def test_sab_natural_against_each_upcard(upcard, value):
    for objective in ("reward", "wins"):
        stand, hit = action_values(21, True, upcard, objective, sab=True, two_cards=True)
        assert stand == value > hit


def test_two_cards_matter_only_to_naturals():
    for upcard in UPCARDS:
        plain = action_values(21, True, upcard)
        assert action_values(21, True, upcard, two_cards=True) == plain
        assert action_values(21, True, upcard, natural=True, sab=True) == plain
        for total in (12, 20):
            assert action_values(
                total, True, upcard, natural=True, two_cards=True
            ) == action_values(total, True, upcard)


def test_standing_by_enumeration():
    for upcard, total in itertools.product((1, 6, 10), (4, 16, 17, 20, 21)):
        win = lose = Fraction(0)
        for hand in dealer_hands((upcard,)):
            win += odds(*hand[1:]) * (score(hand) < total)
            lose += odds(*hand[1:]) * (score(hand) > total)
        assert action_values(total, False, upcard)[0] == win - lose
        assert action_values(total, False, upcard, "wins")[0] == win


def test_values_are_consistent_one_card_ahead():
    # A hard 16 busts on 6 or more; a soft 17 becomes hard on 5 or more.
    for upcard in UPCARDS:
        for objective, bust in (("reward", -1), ("wins", 0)):

            def best(total, soft, upcard=upcard, objective=objective):
                return max(action_values(total, soft, upcard, objective))

            hard = sum(odds(card) * best(16 + card, False) for card in range(1, 6))
            hard += odds(10) * bust + sum(odds(card) for card in range(6, 10)) * bust
            assert action_values(16, False, upcard, objective)[1] == hard
            soft = sum(odds(card) * best(17 + card, True) for card in range(1, 5))
            soft += sum(odds(card) * best(7 + card, False) for card in range(5, 11))
            assert action_values(17, True, upcard, objective)[1] == soft
            ace = odds(1) * best(21, True)
            rest = sum(odds(card) * best(10 + card, False) for card in range(2, 11))
            assert action_values(10, False, upcard, objective)[1] == ace + rest


@pytest.mark.parametrize("upcard", UPCARDS)
def test_policy_for_reward_is_basic_strategy(upcard):
    """Hit-or-stand basic strategy for a dealer who stands on soft 17 (also Sutton & Barto, 5.3)."""
    weak = upcard in range(2, 7)
    for total in range(2, 12):
        assert optimal_action(total, False, upcard) == 1
    assert optimal_action(12, False, upcard) == (upcard not in (4, 5, 6))
    for total in range(13, 17):
        assert optimal_action(total, False, upcard) == (not weak)
    for total in range(17, 22):
        assert optimal_action(total, False, upcard) == 0
    for total in range(12, 18):
        assert optimal_action(total, True, upcard) == 1
    assert optimal_action(18, True, upcard) == (upcard in (9, 10, 1))
    for total in range(19, 22):
        assert optimal_action(total, True, upcard) == 0


def test_actions_follow_values_and_ties_stand():
    for total, soft, upcard, objective in itertools.product(
        range(12, 22), (False, True), UPCARDS, ("reward", "wins")
    ):
        stand, hit = action_values(total, soft, upcard, objective)
        assert optimal_action(total, soft, upcard, objective) == int(hit > stand)


def test_playing_for_wins_gives_up_draws():
    # Against an ace, standing on a hard 17 mostly draws or loses.
    assert optimal_action(17, False, 1, "reward") == 0
    assert optimal_action(17, False, 1, "wins") == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1, False, 5), "total 1"),
        ((22, False, 5), "total 22"),
        ((11, True, 5), "usable_ace=True"),
        ((15, False, 0), "dealer's card"),
        ((15, False, 11), "dealer's card"),
        ((15, False, 5, "money"), "'reward' or 'wins'"),
    ],
)
def test_impossible_arguments_are_refused(args, message):
    with pytest.raises(ValueError, match=message):
        action_values(*args)
    with pytest.raises(ValueError, match=message):
        optimal_action(*args)


def test_other_impossible_arguments_are_refused():
    with pytest.raises(ValueError, match="dealer's card"):
        dealer_distribution(11)
    with pytest.raises(ValueError, match="'reward' or 'wins'"):
        game_value("money")
