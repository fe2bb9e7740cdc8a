"""The points games in batches."""

from __future__ import annotations

from typing import Any

from gym_cards.core.vector import CardGameVectorEnv
from gym_cards.points.env import EZPointsEnv, Points24Env


class EZPointsVectorEnv(CardGameVectorEnv):
    """Batch of EZPoints games; takes the arguments of `CardGameVectorEnv` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(EZPointsEnv, num_envs, **kwargs)


class Points24VectorEnv(CardGameVectorEnv):
    """Batch of Points24 games; takes the arguments of `CardGameVectorEnv` and of the game."""

    def __init__(self, num_envs: int = 1, **kwargs: Any) -> None:
        super().__init__(Points24Env, num_envs, **kwargs)
