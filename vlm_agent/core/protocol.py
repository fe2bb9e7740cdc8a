"""The protocol between an environment and an agent.

The agent asks an environment only for plain values:

- attribute `task_description: str`: the rules and the goal, in words for a person;
- attribute `action_names: tuple[str, ...] | None`: the text of each action of the `Discrete`
  action space; `None` means text actions, chosen from `info["admissible_commands"]`;
- optional attribute `repeats_given: bool`: whether replies read out also those fields of the state
  that the prompt contains (true without the attribute);
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
  (for each action, whether the environment takes it now). Other keys are the environment's own.

`vlm_agent.core.inspection` says what is wrong with any of these values.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from vlm_agent.core.checks import check_kind
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.inspection.faults import (
    MISSING,
    action_faults,
    description_faults,
    info_faults,
    naming_faults,
    outcome_faults,
    picture_faults,
    repeating_faults,
    shown,
    success_faults,
)
from vlm_agent.core.types import Info, Observation, PastStep, Reply, Task

# Key under which a vector environment carries the infos of its environments.
_CARRIED = "carried"


def task_of(env: gym.Env[Any, Any]) -> Task:
    """Reads the task that an environment offers.

    Raises:
        ProtocolError: If it is no environment, if it lacks `task_description` or `action_names`, if
            they do not hold text or do not fit the action space, or if `repeats_given` is not true
            or false.
    """
    if not isinstance(env, gym.Env):
        refuse(shown(env), ["expected a gymnasium.Env, as make_env(id) returns"])
    offer = offer_of(env)
    refuse(env, offer_faults(offer))
    return task_from(offer)


class Offer(NamedTuple):
    """The attributes of an environment that its task is made of, unchecked.

    One that it lacks is `MISSING`.
    """

    description: Any
    names: Any
    space: Any
    repeats_given: Any


def offer_of(env: gym.Env[Any, Any]) -> Offer:
    """Returns what an environment offers."""
    description, names, repeats_given = (
        env.get_wrapper_attr(name) if env.has_wrapper_attr(name) else MISSING
        for name in ("task_description", "action_names", "repeats_given")
    )
    return Offer(description, names, getattr(env, "action_space", MISSING), repeats_given)


def offer_faults(offer: Offer) -> list[str]:
    """Says what is wrong with an offer."""
    return [
        *description_faults(offer.description),
        *naming_faults(offer.names, offer.space),
        *repeating_faults(offer.repeats_given),
    ]


def task_from(offer: Offer) -> Task:
    """Returns the task of an offer whose actions have names, or are text."""
    names = None if offer.names is None else tuple(map(str, offer.names))
    first = 0 if names is None else int(getattr(offer.space, "start", 0))
    return Task(str(offer.description), names, first, offer.repeats_given is not False)


def refuse(env: object, faults: Sequence[str]) -> None:
    """Raises a `ProtocolError` that lists faults, if there are any.

    Args:
        env: The environment, or its name, for the message.
        faults: What is wrong with it.
    """
    if faults:
        raise ProtocolError(f"{env} does not follow the agent protocol: {'; '.join(faults)}")


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
        ValueError: If the task is none.
        ProtocolError: If the observation is not a picture, or a key of the protocol in info does
            not hold what it should.
    """
    check_kind("task", task, Task, "the Task that task_of(env) returns, before picture and info")
    faults = [*picture_faults(picture), *info_faults(info, task.action_names)]
    if faults:
        raise ProtocolError("; ".join(faults))
    actions = task.action_names
    if actions is None:
        actions = tuple(map(str, info["admissible_commands"]))
    state = dict(info.get("state", {}))
    given = {str(name): state[name] for name in info.get("given", ())}
    mask = info.get("action_mask")
    return Observation(
        # A copy, because an environment may draw its next picture into the same array.
        np.array(picture),
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
    faults = success_faults(info)
    if faults:
        raise ProtocolError("; ".join(faults))
    return bool(info["is_success"])


def check_outcome(env: gym.Env[Any, Any], reward: Any, terminated: Any, truncated: Any) -> None:
    """Checks what a step returned besides observation and info.

    Raises:
        ProtocolError: If the reward is not a finite number, or an end is neither true nor false.
    """
    refuse(env, outcome_faults(reward, terminated, truncated))


def action_index(observation: Observation, action: Any) -> int:
    """Returns the index into `observation.actions` of an action as `step` takes it, or of a name.

    Raises:
        ProtocolError: If it is none of the actions.
    """
    faults = action_faults("the action is", action, observation)
    if faults:
        raise ProtocolError("; ".join(faults))
    if isinstance(action, str):
        return observation.actions.index(action)
    return int(action) - observation.task.first_action


def check_answer(answer: Any, observation: Observation) -> int:
    """Returns the action that a policy chose, an index into `observation.actions`.

    Raises:
        ValueError: If it is no such index.
    """
    try:
        index = operator.index(answer)
    except TypeError:
        index = -1
    if not 0 <= index < len(observation.actions):
        raise ValueError(
            f"the policy played action {shown(answer)}: expected an index from 0 to "
            f"{len(observation.actions) - 1} into {observation.actions}, the text of a reply, or "
            "None"
        )
    return index


def env_action(observation: Observation, action: int) -> int | str:
    """Returns the action at an index of `observation.actions` as `step` takes it."""
    if observation.task.action_names is None:
        return observation.actions[action]
    return action + observation.task.first_action


class InfoCarrier(gym.Wrapper[Any, Any, Any, Any]):
    """Wraps each info into one value, so that a vector environment does not take it apart.

    Gymnasium's vector environments make an array of each key of the infos, of the shape and type of
    the first value that they see; other values are cut off or raise errors. `split_infos` returns
    the infos as they were.
    """

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        picture, info = self.env.reset(**kwargs)
        return picture, {_CARRIED: _Carried(info)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Plays an action."""
        picture, reward, terminated, truncated, info = self.env.step(action)
        return picture, reward, terminated, truncated, {_CARRIED: _Carried(info)}


@dataclass(frozen=True)
class _Carried:
    info: dict[str, Any]


def split_infos(infos: Info, num_envs: int) -> list[dict[str, Any]]:
    """Splits a vector environment's infos, arrays with masks, into one dictionary per environment.

    A value that an environment did not report is absent from its dictionary. The infos of an
    `InfoCarrier` are returned as they were.
    """
    if _CARRIED in infos:
        carried = infos[_CARRIED]
        return [{} if carried[i] is None else dict(carried[i].info) for i in range(num_envs)]
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
