"""Options of evaluation while training."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.options import Options
from vlm_agent.config.training.environments import env_specs
from vlm_agent.config.values import (
    JsonObject,
    NonNegativeFloat,
    NonNegativeInt,
    OneOrMore,
    PositiveInt,
)


@dataclass(kw_only=True)
class EvaluationOptions(Options):
    """Options of evaluation while training; a base of the trainers' configurations.

    Args: Evaluation while training
        eval_every: Environment steps (sft: demonstrations) between evaluations, the last of which
            is at the end; 0 for none. The best policy so far is kept in the run's folder `best`.
        eval_episodes: Episodes of each evaluation in each environment, always the same ones; none
            is played in training, or by `vlm-agent eval`.
        eval_temperature: Sampling temperature of evaluations, 0 for greedy; by default that of
            training.
        eval_env: Environment ids to evaluate in; by default those of training.
        eval_env_kwargs: Keyword arguments of these environments, as for --env-kwargs.
        early_stopping_patience: Number of evaluations in a row without improvement after which
            training ends; 0 for never.
    """

    eval_every: NonNegativeInt = 0
    eval_episodes: PositiveInt = 100
    eval_temperature: NonNegativeFloat | None = None
    eval_env: OneOrMore[str] | None = None
    eval_env_kwargs: OneOrMore[JsonObject] = field(default_factory=dict)
    early_stopping_patience: NonNegativeInt = 0

    def __post_init__(self) -> None:
        """Refuses options that nothing would use."""
        super().__post_init__()
        given = {
            "early_stopping_patience": self.early_stopping_patience or None,
            "eval_temperature": self.eval_temperature,
            "eval_env": self.eval_env,
        }
        for name, value in given.items():
            if not self.eval_every and value is not None:
                raise ValueError(f"{name}={value!r} without evaluations: give eval_every")
        if self.eval_env_kwargs and self.eval_env is None:
            raise ValueError(
                f"eval_env_kwargs={self.eval_env_kwargs} without eval_env: name the environment"
            )
        env_specs(self.eval_env, self.eval_env_kwargs)
