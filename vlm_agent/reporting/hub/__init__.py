"""Policies on the Hugging Face hub: pushed with a model card made from their run, and pulled."""

from vlm_agent.reporting.hub.pull import pull
from vlm_agent.reporting.hub.push import push

__all__ = ["pull", "push"]
