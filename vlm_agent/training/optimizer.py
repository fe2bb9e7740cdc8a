"""Optimizer steps: what they train, how fast, and only along finite gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vlm_agent.distributed.processes import clip_grad_norm
from vlm_agent.distributed.sharding import check_each, shard_like

if TYPE_CHECKING:
    from vlm_agent.models.policy import VLMPolicy
    from vlm_agent.training.ppo_config import PPOConfig

# One batch may overflow; as many in a row as this have a cause that does not pass.
_PATIENCE = 5


class NotFiniteError(ArithmeticError, ValueError):
    """Losses or gradients were not finite, again and again."""


class OptimizerStep:
    """Clips gradients and makes steps, and leaves out those that would spoil the weights.

    A step along a gradient that holds NaN or infinity makes NaN of every weight it reaches. Such a
    step is skipped and counted instead, and the weights stay as they are.

    Args:
        clipped: Parameters by the name of their norm; the gradients of each are clipped by
            themselves. Together they are all that is trained.
        max_norm: Norm that each of these gradients is clipped to.
        clip: Clips the gradients of parameters to a norm, and gives the one that they had.
    """

    def __init__(
        self,
        clipped: Mapping[str, Sequence[nn.Parameter]],
        max_norm: float,
        clip: Callable[[Sequence[nn.Parameter], float], float] = clip_grad_norm,
    ) -> None:
        self.clipped = clipped
        self._clip = clip
        self._max_norm = max_norm
        self._in_a_row = 0

    def step(
        self, optimizer: torch.optim.Optimizer, losses: Mapping[str, float]
    ) -> dict[str, float] | None:
        """Makes a step along the gradients that are there now.

        Args:
            optimizer: Makes the step.
            losses: What the gradients are of, by name.

        Returns:
            The norms before clipping, or `None` where the step was left out.

        Raises:
            NotFiniteError: If too many steps in a row had to be left out.
        """
        norms = {
            name: self._clip(parameters, self._max_norm)
            for name, parameters in self.clipped.items()
        }
        wrong = [
            f"{name} is {value}"
            for name, value in {**losses, **norms}.items()
            if not math.isfinite(value)
        ]
        if not wrong:
            self._in_a_row = 0
            optimizer.step()
            return norms
        optimizer.zero_grad()
        self._in_a_row += 1
        if self._in_a_row == _PATIENCE:
            raise NotFiniteError(self._diagnosis(wrong))
        return None

    def state_dict(self) -> dict[str, int]:
        """How many steps in a row were left out."""
        return {"in_a_row": self._in_a_row}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on where `state_dict` was taken."""
        self._in_a_row = state["in_a_row"]

    def _diagnosis(self, wrong: Sequence[str]) -> str:
        start = f"{_PATIENCE} optimiser steps in a row were left out, since {', '.join(wrong)}. "
        weights = [each for group in self.clipped.values() for each in group]
        if not all(check_each(lambda each: torch.isfinite(each).all(), weights)):
            return start + (
                "The weights themselves hold NaN or infinity: start from a model that does not"
            )
        return start + (
            "The weights are still finite. A lower --learning-rate or --dtype float32 helps where "
            "training drove them too far; otherwise look at the rewards and pictures of the "
            "environment"
        )


class SavedOptimizer:
    """An optimiser whose state has texts as keys throughout, as JSON has them.

    Args:
        optimizer: The optimiser.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's state."""
        state = self._optimizer.state_dict()
        return {**state, "state": {str(number): each for number, each in state["state"].items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, with equal parameters.

        These may be spread over processes; then all of them have to ask.
        """
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        moments = {
            int(number): {
                name: shard_like(value, parameters[int(number)]) for name, value in each.items()
            }
            for number, each in state["state"].items()
        }
        self._optimizer.load_state_dict({**state, "state": moments})


class CosineSchedule:
    """A cosine from each parameter group's peak learning rate down to the same share of it.

    Args:
        end: Last learning rate, as a share of the peak.
    """

    def __init__(self, end: float) -> None:
        self._end = end

    def apply(self, optimizer: torch.optim.Optimizer, progress: float) -> None:
        """Sets the learning rates.

        Args:
            optimizer: Whose groups have a `peak`.
            progress: Share of the training that is done.
        """
        share = 0.5 * (1.0 + math.cos(math.pi * min(progress, 1.0))) * (1 - self._end) + self._end
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share


def value_learning_rate(config: PPOConfig) -> float:
    """Returns the value head's learning rate: by default the model's."""
    own = config.value_learning_rate
    return config.learning_rate if own is None else own


def parameter_groups(policy: VLMPolicy, config: PPOConfig) -> list[dict[str, Any]]:
    """Returns what is trained with its peak learning rate: the model, and the value head."""
    model, head = _trained(policy)
    return [
        {"params": model, "peak": config.learning_rate},
        {"params": head, "peak": value_learning_rate(config)},
    ]


def clipped_together(policy: VLMPolicy, config: PPOConfig) -> dict[str, list[nn.Parameter]]:
    """Returns parameters whose gradients are clipped together, by the name of the logged norm.

    Where the value's gradient stays in its head, the size of rewards must not decide, through a
    norm that both share, how little the model learns.
    """
    model, head = _trained(policy)
    if not config.has_critic or not config.stop_value_gradient:
        return {"gradient_norm": [*model, *head]}
    return {"gradient_norm": model, "value_gradient_norm": head}


def _trained(policy: VLMPolicy) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Returns what is trained of the model, and of the value head."""
    head = list(policy.value_head.parameters())
    known = {id(parameter) for parameter in head}
    model = [p for p in policy.parameters() if p.requires_grad and id(p) not in known]
    return model, head
