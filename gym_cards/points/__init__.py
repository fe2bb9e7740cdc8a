"""EZPoints and Points24: write a formula with all cards that equals a target."""

from gym_cards.points.env import EZPointsEnv, Points24Env
from gym_cards.points.vector import EZPointsVectorEnv, Points24VectorEnv

__all__ = ["EZPointsEnv", "EZPointsVectorEnv", "Points24Env", "Points24VectorEnv"]
