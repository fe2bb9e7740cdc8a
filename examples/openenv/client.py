"""The typed client, where OpenEnv's tools look for it."""

from vlm_agent.integrations.openenv import GameEnv

__all__ = ["GameEnv"]
