"""Base class of algorithms: an advantage function, a loss, and the options that its paper sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from vlm_agent.rollout.advantages import Floats
from vlm_agent.rollout.buffer import Rollout

if TYPE_CHECKING:
    from vlm_agent.models.scoring import Scores
    from vlm_agent.training.batch import Batch
    from vlm_agent.training.losses import Losses
    from vlm_agent.training.ppo_config import PPOConfig

# Options that only algorithms with a critic use.
CRITIC_OPTIONS = frozenset(
    {
        "gae_lambda",
        "value_coef",
        "value_clip_range",
        "value_head_activation",
        "value_head_sizes",
        "value_learning_rate",
        "value_warmup",
        "stop_value_gradient",
        "standardise_values",
    }
)
# Options that only algorithms that play groups of episodes use.
GROUP_OPTIONS = frozenset({"group_size", "step_advantage_coef"})


class Algorithm(ABC):
    """An algorithm that `vlm-agent ppo --algorithm NAME` trains with.

    Attributes:
        name: The name on the command line.
        preset: Options that its paper sets; any of them can be given another value.
        unused: Options that it does not use: giving one is an error.
        has_critic: Whether advantages use the value head, which is then trained.
        plays_groups: Whether it compares whole episodes that start from the same random seed.
    """

    name: ClassVar[str]
    preset: ClassVar[Mapping[str, Any]] = {}
    unused: ClassVar[frozenset[str]] = frozenset()
    has_critic: ClassVar[bool] = False
    plays_groups: ClassVar[bool] = False

    @abstractmethod
    def advantages(self, rollout: Rollout, config: PPOConfig) -> Floats:
        """Estimates how much better than expected each step of a rollout was; shape (steps,)."""

    def loss(
        self, scores: Scores, batch: Batch, config: PPOConfig, *, value_only: bool = False
    ) -> Losses:
        """Returns the loss of a micro-batch: by default PPO's."""
        from vlm_agent.training.losses import ppo_loss  # needs torch

        return ppo_loss(scores, batch, config, value_only=value_only)
