"""The command `vlm-agent`."""

from vlm_agent.cli.main import main

__all__ = ["main"]
