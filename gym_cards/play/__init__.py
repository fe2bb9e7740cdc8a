"""Games played by hand in a window, and recordings of the episodes."""

from gym_cards.play.keyboard import KeyboardPlay
from gym_cards.play.recording import Recorder
from gym_cards.play.session import Game, Session

__all__ = ["Game", "KeyboardPlay", "Recorder", "Session"]
