"""Household games: generated from floor plans, or read from a data set."""

from gym_cards.alfworld.games.game import TASK_TYPES, Game, TaskType
from gym_cards.alfworld.games.generator import generate

__all__ = ["TASK_TYPES", "Game", "TaskType", "generate"]
