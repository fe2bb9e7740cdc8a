"""Engines: programs that write the replies of a policy in place of its own model."""

from vlm_agent.core.errors import EngineError
from vlm_agent.engines.make import make_engine
from vlm_agent.models.generation.replies import Engine

__all__ = ["Engine", "EngineError", "make_engine"]
