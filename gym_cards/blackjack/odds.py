"""Exact odds of Blackjack with an infinite deck, by dynamic programming.

The game is the one of Sutton & Barto, Reinforcement Learning: An Introduction, Example 5.1, as
Gymnasium's Blackjack plays it: cards count 1 (ace) to 9 with probability 1/13 each and 10 with
4/13; an ace is usable, and counts 11, if that does not bust the hand; the dealer draws below 17
and stands on every 17; there is no doubling or splitting. A bust loses at once. Everything is
computed in fractions, so that nothing is rounded and ties are real.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from gym_cards.core.action_values import check_gamma

Objective = Literal["reward", "wins"]

STAND, HIT = 0, 1

CARD_ODDS = {value: Fraction(4 if value == 10 else 1, 13) for value in range(1, 11)}
"""The probability of each card value; an ace is 1."""


class GameValue(NamedTuple):
    """Average result of a policy: `win_rate` is P(reward > 0), `mean_reward` is E[reward]."""

    win_rate: Fraction
    mean_reward: Fraction


class _Rules(NamedTuple):
    natural: bool
    sab: bool
    gamma: Fraction  # the value of a reward that comes one step later


class _Hand(NamedTuple):
    total: int  # with the usable ace as 11
    usable_ace: bool
    two_cards: bool

    def plus(self, card: int) -> _Hand:
        """Returns the hand with another card; above 21 it is bust."""
        total, usable = self.total + card, self.usable_ace
        if card == 1 and total + 10 <= 21:
            total, usable = total + 10, True
        elif total > 21 and usable:
            total, usable = total - 10, False
        return _Hand(total, usable, False)


def dealer_distribution(upcard: int) -> dict[int, Fraction]:
    """Returns the distribution of the dealer's final hand, given the open card.

    Args:
        upcard: The open card's value, 1 (ace) to 10.

    Returns:
        The probability of each final total, 17 to 21, and of a bust, under the key 0.

    Raises:
        ValueError: If the card's value is out of range.
    """
    return dict(_dealer(_start(_check_upcard(upcard))))


def action_values(
    total: int,
    usable_ace: bool,
    upcard: int,
    objective: Objective = "reward",
    *,
    natural: bool = False,
    sab: bool = False,
    two_cards: bool = False,
    gamma: float = 1.0,
) -> tuple[Fraction, Fraction]:
    """Returns the values of standing and hitting, if play is optimal afterwards.

    Args:
        total: The player's sum, a usable ace counted as 11: 12 to 21 with one, else 2 to 21.
        usable_ace: Whether an ace counts as 11.
        upcard: The dealer's open card's value, 1 (ace) to 10.
        objective: "reward" for the expected reward (-1 to 1, or 1.5 with `natural`), "wins" for
            the probability of a positive reward.
        natural: Whether a winning natural (ace and ten at once) pays 1.5, as in Gymnasium.
        sab: Whether a natural wins against everything except a dealer's natural, as in Gymnasium
            and Sutton & Barto; then `natural` has no effect.
        two_cards: Whether the hand has its first two cards only, so that 21 is a natural. Only
            `natural` and `sab` depend on it.
        gamma: The discount of the reward for every step before it, 0 to 1, taken at the exact
            value of the float. Wins are not discounted.

    Returns:
        The values of standing and of hitting.

    Raises:
        ValueError: If an argument is out of range.
    """
    if not (12 if usable_ace else 2) <= total <= 21:
        raise ValueError(
            f"no hand to act on has the total {total} with usable_ace={bool(usable_ace)}: expected "
            "12 to 21 with a usable ace (counted as 11), 2 to 21 without"
        )
    hand = _Hand(int(total), bool(usable_ace), bool(two_cards))
    rules = _Rules(bool(natural), bool(sab), Fraction(check_gamma(gamma)))
    upcard = _check_upcard(upcard)
    measure = _measure(objective)
    return _stand(hand, upcard, rules)[measure], _hit(hand, upcard, measure, rules)[measure]


def optimal_action(
    total: int,
    usable_ace: bool,
    upcard: int,
    objective: Objective = "reward",
    *,
    natural: bool = False,
    sab: bool = False,
    two_cards: bool = False,
) -> int:
    """Returns the best action: 0 to stand, 1 to hit; to stand if both are worth the same.

    The arguments and errors are those of `action_values`.
    """
    stand, hit = action_values(
        total, usable_ace, upcard, objective, natural=natural, sab=sab, two_cards=two_cards
    )
    return HIT if hit > stand else STAND


def game_value(
    objective: Objective = "reward", *, natural: bool = False, sab: bool = False
) -> GameValue:
    """Returns what the optimal player of an objective earns on average over all deals.

    Args:
        objective: What the player maximises, "reward" or "wins".
        natural: Whether a winning natural pays 1.5.
        sab: Whether a natural wins against everything except a dealer's natural.

    Returns:
        The player's win rate and mean reward, of which the objective is maximal.

    Raises:
        ValueError: If the objective is unknown.
    """
    measure, rules = _measure(objective), _Rules(bool(natural), bool(sab), Fraction(1))
    odds = CARD_ODDS.items()
    return _mean(
        [
            (p * q * r, _play(_deal(first, second), upcard, measure, rules))
            for upcard, p in odds
            for first, q in odds
            for second, r in odds
        ]
    )


def _check_upcard(upcard: int) -> int:
    if not 1 <= upcard <= 10:
        raise ValueError(f"the dealer's card cannot have the value {upcard}: expected 1 to 10")
    return int(upcard)


def _measure(objective: Objective) -> int:
    """Returns the field of `GameValue` that the objective maximises."""
    if objective == "wins":
        return 0
    if objective == "reward":
        return 1
    raise ValueError(f"objective {objective!r} is unknown: expected 'reward' or 'wins'")


def _start(card: int) -> _Hand:
    return _Hand(11, True, False) if card == 1 else _Hand(card, False, False)


def _deal(first: int, second: int) -> _Hand:
    return _start(first).plus(second)._replace(two_cards=True)


@cache
def _dealer(hand: _Hand) -> dict[int, Fraction]:
    if hand.total >= 17:
        return {hand.total if hand.total <= 21 else 0: Fraction(1)}
    ends = dict.fromkeys((17, 18, 19, 20, 21, 0), Fraction(0))
    for card, p in CARD_ODDS.items():
        for end, q in _dealer(hand.plus(card)).items():
            ends[end] += p * q
    return ends


def _stand(hand: _Hand, upcard: int, rules: _Rules) -> GameValue:
    ends = _dealer(_start(upcard))
    win = sum((p for end, p in ends.items() if end < hand.total), Fraction(0))
    lose = sum((p for end, p in ends.items() if end > hand.total), Fraction(0))
    if hand.two_cards and hand.usable_ace and hand.total == 21:
        if rules.sab:
            # Only a dealer's natural, an ace and a ten, draws; nothing wins.
            dealer_natural = CARD_ODDS[11 - upcard] if upcard in (1, 10) else Fraction(0)
            return GameValue(1 - dealer_natural, 1 - dealer_natural)
        if rules.natural:
            return GameValue(win, Fraction(3, 2) * win)
    return GameValue(win, win - lose)


@lru_cache(maxsize=2**14)
def _hit(hand: _Hand, upcard: int, measure: int, rules: _Rules) -> GameValue:
    outcomes = []
    for card, p in CARD_ODDS.items():
        after = hand.plus(card)
        outcome = _play(after, upcard, measure, rules)
        if after.total <= 21:  # the hit settles a bust, a later step everything else
            outcome = GameValue(outcome.win_rate, rules.gamma * outcome.mean_reward)
        outcomes.append((p, outcome))
    return _mean(outcomes)


def _play(hand: _Hand, upcard: int, measure: int, rules: _Rules) -> GameValue:
    """Returns the result of optimal play from a hand on; a bust loses."""
    if hand.total > 21:
        return GameValue(Fraction(0), Fraction(-1))
    stand, hit = _stand(hand, upcard, rules), _hit(hand, upcard, measure, rules)
    return hit if hit[measure] > stand[measure] else stand


def _mean(outcomes: list[tuple[Fraction, GameValue]]) -> GameValue:
    return GameValue(
        sum((p * value.win_rate for p, value in outcomes), Fraction(0)),
        sum((p * value.mean_reward for p, value in outcomes), Fraction(0)),
    )
