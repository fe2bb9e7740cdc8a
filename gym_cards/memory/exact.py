"""Exact action values of Memory for a player who forgets nothing."""

from __future__ import annotations

import functools
import numbers
from collections.abc import Collection, Hashable, Mapping
from typing import NamedTuple

from gym_cards.core.action_values import ActionValues, check_gamma


class _Stakes(NamedTuple):
    """What an outcome is worth.

    Attributes:
        prize: The reward for the last pair.
        cost: What a miss costs.
        gamma: The discount of every action.
    """

    prize: float
    cost: float
    gamma: float


class _Cards(NamedTuple):
    """What a player knows of the cards that are not found yet; the rest is exchangeable.

    Attributes:
        unseen: The number of cards that were never seen.
        singles: The number of seen cards whose partner is unseen.
        pairs: The number of pairs of which both cards were seen.
        misses: The number of misses that end the game.
    """

    unseen: int
    singles: int
    pairs: int
    misses: int

    def plus(self, unseen: int = 0, singles: int = 0, pairs: int = 0) -> _Cards:
        """Returns the counts after a change."""
        return _Cards(self.unseen + unseen, self.singles + singles, self.pairs + pairs, self.misses)


def exact(
    seen: Mapping[int, Hashable],
    unseen: Collection[int],
    face_up: Collection[int],
    first: int | None,
    *,
    places: int,
    misses_left: int,
    prize: float,
    gamma: float = 1.0,
) -> ActionValues:
    """Returns what turning up each card is worth to a player with a perfect memory.

    Nothing is known about unseen cards, so that each of their arrangements is equally likely. The
    best play is to take a pair that is known; else to turn up an unseen card, and then its partner
    if that is known, else another unseen card:

    - a known pair costs nothing and never becomes more expensive, and what is taken first delays
      the misses;
    - a seen card whose partner is unknown is never a better first card: turning up the unseen card
      first and the seen one second leads to the same, or better if they are a pair;
    - a second card that is unseen may be a partner, and is remembered if it is not.

    So the values follow from how many cards are unseen, seen alone and seen in pairs, and how many
    misses are left.

    Args:
        seen: The faces of the cards that were seen and are not found yet, by their places.
        unseen: The places of the cards that were never seen.
        face_up: The places of the cards that are face up now.
        first: The place of the turn's first card, if it is waiting for the second one.
        places: The number of places; turning up what is not in `seen` or `unseen`, or is face up,
            is refused.
        misses_left: The number of misses that end the game, at least 1.
        prize: The reward for the last pair; a miss costs 1.
        gamma: The discount, 0 to 1.

    Returns:
        A value for each place. The success probability is that of finding all pairs.
    """
    gamma = check_gamma(gamma)
    faces = list(seen.values())
    alone = [place for place, face in seen.items() if faces.count(face) == 1]
    cards = _Cards(len(unseen), len(alone), (len(seen) - len(alone)) // 2, misses_left)
    paired = first is not None and first not in alone
    # The first card and its partner are in neither count.
    waiting = cards.plus(pairs=-1) if paired else cards.plus(singles=-1)

    def value(place: int, stakes: _Stakes) -> float:
        if (place not in seen and place not in unseen) or place in face_up:
            if cards.misses == 1:
                return -stakes.cost
            fewer = (cards if first is None else waiting)._replace(misses=cards.misses - 1)
            later = _best(fewer, stakes) if first is None else _second(fewer, paired, stakes)
            return -stakes.cost + stakes.gamma * later
        if first is None:
            if place in unseen:
                return _first_unseen(cards, stakes)
            if place in alone:
                return stakes.gamma * _second(cards.plus(singles=-1), False, stakes)
            return stakes.gamma * _second(cards.plus(pairs=-1), True, stakes)
        if place in unseen:
            return _try_unseen(waiting, paired, stakes)
        if paired and seen[place] == seen[first]:
            return _found(waiting, stakes)
        return _missed(waiting.plus(pairs=1) if paired else waiting.plus(singles=1), stakes)

    chances = _Stakes(1.0, 0.0, 1.0)
    rewards = _Stakes(prize, 1.0, gamma)
    return ActionValues(
        tuple(value(place, rewards) for place in range(places)),
        max(value(place, chances) for place in range(places)),
    )


def start_chance(pairs: int, misses: int) -> float:
    """Returns the probability that a player with a perfect memory finds all pairs.

    Args:
        pairs: The number of pairs, all of them face down.
        misses: The number of misses that end the game.

    Raises:
        ValueError: If one of them is not a whole number of at least 1.
    """
    for name, number in (("pairs", pairs), ("misses", misses)):
        whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
        if not whole or number < 1:
            raise ValueError(f"{name}={number!r}: expected a whole number of at least 1")
    return _best(_Cards(2 * pairs, 0, 0, misses), _Stakes(1.0, 0.0, 1.0))


def _best(cards: _Cards, stakes: _Stakes) -> float:
    """Returns the value of the best play before a turn."""
    actions = 2 * cards.pairs
    if not cards.unseen:
        return stakes.prize * stakes.gamma ** (actions - 1)
    return stakes.gamma**actions * _search(cards._replace(pairs=0), stakes)


@functools.lru_cache(maxsize=100_000)
def _search(cards: _Cards, stakes: _Stakes) -> float:
    """Returns the value of turning up two cards where no pair is known."""
    return _first_unseen(cards, stakes)


def _first_unseen(cards: _Cards, stakes: _Stakes) -> float:
    """Returns the value of an unseen card as the first one of a turn."""
    known = cards.singles / cards.unseen
    value = 0.0
    if known > 0:
        value += known * _second(cards.plus(unseen=-1, singles=-1), True, stakes)
    if known < 1:
        value += (1 - known) * _second(cards.plus(unseen=-1), False, stakes)
    return stakes.gamma * value


def _second(cards: _Cards, paired: bool, stakes: _Stakes) -> float:
    """Returns the value of the best second card.

    Args:
        cards: All cards but the first one, and but its partner if that was seen.
        paired: Whether the partner was seen.
        stakes: What an outcome is worth.
    """
    return _found(cards, stakes) if paired else _try_unseen(cards, False, stakes)


def _try_unseen(cards: _Cards, paired: bool, stakes: _Stakes) -> float:
    """Returns the value of an unseen card as the second one of a turn."""
    fresh = cards.unseen - cards.singles
    after = cards.plus(unseen=-1)
    # The first card will be in a pair, or alone.
    outcomes = [
        (cards.singles, after.plus(pairs=2, singles=-1) if paired else after.plus(pairs=1)),
        (
            fresh if paired else fresh - 1,
            after.plus(pairs=1, singles=1) if paired else after.plus(singles=2),
        ),
    ]
    value = sum(ways * _missed(then, stakes) for ways, then in outcomes if ways)
    if not paired:
        value += _found(after, stakes)
    return value / cards.unseen


def _found(cards: _Cards, stakes: _Stakes) -> float:
    """Returns the value of a pair after which these cards are left."""
    if not (cards.unseen or cards.pairs):
        return stakes.prize
    return stakes.gamma * _best(cards, stakes)


def _missed(cards: _Cards, stakes: _Stakes) -> float:
    """Returns the value of a turn that finds no pair."""
    if cards.misses == 1:
        return -stakes.cost
    return -stakes.cost + stakes.gamma * _best(cards._replace(misses=cards.misses - 1), stakes)
