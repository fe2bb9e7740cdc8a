"""NumberLine: walk along a line of numbers to a target."""

from gym_cards.number_line.env import NumberLineEnv, NumberLineVectorEnv

__all__ = ["NumberLineEnv", "NumberLineVectorEnv"]
