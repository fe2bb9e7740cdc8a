"""NumberLine in batches."""

from __future__ import annotations

from typing import Any

from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.number_line.env import NumberLineEnv


class NumberLineVectorEnv(CardGameVectorEnv):
    """Batch of NumberLine games; takes the arguments of `CardGameVectorEnv` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(NumberLineEnv, num_envs, **kwargs)
