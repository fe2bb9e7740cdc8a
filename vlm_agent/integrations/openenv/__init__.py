"""Environments behind OpenEnv's API: server, typed client, and the messages between them."""

from vlm_agent.integrations.openenv.client import GameEnv
from vlm_agent.integrations.openenv.environment import SessionEnvironment
from vlm_agent.integrations.openenv.models import GameAction, GameObservation, GameState
from vlm_agent.integrations.openenv.server import make_app

__all__ = [
    "GameAction",
    "GameEnv",
    "GameObservation",
    "GameState",
    "SessionEnvironment",
    "make_app",
]
