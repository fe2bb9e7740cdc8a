"""Environments as other training libraries expect them: TRL, VAGEN and verl-agent.

None of these libraries is imported; docs/training/other-trainers.md shows how each is used. The
modules `openenv`, `verifiers` and `skyrl_gym` import theirs, and are not imported here.
"""

from vlm_agent.integrations.trl import ToolEnvironment, environment_factory
from vlm_agent.integrations.vagen import GymCards
from vlm_agent.integrations.verl_agent import EnvironmentManager

__all__ = ["EnvironmentManager", "GymCards", "ToolEnvironment", "environment_factory"]
