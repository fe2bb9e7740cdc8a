"""Base classes of the card games: environments, batches and exact action values."""

from gym_cards.core.action_values import ActionValues, IntractableError
from gym_cards.core.env import CardGameEnv
from gym_cards.core.vector import CardGameVectorEnv

__all__ = ["ActionValues", "CardGameEnv", "CardGameVectorEnv", "IntractableError"]
