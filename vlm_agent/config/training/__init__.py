"""Options that `ppo` and `sft` share: the environments of a run, and evaluation while training."""

from vlm_agent.config.training.environments import EnvSpec, alternate, env_specs, spread
from vlm_agent.config.training.evaluation import EvaluationOptions

__all__ = ["EnvSpec", "EvaluationOptions", "alternate", "env_specs", "spread"]
