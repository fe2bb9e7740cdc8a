"""Optimiser steps that only finite losses and gradients make."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from vlm_agent.distributed.processes import clip_grad_norm
from vlm_agent.distributed.sharding import check_each, shard_like

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
