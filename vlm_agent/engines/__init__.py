"""Engines: programs that write the replies of a policy."""

from vlm_agent.engines.engine import Engine, EngineError, EnginePolicy, InProcessEngine
from vlm_agent.engines.make import make_engine

__all__ = ["Engine", "EngineError", "EnginePolicy", "InProcessEngine", "make_engine"]
