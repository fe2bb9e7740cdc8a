"""Blackjack in batches."""

from __future__ import annotations

from typing import Any

from gym_cards.blackjack.env import BlackjackEnv
from gym_cards.core.vector import CardGameVectorEnv


class BlackjackVectorEnv(CardGameVectorEnv):
    """Batch of Blackjack games; takes the arguments of `CardGameVectorEnv` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(BlackjackEnv, num_envs, **kwargs)
