"""Exact values of all holds: every draw is counted by combinatorics, none is tried out.

For each of the 32 holds the number of draws that end in each hand is counted over all
C(47, number of discards) draws. Straights and flushes are counted window by window and suit by
suit. All other hands depend only on how often each rank occurs, so that one pass over the thirteen
ranks counts them. All counts are whole numbers; a value is their sum, weighted by what the hands
pay, and is rounded once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
from numpy.typing import NDArray

from gym_cards.cards import RANKS, SUITS, Card
from gym_cards.core.action_values import ActionValues, check_gamma
from gym_cards.video_poker.rules import (
    FLUSH,
    FOUR,
    FULL_HOUSE,
    HAND_SIZE,
    HANDS,
    HIGH_RANKS,
    HOLDS,
    NOTHING,
    PAIR,
    ROYAL_FLUSH,
    STRAIGHT,
    STRAIGHT_FLUSH,
    THREE,
    TWO_PAIR,
    WINDOWS,
    Pays,
    card_number,
)

Counts = NDArray[np.int64]

_CARDS = len(SUITS) * len(RANKS)
_HELD = np.array([[place in hold for place in range(HAND_SIZE)] for hold in HOLDS], np.int64)
_DRAWN = HAND_SIZE - _HELD.sum(axis=1)
_CHOOSE = np.array(
    [[math.comb(n, k) for k in range(HAND_SIZE + 1)] for n in range(_CARDS)], np.int64
)
TOTALS: Counts = _CHOOSE[_CARDS - HAND_SIZE, _DRAWN]
"""The number of draws of each hold, shape (32,)."""

# By the number of cards of a rank that are left, the number that are held, and the number in the
# final hand: the ways to draw the difference.
_WAYS = np.array(
    [
        [[math.comb(left, final - held) if final >= held else 0 for final in range(5)]
         for held in range(5)]
        for left in range(5)
    ],
    np.int64,
)  # fmt: skip
_WINDOWS = np.array(WINDOWS) - 1
# The straight flushes by suit and window, the royal ones last in each suit: which cards they have.
_STRAIGHT_FLUSHES = np.zeros((len(SUITS) * len(WINDOWS), _CARDS), np.int64)
for _suit in range(len(SUITS)):
    for _row, _window in enumerate(_WINDOWS):
        _STRAIGHT_FLUSHES[_suit * len(WINDOWS) + _row, _suit * len(RANKS) + _window] = 1
_ROYAL = np.arange(len(_STRAIGHT_FLUSHES)) % len(WINDOWS) == len(WINDOWS) - 1

# How often the ranks of a hand occur, ascending: a state of the pass over the ranks. High pairs
# are counted apart, as 2.5.
_HIGH_PAIR = 2.5
_State = tuple[float, ...]


def _size(state: _State) -> int:
    return sum(int(part) for part in state)


def _states() -> tuple[_State, ...]:
    """Returns all states of up to five cards."""
    found: set[_State] = {()}
    waiting: list[_State] = [()]
    while waiting:
        state = waiting.pop()
        for part in (1, 2, _HIGH_PAIR, 3, 4):
            after = tuple(sorted((*state, part)))
            if _size(after) <= HAND_SIZE and after not in found:
                found.add(after)
                waiting.append(after)
    return tuple(sorted(found))


_STATES = _states()


def _moves(high: bool) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    """Returns for 1 to 4 cards of another rank the states before, and those after."""
    moves = []
    for part in (1, _HIGH_PAIR if high else 2, 3, 4):
        pairs = [
            (before, _STATES.index(after))
            for before, state in enumerate(_STATES)
            if (after := tuple(sorted((*state, part)))) in _STATES
        ]
        before, after = np.array(pairs).T
        moves.append((before, after))
    return moves


_MOVES = {high: _moves(high) for high in (False, True)}


def _final(parts: _State) -> int | None:
    """Returns the hand that a state of five cards is, if the ranks decide it."""
    if _size(parts) < HAND_SIZE:
        return None
    kinds = {int(part) for part in parts}
    if 4 in kinds:
        return FOUR
    if 3 in kinds:
        return FULL_HOUSE if 2 in kinds else THREE
    if len(parts) == 3:
        return TWO_PAIR
    return PAIR if _HIGH_PAIR in parts else None


_FINALS = [(index, hand) for index, state in enumerate(_STATES) if (hand := _final(state))]


def count_outcomes(hands: NDArray[np.integer]) -> Counts:
    """Counts the draws that end in each hand, for every hold.

    Args:
        hands: Dealt cards as places in `gym_cards.cards.DECK`, shape (n, 5), different in each row.

    Returns:
        Shape (n, 32, 10), dtype int64: by hand, hold, and place in `HANDS`. The counts of a hold
        add up to `TOTALS`.
    """
    suits, ranks = np.divmod(np.asarray(hands, np.int64), len(RANKS))
    counts = np.zeros((len(suits), len(HOLDS), len(HANDS)), np.int64)
    of_rank = (ranks[:, :, None] == np.arange(len(RANKS))).astype(np.int64)
    held = _HELD @ of_rank  # (n, 32, 13)
    left = len(SUITS) - of_rank.sum(axis=1)  # (n, 13)

    # The states come first, so that those of a move are whole blocks of memory.
    ways = _WAYS[left[:, None, :], held].transpose(3, 2, 0, 1)  # (5, 13, n, 32)
    reached = np.zeros((len(_STATES), *counts.shape[:2]), np.int64)
    reached[_STATES.index(())] = 1
    for rank in range(len(RANKS)):
        after = reached * ways[0, rank]
        for number, (before, then) in enumerate(_MOVES[rank + 1 in HIGH_RANKS], 1):
            after[then] += reached[before] * ways[number, rank]
        reached = after
    for state, hand in _FINALS:
        counts[:, :, hand] += reached[state]

    inside = _STRAIGHT_FLUSHES[:, hands].transpose(1, 2, 0)  # (n, 5, 40)
    made = (_HELD @ (1 - inside) + (1 - _HELD) @ inside) == 0
    counts[:, :, ROYAL_FLUSH] = made[:, :, _ROYAL].sum(axis=2)
    counts[:, :, STRAIGHT_FLUSH] = made[:, :, ~_ROYAL].sum(axis=2)
    straight_flushes = counts[:, :, STRAIGHT_FLUSH] + counts[:, :, ROYAL_FLUSH]

    of_suit = (suits[:, :, None] == np.arange(len(SUITS))).astype(np.int64)
    only = _HELD @ (1 - of_suit) == 0  # (n, 32, 4)
    in_suit = len(RANKS) - of_suit.sum(axis=1)  # (n, 4)
    flushes = (only * _CHOOSE[in_suit[:, None, :], _DRAWN[:, None]]).sum(axis=2)
    counts[:, :, FLUSH] = flushes - straight_flushes

    of_window = held[:, :, _WINDOWS]  # (n, 32, 10, 5)
    fits = (of_window.sum(axis=3) == _HELD.sum(axis=1)[:, None]) & (of_window.max(axis=3) < 2)
    free = np.where(of_window == 1, 1, left[:, None, _WINDOWS])
    counts[:, :, STRAIGHT] = (fits * free.prod(axis=3)).sum(axis=2) - straight_flushes

    counts[:, :, NOTHING] = TOTALS - counts.sum(axis=2)
    return counts


@functools.lru_cache(maxsize=1024)
def _outcomes(hand: tuple[int, ...]) -> Counts:
    counts: Counts = count_outcomes(np.array([hand]))[0]
    counts.flags.writeable = False
    return counts


def outcomes(hand: Sequence[Card]) -> Counts:
    """Returns the number of draws that end in each hand, shape (32, 10): by hold, and `HANDS`.

    It takes about a millisecond. The last 1,024 results are cached, in 2.6 MB.

    Raises:
        ValueError: If it is not five different cards.
    """
    if len(hand) != HAND_SIZE or len(set(hand)) != HAND_SIZE:
        raise ValueError(
            f"hand={[card.code for card in hand]}: expected {HAND_SIZE} different cards"
        )
    return _outcomes(tuple(map(card_number, hand)))


def exact(hand: Sequence[Card], pays: Pays, gamma: float = 1.0) -> ActionValues:
    """Returns the expected reward of each hold: what the final hand pays, less the bet of 1.

    Args:
        hand: The five cards dealt.
        pays: What each of `HANDS` pays.
        gamma: The discount, 0 to 1. It has no effect, because an episode has one step.

    Returns:
        The values of the 32 holds, and the highest chance of any of them to be paid more than 1.

    Raises:
        ValueError: If it is not five different cards, or the discount is out of range.
    """
    check_gamma(gamma)
    counts = outcomes(hand)
    values = (counts @ np.array(pays) - TOTALS) / TOTALS
    wins = counts @ (np.array(pays) > 1) / TOTALS
    return ActionValues(tuple(values.tolist()), float(wins.max()))


def all_hands() -> tuple[NDArray[np.int64], Counts]:
    """Returns a hand of each kind that differs by more than suits, and the deals of its kind.

    Returns:
        134,459 hands, shape (134459, 5), and the number of deals that equal each of them after
        suits are exchanged, shape (134459,); these add up to 2,598,960.
    """
    every = chain.from_iterable(combinations(range(_CARDS), HAND_SIZE))
    hands = np.fromiter(every, np.int16).reshape(-1, HAND_SIZE)
    suits, ranks = np.divmod(hands, len(RANKS))
    # Each suit's ranks as bits; their order does not matter.
    bits = [np.where(suits == suit, 1 << ranks, 0).sum(axis=1) for suit in range(len(SUITS))]
    key = np.zeros(len(hands), np.int64)
    for part in np.sort(bits, axis=0):
        key = (key << len(RANKS)) + part
    _, first, deals = np.unique(key, return_index=True, return_counts=True)
    return hands[first].astype(np.int64), deals


def game_value(pays: Pays, plays_for: Pays | None = None) -> tuple[float, float, float]:
    """Returns what the best play brings on average over all deals.

    It takes about half a minute, and 0.4 GB.

    Args:
        pays: What each of `HANDS` pays.
        plays_for: What the player believes that they pay; by default `pays`.

    Returns:
        The expected reward of a player who plays for it; how often this player is paid more than
        the bet; and how often a player is who plays for that alone.
    """
    hands, deals = all_hands()
    amounts, believed = np.array(pays), np.array(plays_for or pays)
    reward = wins = most_wins = 0.0
    for start in range(0, len(hands), 4096):
        counts = count_outcomes(hands[start : start + 4096])
        values = counts @ amounts / TOTALS
        chances = counts @ (amounts > 1) / TOTALS
        weights = deals[start : start + 4096]
        best = (counts @ believed / TOTALS).argmax(axis=1)
        rows = np.arange(len(best))
        reward += float(weights @ values[rows, best])
        wins += float(weights @ chances[rows, best])
        most_wins += float(weights @ chances.max(axis=1))
    total = float(deals.sum())
    return reward / total - 1, wins / total, most_wins / total
