"""Blackjack: beat the dealer by coming closer to 21 without going over it."""

from gym_cards.blackjack.env import BlackjackEnv, BlackjackVectorEnv

__all__ = ["BlackjackEnv", "BlackjackVectorEnv"]
