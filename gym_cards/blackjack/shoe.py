"""Exact odds of Blackjack with a finite shoe, by dynamic programming over what is left in it.

The rules are those of `gym_cards.blackjack.odds`, except that the cards come without replacement
from a shuffled shoe of full decks: each has four cards of every value from 1 (ace) to 9 and sixteen
of value 10. The player has seen the own cards and the dealer's open one. All others, the dealer's
hidden card included, are equally likely to be drawn next, because the dealer does not look at it
before the player has finished.

The only approximation is the rounding of floating-point sums, about 1e-15.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gym_cards.core.action_values import check_gamma

Counts = tuple[int, ...]  # the number of cards of each value, 1 (ace) to 10

_VALUES = tuple(range(1, 11))
_DECK: Counts = (4,) * 9 + (16,)
_NOTHING: Counts = (0,) * 10

# The ends of the dealer's hand. A natural is distinguished from other hands of 21.
_NATURAL, _BUST = 22, 0
_ENDS = (_BUST, 17, 18, 19, 20, 21, _NATURAL)


class ShoeValues(NamedTuple):
    """Values of standing and hitting, if play is optimal afterwards.

    `rewards` are expected discounted rewards, for a player who plays for them; `wins` are
    probabilities of a positive reward, for a player who plays for that.
    """

    rewards: tuple[float, float]
    wins: tuple[float, float]


class _Final(NamedTuple):
    """Cards that complete the dealer's hand, and the number of orders to draw them in."""

    counts: Counts
    end: int
    orders: int


def shoe_values(
    player: Sequence[int],
    upcard: int,
    decks: int,
    *,
    natural: bool = False,
    sab: bool = False,
    gamma: float = 1.0,
) -> ShoeValues:
    """Returns the values of standing and hitting against a dealer who draws from the same shoe.

    It takes a fraction of a second, and results are cached.

    Args:
        player: The values of the player's cards, 1 (ace) to 10, in any order: two or more, worth
            at most 21 with every ace counted as 1.
        upcard: The dealer's open card's value, 1 (ace) to 10.
        decks: The number of full decks in the shoe before the deal, at least 1.
        natural: Whether a winning natural (ace and ten at once) pays 1.5.
        sab: Whether a natural wins against everything except a dealer's natural; then `natural` has
            no effect.
        gamma: The discount of the reward for every step before it, 0 to 1. Wins are not
            discounted.

    Raises:
        ValueError: If an argument is out of range, or the shoe does not hold the cards.
    """
    cards = sorted(int(card) for card in player)
    if len(cards) < 2 or not set(cards) <= set(_VALUES) or sum(cards) > 21:
        raise ValueError(
            f"player={list(player)}: expected two or more card values of 1 (ace) to 10 that sum to "
            "at most 21"
        )
    if upcard not in _VALUES:
        raise ValueError(f"the dealer's card cannot have the value {upcard}: expected 1 to 10")
    if decks < 1:
        raise ValueError(f"decks={decks}: expected at least 1")
    counts = tuple(cards.count(value) for value in _VALUES)
    unseen = _unseen(counts, int(upcard), int(decks))
    if min(unseen) < 0:
        raise ValueError(
            f"player={list(player)}, upcard={upcard}: decks={decks} do not hold that many cards of "
            f"value {unseen.index(min(unseen)) + 1}; choose other cards or more decks"
        )
    has_natural = counts == _plus(_plus(_NOTHING, 1), 10)
    return _solve(
        counts,
        int(upcard),
        int(decks),
        bool(sab) and has_natural,
        bool(natural) and not sab and has_natural,
        check_gamma(gamma),
    )


@lru_cache(maxsize=2**14)
def _solve(
    counts: Counts, upcard: int, decks: int, beats_all: bool, pays_more: bool, gamma: float
) -> ShoeValues:
    """Returns the values for the player's cards.

    `beats_all` and `pays_more` say how they count as a natural; hands with a further card are none.
    """
    hands = _reachable(counts, upcard, decks)
    unseen = np.array([_unseen(hand, upcard, decks) for hand in hands])
    ends = _dealer_ends(unseen, upcard)
    rewards: dict[Counts, float] = {}
    wins: dict[Counts, float] = {}
    values = ShoeValues((0.0, 0.0), (0.0, 0.0))
    # Every card raises the sum with aces as 1, so that in this order a hand comes after those that
    # it can become. The hand of the state itself is the last.
    for i in sorted(range(len(hands)), key=lambda i: -_sum(hands[i])):
        hand = hands[i]
        odds = dict(zip(_ENDS, ends[i].tolist(), strict=True))
        first = hand == counts
        stand = _stand(_total(hand), odds, beats_all and first, pays_more and first)
        hit_reward = hit_win = 0.0
        left = unseen[i].tolist()
        for value, count in zip(_VALUES, left, strict=True):
            after = _plus(hand, value)
            if count and after in rewards:
                hit_reward += count * gamma * rewards[after]
                hit_win += count * wins[after]
            else:
                hit_reward -= count  # a bust
        hit_reward, hit_win = hit_reward / sum(left), hit_win / sum(left)
        values = ShoeValues((stand[0], hit_reward), (stand[1], hit_win))
        rewards[hand], wins[hand] = max(values.rewards), max(values.wins)
    return values


def _stand(
    total: int, odds: dict[int, float], beats_all: bool, pays_more: bool
) -> tuple[float, float]:
    """Returns the expected reward and the win probability of a player who stands."""
    if beats_all:  # the same hand alone draws, nothing wins
        win = 1 - odds[_NATURAL]
        return win, win
    win = sum(p for end, p in odds.items() if end < total)
    lose = sum(p for end, p in odds.items() if min(end, 21) > total)
    return (1.5 * win if pays_more else win - lose), win


def _reachable(counts: Counts, upcard: int, decks: int) -> list[Counts]:
    """Returns the hand and all of at most 21 that hits can make of it."""
    found = {counts}
    waiting = [counts]
    while waiting:
        hand = waiting.pop()
        unseen = _unseen(hand, upcard, decks)
        for value in range(1, min(10, 21 - _sum(hand)) + 1):
            after = _plus(hand, value)
            if unseen[value - 1] and after not in found:
                found.add(after)
                waiting.append(after)
    return list(found)


def _dealer_ends(unseen: NDArray[np.int_], upcard: int) -> NDArray[np.float64]:
    """Returns the probabilities of the dealer's ends, a row for each row of unseen cards.

    The probability to draw given cards in a given order is a quotient of falling factorials, the
    same for every order.
    """
    finals = _finals(upcard)
    most = max(sum(final.counts) for final in finals)
    steps = np.arange(most)
    falling = np.ones((*unseen.shape, most + 1))
    falling[:, :, 1:] = np.cumprod(unseen[:, :, None] - steps, axis=2, dtype=np.float64)
    draws = np.ones((len(unseen), most + 1))
    draws[:, 1:] = np.cumprod(unseen.sum(axis=1)[:, None] - steps, axis=1, dtype=np.float64)
    ends = np.zeros((len(unseen), len(_ENDS)))
    for final in finals:
        ways = np.full(len(unseen), float(final.orders))
        for i, count in enumerate(final.counts):
            if count:
                ways *= falling[:, i, count]
        ends[:, _ENDS.index(final.end)] += ways / draws[:, sum(final.counts)]
    return ends


@lru_cache(maxsize=10)
def _finals(upcard: int) -> tuple[_Final, ...]:
    """Returns all sets of cards that can complete the dealer's open card."""
    finals = []
    layer = {_NOTHING: 1}
    while layer:
        deeper: dict[Counts, int] = {}
        for drawn, orders in layer.items():
            hand = _plus(drawn, upcard)
            total = _total(hand)
            if total < 17:
                for value in _VALUES:
                    after = _plus(drawn, value)
                    deeper[after] = deeper.get(after, 0) + orders
            else:
                end = _BUST if total > 21 else total
                if total == 21 and sum(hand) == 2:
                    end = _NATURAL
                finals.append(_Final(drawn, end, orders))
        layer = deeper
    return tuple(finals)


def _plus(counts: Counts, value: int) -> Counts:
    """Returns the cards and one more."""
    return (*counts[: value - 1], counts[value - 1] + 1, *counts[value:])


def _sum(counts: Counts) -> int:
    """Returns the sum of the cards, every ace counted as 1."""
    return sum(value * count for value, count in zip(_VALUES, counts, strict=True))


def _total(counts: Counts) -> int:
    """Returns the total of the cards, an ace counted as 11 unless that goes over 21."""
    total = _sum(counts)
    return total + 10 if counts[0] and total + 10 <= 21 else total


def _unseen(player: Counts, upcard: int, decks: int) -> Counts:
    """Returns what the player has not seen; negative where the shoe does not hold the cards."""
    seen = _plus(player, upcard)
    return tuple(decks * full - gone for full, gone in zip(_DECK, seen, strict=True))
