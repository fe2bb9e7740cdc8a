"""VideoPoker: choose which of five cards to hold, and draw the rest."""

from gym_cards.video_poker.env import VideoPokerEnv, VideoPokerVectorEnv

__all__ = ["VideoPokerEnv", "VideoPokerVectorEnv"]
