"""Check of an environment: everything that an agent relies on, tried out."""

from vlm_agent.evaluation.check.check import CheckResult, PlayerResult, check_environment

__all__ = ["CheckResult", "PlayerResult", "check_environment"]
