"""SET: find three cards that are all alike or all different in every feature."""

from gym_cards.set_game.env import SETEnv, SETVectorEnv

__all__ = ["SETEnv", "SETVectorEnv"]
