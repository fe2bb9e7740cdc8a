"""Card games as pictures: what verifiers looks for in a package that it is named."""

from vlm_agent.integrations.verifiers import GameEnv, GameHarness, GameTaskset

__all__ = ["GameEnv", "GameHarness", "GameTaskset"]
