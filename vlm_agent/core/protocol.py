"""The protocol between an environment and an agent.

The agent asks an environment only for plain values:

- attribute `task_description: str`: the rules and the goal, in words for a person;
- attribute `action_names: tuple[str, ...] | None`: the text of each discrete action; `None` means
  text actions, chosen from `info["admissible_commands"]`;
- optional method `expert() -> (action, reason)`: the action of an optimal player, and why;
- optional method `demonstrate() -> (action, reason)`: the same by a player who knows no more than
  the pictures show, if the expert does; it is then used for demonstrations;
- optional method `explain(action) -> str`: a sentence that leads to the given action;
- optional attribute `game_names: tuple[str, ...] | None`: the names of all games, if the
  environment plays a fixed list; `reset(options={"game": i})` then starts the game at position i;
- optional attribute `lazy_observations` and method `current_observation()`: if an agent sets the
  attribute to true, `reset` and `step` may return any array of the observation's shape instead of
  drawing a picture, and the method returns the picture of the current state;
- optional method `exact()`: an object whose `action_values` are, for each action, the undiscounted
  expected sum of rewards of playing it now and optimally afterwards; `None`, or a `RuntimeError`,
  if they are not known;
- every `info`: `state: dict[str, str]`, `is_success: bool`, and optionally `given: tuple[str, ...]`
  (the state fields that the prompt contains), `task: str` (the episode's own goal),
  `task_type: str` (what kind of task it is, by which evaluations report success) and `action_mask`
  (for each action, whether the environment takes it now).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.types import Info, Observation, PastStep, Reply, Task


def task_of(env: gym.Env[Any, Any]) -> Task:
    """Reads the task that an environment offers.

    Raises:
        ProtocolError: If it lacks `task_description` or `action_names`.
    """
    try:
        description = env.get_wrapper_attr("task_description")
        names = env.get_wrapper_attr("action_names")
    except AttributeError as error:
        raise ProtocolError(
            f"{env} does not offer the agent protocol: expected the attributes "
            f"`task_description: str` and `action_names: tuple[str, ...] | None` ({error})"
        ) from error
    return Task(description, None if names is None else tuple(names))


def observe(
    task: Task, picture: Any, info: Info, history: tuple[PastStep, ...] = ()
) -> Observation:
    """Returns an observation made of what an environment's `reset` or `step` returned.

    Args:
        task: The environment's task.
        picture: The observation, uint8 of shape (height, width, 3).
        info: The info that came with it.
        history: Earlier steps of the episode; empty after a `reset`.

    Raises:
        ProtocolError: If the observation is not a picture, if `given` names a field that is not
            in `state`, or if the environment has text actions and info lists none.
    """
    # A copy, because an environment may draw its next picture into the same array.
    image = np.array(picture)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ProtocolError(
            f"an observation of type {type(picture).__name__}, dtype {image.dtype} and shape "
            f"{image.shape} is not a picture: expected uint8 of shape (height, width, 3). Wrap the "
            "environment in gymnasium.wrappers.AddRenderObservation to observe its rendering"
        )
    if task.action_names is not None:
        actions = task.action_names
    else:
        actions = tuple(info.get("admissible_commands", ()))
        if not actions:
            raise ProtocolError(
                "an environment with text actions must list them in info['admissible_commands']; "
                f"info holds {sorted(info)}"
            )
    state = dict(info.get("state", {}))
    unknown = [name for name in info.get("given", ()) if name not in state]
    if unknown:
        raise ProtocolError(
            f"info['given'] names {unknown}, but info['state'] holds only {sorted(state)}"
        )
    given = {name: state[name] for name in info.get("given", ())}
    mask = info.get("action_mask")
    return Observation(
        image,
        task,
        actions,
        given,
        info.get("task"),
        state,
        history,
        None if mask is None else tuple(map(bool, mask)),
    )


def succeeded(info: Info) -> bool:
    """Returns whether the episode is a success so far.

    Raises:
        ProtocolError: If info does not say.
    """
    if "is_success" not in info:
        raise ProtocolError(
            f"info must say whether the episode `is_success`; it holds {sorted(info)}"
        )
    return bool(info["is_success"])


def check_reward(reward: Any, env: gym.Env[Any, Any]) -> None:
    """Checks that a reward is a finite number.

    Raises:
        ProtocolError: If it is NaN or infinite.
    """
    if not np.isfinite(reward):
        raise ProtocolError(f"{env} gave the reward {reward}: expected a finite number")


def action_index(observation: Observation, action: Any) -> int:
    """Returns the index into `observation.actions` of an action that an expert returned."""
    return observation.actions.index(action) if isinstance(action, str) else int(action)


def env_action(observation: Observation, action: int) -> int | str:
    """Returns the action at an index of `observation.actions` as `step` takes it."""
    return action if observation.task.action_names is not None else observation.actions[action]


def split_infos(infos: Info, num_envs: int) -> list[dict[str, Any]]:
    """Splits a vector environment's infos, arrays with masks, into one dictionary per environment.

    A value that an environment did not report is absent from its dictionary.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    for key, values in infos.items():
        mask = infos.get(f"_{key}")
        if key.startswith("_") and key[1:] in infos:
            continue
        columns = split_infos(values, num_envs) if isinstance(values, Mapping) else values
        for index in range(num_envs):
            if mask is None or mask[index]:
                value = columns[index]
                rows[index][key] = value.item() if isinstance(value, np.generic) else value
    return rows


def legal_action(reply: Reply, observation: Observation, rng: np.random.Generator) -> int:
    """Returns the action that a reply names, or a uniformly random one if it names none."""
    if reply.action is not None:
        return reply.action
    return int(rng.integers(len(observation.actions)))
