"""Exact action values of Blackjack, with an infinite deck or a finite shoe."""

from __future__ import annotations

from collections.abc import Sequence

from gym_cards.blackjack import odds, shoe
from gym_cards.core.action_values import ActionValues


def exact(
    player: Sequence[int],
    upcard: int,
    *,
    decks: int | None = None,
    natural: bool = False,
    sab: bool = False,
    gamma: float = 1.0,
) -> ActionValues:
    """Returns the values of standing and hitting, given the cards that the player can see.

    Args:
        player: The values of the player's cards, 1 (ace) to 10, in any order: two or more, worth
            at most 21 with every ace counted as 1.
        upcard: The dealer's open card's value, 1 (ace) to 10. The other card is unknown.
        decks: The number of full decks that the cards come from without replacement, shuffled
            before the episode; None for an infinite deck.
        natural: Whether a winning natural (ace and ten at once) pays 1.5.
        sab: Whether a natural wins against everything except a dealer's natural; then `natural` has
            no effect.
        gamma: The discount, 0 to 1.

    Returns:
        The values of "stand" and "hit", in this order. With an infinite deck they are computed in
        fractions and rounded once; with a shoe they are computed in floating point.

    Raises:
        ValueError: If the hand is over 21, an argument is out of range, or the shoe does not hold
            the cards.
    """
    if decks is not None:
        values = shoe.shoe_values(player, upcard, decks, natural=natural, sab=sab, gamma=gamma)
        return ActionValues(values.rewards, max(values.wins))
    total = sum(player)
    usable_ace = 1 in player and total + 10 <= 21

    def values_for(objective: odds.Objective) -> tuple[float, float]:
        stand, hit = odds.action_values(
            total + 10 if usable_ace else total,
            usable_ace,
            upcard,
            objective,
            natural=natural,
            sab=sab,
            two_cards=len(player) == 2,
            gamma=gamma,
        )
        return float(stand), float(hit)

    return ActionValues(values_for("reward"), max(values_for("wins")))
