"""The expert that an environment may offer: actions, and reasons for them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.inspection.faults import move_faults, reason_faults
from vlm_agent.core.protocol import action_index, env_action, refuse
from vlm_agent.core.types import Observation


def check_expert(env: gym.Env[Any, Any], otherwise: str) -> None:
    """Checks that an environment has an expert.

    Args:
        env: The environment.
        otherwise: What to do without one, for the message.

    Raises:
        ProtocolError: If it has none.
    """
    if not env.has_wrapper_attr("expert"):
        raise ProtocolError(f"{env} has no `expert()` to learn from: offer one, or {otherwise}")


def expert_move(env: gym.Env[Any, Any], observation: Observation) -> tuple[int, str]:
    """Returns the expert's action, as an index into `observation.actions`, and its reason.

    Raises:
        ProtocolError: If the expert returns something else.
    """
    return move_of(env, "expert", observation)


def lesson(env: gym.Env[Any, Any], observation: Observation) -> tuple[int, str]:
    """Returns the action to learn, as an index into `observation.actions`, and its reason.

    If the environment has `demonstrate`, it is used instead of `expert`: its player knows no more
    than the pictures show, so that a model does not learn to state what it cannot see.

    Raises:
        AttributeError: If the environment has no expert.
        ProtocolError: If the expert returns something else.
    """
    name = "demonstrate" if env.has_wrapper_attr("demonstrate") else "expert"
    return move_of(env, name, observation)


def move_of(env: gym.Env[Any, Any], name: str, observation: Observation) -> tuple[int, str]:
    """Returns what a method, `expert` or `demonstrate`, answers; as for `expert_move`."""
    move = env.get_wrapper_attr(name)()
    refuse(env, move_faults(name, move, observation))
    action, reason = move
    return action_index(observation, action), reason


def explain(env: gym.Env[Any, Any], observation: Observation, action: int) -> str:
    """Returns a reason for an action, right or wrong, in the words of the environment.

    Raises:
        ProtocolError: If the environment's reason is not text.
    """
    if not env.has_wrapper_attr("explain"):
        return f"I choose {observation.actions[action]}"
    reason = env.get_wrapper_attr("explain")(env_action(observation, action))
    refuse(env, reason_faults("explain", reason))
    return str(reason)
