"""The memory of a training run, planned from the model's config before anything is loaded."""

from vlm_agent.planning.plan_config import PlanConfig

__all__ = ["PlanConfig"]
