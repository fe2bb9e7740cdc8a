"""The expert that an environment may offer: moves, and reasons that lead to them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.protocol import action_index, env_action
from vlm_agent.core.types import Observation


def check_expert(env: gym.Env[Any, Any], otherwise: str) -> None:
    """Makes sure that an environment has an expert.

    Args:
        env: The environment.
        otherwise: What to do without one, for the message.

    Raises:
        ProtocolError: If it has none.
    """
    if not env.has_wrapper_attr("expert"):
        raise ProtocolError(f"{env} has no `expert()` to learn from: offer one, or {otherwise}")


def expert_move(env: gym.Env[Any, Any], observation: Observation) -> tuple[int, str]:
    """What the environment's expert does now, as an index into `observation.actions`, and why."""
    action, reason = env.get_wrapper_attr("expert")()
    return action_index(observation, action), reason


def lesson(env: gym.Env[Any, Any], observation: Observation) -> tuple[int, str]:
    """What a model should learn to do now, as an index into `observation.actions`, and why."""
    action, reason = teach(env)
    return action_index(observation, action), reason


def teach(env: gym.Env[Any, Any]) -> tuple[Any, str]:
    """The environment's own action and reason to learn from.

    Where an expert knows more than pictures show, `demonstrate` is by a player who does not, so
    that a model is not taught to say what it cannot see.

    Raises:
        AttributeError: If the environment has no expert.
    """
    name = "demonstrate" if env.has_wrapper_attr("demonstrate") else "expert"
    action, reason = env.get_wrapper_attr(name)()
    return action, reason


def explain(env: gym.Env[Any, Any], observation: Observation, action: int) -> str:
    """A reason that leads to an action, right or wrong, in the words of the environment."""
    if env.has_wrapper_attr("explain"):
        return str(env.get_wrapper_attr("explain")(env_action(observation, action)))
    return f"I choose {observation.actions[action]}"
