"""ALFWorld as a Gymnasium environment that shows pictures."""

from gym_cards.alfworld.env import ALFWorldEnv
from gym_cards.alfworld.wrappers import DiscreteCommands

__all__ = ["ALFWorldEnv", "DiscreteCommands"]
