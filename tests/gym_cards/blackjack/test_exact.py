"""Exact values of Blackjack, against full game trees."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest

from gym_cards.blackjack import exact as blackjack_exact
from gym_cards.blackjack.rules import settle, total
from gym_cards.blackjack.shoe import _ENDS, _dealer_ends, _finals, _reachable, _unseen
from gym_cards.cards import Card

GAMMAS = (0.0, 0.5, 0.9, 1.0)


def as_cards(values):
    return [Card("S", value) for value in values]


def shoe_by_enumeration(player, upcard, decks, gamma, objective, **rules):
    """Values of standing and hitting from the shuffle itself, in fractions.

    The hidden card is dealt first, and the player keeps a belief about it that his draws update; so
    this does not presuppose that his draws are independent of what the dealer holds.
    """
    shoe = [4 * decks] * 9 + [16 * decks]
    for card in (*player, upcard):
        shoe[card - 1] -= 1
    gamma = Fraction(gamma)

    def utility(result):
        return Fraction(result) if objective == "reward" else Fraction(int(result > 0))

    # Hands are kept sorted, so that hands of the same cards are computed once.
    @cache
    def dealer(hand, dealt, left):
        if total(as_cards(dealt)) >= 17:
            return utility(settle(as_cards(hand), as_cards(dealt), **rules))
        return sum(
            Fraction(n, sum(left)) * dealer(hand, add(dealt, card), without(left, card))
            for card, n in enumerate(left, 1)
            if n
        )

    def add(hand, card):
        return tuple(sorted((*hand, card)))

    def without(left, card):
        return (*left[: card - 1], left[card - 1] - 1, *left[card:])

    @cache
    def values(hand, belief):
        """The belief holds, for each hidden card, its weight and what else is left."""
        mass = sum(weight for weight, _, _ in belief)
        stand = sum(w * dealer(hand, add((upcard,), h), left) for w, h, left in belief) / mass
        hit = Fraction(0)
        for card in range(1, 11):
            after = tuple(
                (w * Fraction(left[card - 1], sum(left)), h, without(left, card))
                for w, h, left in belief
                if left[card - 1]
            )
            odds = sum(w for w, _, _ in after) / mass
            if not odds:
                continue
            if total(as_cards((*hand, card))) > 21:
                hit += odds * utility(-1)
            else:
                step = gamma if objective == "reward" else 1
                hit += odds * step * max(values(add(hand, card), after))
        return stand, hit

    belief = tuple(
        (Fraction(n, sum(shoe)), card, without(tuple(shoe), card))
        for card, n in enumerate(shoe, 1)
        if n
    )
    return values(tuple(sorted(player)), belief)


@pytest.mark.parametrize(
    ("player", "upcard", "decks", "gamma", "rules"),
    [
        ((10, 6), 10, 1, 1.0, {}),
        ((9, 8), 9, 1, 0.9, {}),
        ((7, 7, 3), 10, 2, 0.5, {}),
        ((3, 10, 3), 10, 1, 0.9, {}),
        ((1, 10), 10, 1, 1.0, {"natural": True}),
        ((10, 1), 10, 1, 0.9, {"sab": True}),
        ((1, 10), 10, 8, 1.0, {}),
        ((1, 4, 6, 8), 10, 1, 1.0, {"sab": True}),
    ],
)
def test_blackjack_shoe_by_enumeration(player, upcard, decks, gamma, rules):
    exact = blackjack_exact.exact(player, upcard, decks=decks, gamma=gamma, **rules)
    rewards = shoe_by_enumeration(player, upcard, decks, gamma, "reward", **rules)
    wins = shoe_by_enumeration(player, upcard, decks, gamma, "wins", **rules)
    assert exact.action_values == pytest.approx([float(value) for value in rewards], abs=1e-13)
    assert exact.success_probability == pytest.approx(float(max(wins)), abs=1e-13)


@pytest.mark.parametrize("rules", [{}, {"natural": True}, {"sab": True}])
def test_a_large_shoe_is_an_infinite_deck(rules):
    for player in [(1, 1), (2, 2), (10, 6), (1, 10), (5, 4, 3)]:
        for upcard in (1, 2, 6, 10):
            endless = blackjack_exact.exact(player, upcard, gamma=0.9, **rules)
            shoe = blackjack_exact.exact(player, upcard, decks=10**7, gamma=0.9, **rules)
            assert shoe.action_values == pytest.approx(endless.action_values, abs=1e-6)
            assert shoe.success_probability == pytest.approx(endless.success_probability, abs=1e-6)


def test_the_dealers_ends_are_all_of_them():

    for upcard in range(1, 11):
        hands = _reachable((1,) + (0,) * 8 + (1,), upcard, 1)
        ends = _dealer_ends(np.array([_unseen(hand, upcard, 1) for hand in hands]), upcard)
        assert ends.sum(axis=1) == pytest.approx(1, abs=1e-13)
        assert (ends >= 0).all()
        assert {final.end for final in _finals(upcard)} <= set(_ENDS)


def test_a_discount_makes_hitting_worth_less_where_it_wins():
    patient, hasty = (blackjack_exact.exact([5, 4], 6, gamma=gamma) for gamma in (1.0, 0.5))
    assert hasty.action_values[0] == patient.action_values[0]
    assert 0 < hasty.action_values[1] < patient.action_values[1]
    assert hasty.success_probability == patient.success_probability


def test_an_infinite_deck_with_discount_by_recursion():
    def value(hand, upcard, gamma):
        stand, hit = blackjack_exact.exact(hand, upcard, gamma=1.0).action_values[0], 0.0
        for card in range(1, 11):
            odds = (4 if card == 10 else 1) / 13
            after = (*hand, card)
            hit += odds * (-1 if sum(after) > 21 else gamma * max(value(after, upcard, gamma)))
        return stand, hit

    for hand in [(10, 6), (1, 8, 6), (9, 4)]:
        for gamma in GAMMAS:
            exact = blackjack_exact.exact(hand, 9, gamma=gamma)
            assert exact.action_values == pytest.approx(value(hand, 9, gamma), abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"player": [10, 6, 6], "upcard": 5, "decks": 1}, "sum to at most 21"),
        ({"player": [10, 6, 6], "upcard": 5}, "no hand to act on has the total 22"),
        ({"player": [10], "upcard": 5, "decks": 1}, "two or more card values"),
        ({"player": [10, 11], "upcard": 5, "decks": 1}, "two or more card values"),
        ({"player": [10, 5], "upcard": 11, "decks": 1}, "cannot have the value 11"),
        ({"player": [10, 5], "upcard": 11}, "cannot have the value 11"),
        ({"player": [10, 5], "upcard": 1, "decks": 0}, "decks=0: expected at least 1"),
        ({"player": [2, 2, 2, 2], "upcard": 2, "decks": 1}, "do not hold that many cards of val"),
    ],
)
def test_blackjack_refuses_what_is_no_state(arguments, message):
    with pytest.raises(ValueError, match=message):
        blackjack_exact.exact(**arguments)
