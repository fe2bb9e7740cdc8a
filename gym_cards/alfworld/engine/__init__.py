"""ALFWorld's text engine, built on the planner that TextWorld uses."""

from gym_cards.alfworld.engine.planner import Engine, Moment

__all__ = ["Engine", "Moment"]
