"""How much less than the best action an action is worth, where an environment knows it."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym

from vlm_agent.core.errors import ProtocolError


def regret_of(env: gym.Env[Any, Any], action: int) -> float | None:
    """V* − Q*(action) in the environment's present state: the return that the action gives away.

    Args:
        env: The environment, before the action is played.
        action: Index into the observation's actions.

    Returns:
        At least 0. `None` where the environment offers no `exact()`, or it knows nothing of this
        state.

    Raises:
        ProtocolError: If it does not say a value for each action.
    """
    if not env.has_wrapper_attr("exact"):
        return None
    try:
        known = env.get_wrapper_attr("exact")()
    except RuntimeError as error:  # as when it would take too long to find out
        warnings.warn(f"the regret in {env} is not known: {error}", stacklevel=2)
        return None
    if known is None:
        return None
    values = [float(value) for value in known.action_values]
    if not 0 <= action < len(values):
        raise ProtocolError(
            f"{env} plays action {action}, and exact().action_values holds {len(values)} values: "
            "expected one for each action"
        )
    # Rounding alone can put two equal actions so far apart.
    loss = max(values) - values[action]
    return loss if loss > 1e-12 else 0.0
