"""Rules of Blackjack: what hands count, how the dealer plays, and what a result pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gym_cards.cards import SUITS, Card

Hand = Sequence[Card]

# Of 13 equally likely values four are ten, shared evenly by three figures: 39 parts a suit. Cards
# worth ten are a J, Q or K and never a 10.
INFINITE_DECK = tuple(
    Card(suit, part // 3 + 1 if part < 27 else 11 + (part - 27) // 4)
    for suit in SUITS
    for part in range(39)
)


def value(card: Card) -> int:
    """Returns the points of a card, 1 for an ace."""
    return min(card.rank, 10)


def count(hand: Hand) -> tuple[int, bool]:
    """Returns the best total of a hand, and whether an ace counts as 11, as it does up to 21."""
    points, ace = 0, False
    for _, rank in hand:
        points += rank if rank < 10 else 10
        ace = ace or rank == 1
    return (points + 10, True) if ace and points <= 11 else (points, False)


def total(hand: Hand) -> int:
    """Returns the best total of a hand."""
    return count(hand)[0]


def is_natural(hand: Hand) -> bool:
    """Returns whether the hand is an ace and a card worth ten, and no more."""
    return len(hand) == 2 and total(hand) == 21


def play_dealer(hand: Hand, draw_card: Callable[[], Card]) -> list[Card]:
    """Returns the dealer's hand after drawing up to 17 or more, a usable ace included."""
    hand = list(hand)
    while total(hand) < 17:
        hand.append(draw_card())
    return hand


def settle(player: Hand, dealer: Hand, *, natural: bool = False, sab: bool = False) -> float:
    """Returns the reward of a player who stands with at most 21, once the dealer has drawn.

    Args:
        player: The player's hand.
        dealer: The dealer's final hand.
        natural: Whether a win with a natural pays 1.5.
        sab: Whether a natural beats everything except a natural; `natural` then has no effect.
    """
    mine, theirs = total(player), total(dealer)
    won = theirs > 21 or mine > theirs
    if sab:
        won = won or (is_natural(player) and not is_natural(dealer))
    elif natural and won and is_natural(player):
        return 1.5
    return 1.0 if won else 0.0 if mine == theirs else -1.0
