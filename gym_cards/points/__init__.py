"""EZPoints and Points24: write a formula with all cards that equals a target."""

from gym_cards.points.ezpoints import EZPointsEnv, EZPointsVectorEnv
from gym_cards.points.points24 import Points24Env, Points24VectorEnv

__all__ = ["EZPointsEnv", "EZPointsVectorEnv", "Points24Env", "Points24VectorEnv"]
