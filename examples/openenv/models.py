"""Action, observation and state, where OpenEnv's tools look for them."""

from vlm_agent.integrations.openenv import GameAction, GameObservation, GameState

__all__ = ["GameAction", "GameObservation", "GameState"]
