"""Memory: find the pairs among cards that lie face down."""

from gym_cards.memory.env import MemoryEnv, MemoryVectorEnv

__all__ = ["MemoryEnv", "MemoryVectorEnv"]
