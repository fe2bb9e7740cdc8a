"""Checks of what an algorithm returns, which may be a class of a user."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from vlm_agent.core.inspection.faults import shown
from vlm_agent.rollout.advantages import Floats
from vlm_agent.training.losses import Losses


def check_advantages(name: str, advantages: Any, steps: int) -> Floats:
    """Returns the advantages of an algorithm.

    Args:
        name: Name of the algorithm.
        advantages: What its `advantages` returned.
        steps: Number of steps of the rollout.

    Raises:
        TypeError: If it is no array of numbers.
        ValueError: If its shape is another.
    """
    expected = f"expected an array of {steps} numbers, one for each step of the rollout"
    if not isinstance(advantages, np.ndarray) or advantages.dtype.kind not in "fiu":
        raise TypeError(f"{name}: advantages() returned {shown(advantages)}: {expected}")
    if advantages.shape != (steps,):
        raise ValueError(
            f"{name}: advantages() returned an array of shape {advantages.shape}: {expected}"
        )
    return advantages


def check_losses(name: str, losses: Any) -> Losses:
    """Returns the loss of an algorithm.

    Args:
        name: Name of the algorithm.
        losses: What its `loss` returned.

    Raises:
        TypeError: If it is no `Losses` of tensors.
        ValueError: If one of them is not a single number.
    """
    if not isinstance(losses, Losses) or not isinstance(losses.parts, dict):
        raise TypeError(
            f"{name}: loss() returned {shown(losses)}: expected Losses(total, parts) of "
            "vlm_agent.training.losses"
        )
    parts = {f"parts[{key!r}]": part for key, part in losses.parts.items()}
    error = {} if losses.ratio_error is None else {"ratio_error": losses.ratio_error}
    for what, value in {"total": losses.total, **parts, **error}.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name}: {what} of loss() is {shown(value)}: expected a tensor")
        if value.ndim:
            raise ValueError(
                f"{name}: {what} of loss() has the shape {tuple(value.shape)}: expected a single "
                "number, such as the mean over the steps"
            )
    return losses
