"""Pictures of a household scene: the place in front of the agent and a map of the room."""

from gym_cards.alfworld.view.goal import goal_above, goal_strip
from gym_cards.alfworld.view.picture import LARGEST, SMALLEST, View, draw

__all__ = ["LARGEST", "SMALLEST", "View", "draw", "goal_above", "goal_strip"]
