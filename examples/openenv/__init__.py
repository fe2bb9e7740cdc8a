"""Card games as pictures, behind OpenEnv's API."""

from vlm_agent.integrations.openenv import GameAction, GameEnv, GameObservation, GameState

__all__ = ["GameAction", "GameEnv", "GameObservation", "GameState"]
