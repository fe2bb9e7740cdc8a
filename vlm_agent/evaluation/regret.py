"""Regret: difference in value between the best action and the one played."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym

from vlm_agent.core.errors import ProtocolError


def regret_of(env: gym.Env[Any, Any], action: int) -> float | None:
    """Returns V* − Q*(action) in the current state of the environment, which is at least 0.

    Args:
        env: The environment, before the action is played.
        action: Index into the observation's actions.

    Returns:
        The regret, or `None` if the environment has no `exact()`, or does not know the values of
        this state.

    Raises:
        ProtocolError: If the environment does not give a value for each action.
    """
    if not env.has_wrapper_attr("exact"):
        return None
    try:
        exact = env.get_wrapper_attr("exact")()
    except RuntimeError as error:  # such as when the computation would take too long
        warnings.warn(f"the regret in {env} is unknown: {error}", stacklevel=2)
        return None
    if exact is None:
        return None
    values = [float(value) for value in exact.action_values]
    if not 0 <= action < len(values):
        raise ProtocolError(
            f"{env} plays action {action}, but exact().action_values has {len(values)} values: "
            "expected one for each action"
        )
    # Rounding alone can separate two equal actions by this much.
    loss = max(values) - values[action]
    return loss if loss > 1e-12 else 0.0
