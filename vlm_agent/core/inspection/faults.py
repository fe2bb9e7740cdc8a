"""What is wrong with the values that an environment offers, value by value.

Every function returns a sentence for each fault, which names the attribute, method or key, what was
found and what is expected; an empty list if all is well.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from vlm_agent.core.parsing import normalise
from vlm_agent.core.types import Info, Observation

_RESERVED = ("thoughts", "action")  # keys of every reply
_NUMBERED = (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary, spaces.Box)
_MOST_CHARACTERS = 80


class Missing:
    """Stands for an attribute that an environment lacks."""


MISSING = Missing()


def description_faults(description: Any) -> list[str]:
    """Checks the attribute `task_description`."""
    if description is MISSING:
        return ["it has no attribute `task_description: str`: expected the rules and the goal"]
    if isinstance(description, str) and description.strip():
        return []
    return [f"task_description is {shown(description)}: expected the rules and the goal, as text"]


def repeating_faults(repeats: Any) -> list[str]:
    """Checks the attribute `repeats_given`."""
    if repeats is MISSING or isinstance(repeats, bool):
        return []
    return [f"repeats_given is {shown(repeats)}: expected True or False"]


def naming_faults(names: Any, space: Any) -> list[str]:
    """Checks the names of actions.

    Args:
        names: The attribute `action_names`.
        space: The attribute `action_space`.
    """
    if names is MISSING:
        return [
            "it has no attribute `action_names: tuple[str, ...] | None`: expected a text for each "
            "action, or None if actions are text"
        ]
    faults: list[str] = []
    if names is None:
        if isinstance(space, _NUMBERED):
            faults.append(
                f"action_names is None, which stands for text actions, and action_space is "
                f"{space}: expected a text for each action, or a space of texts"
            )
        return faults
    texts = _texts("action_names", names, faults)
    if texts is None:
        return faults
    read: dict[str, int] = {}
    for number, text in enumerate(texts):
        earlier = read.setdefault(normalise(text), number)
        if earlier != number:
            faults.append(
                f"action_names[{earlier}] and action_names[{number}] are {texts[earlier]!r} and "
                f"{text!r}: expected names that a reply can tell apart"
            )
    if not isinstance(space, spaces.Discrete):
        faults.append(
            f"action_space is {shown(space)}: expected Discrete({len(texts)}), with a number for "
            "each of action_names"
        )
    elif space.n != len(texts):
        faults.append(
            f"action_names holds {len(texts)} names and action_space is {space}: expected a name "
            "for each action"
        )
    return faults


def picture_faults(picture: Any) -> list[str]:
    """Checks an observation."""
    image = np.asarray(picture)
    if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
        return []
    return [
        f"an observation of type {type(picture).__name__}, dtype {image.dtype} and shape "
        f"{image.shape} is not a picture: expected uint8 of shape (height, width, 3). Wrap the "
        "environment in gymnasium.wrappers.AddRenderObservation to observe its rendering"
    ]


def info_faults(info: Any, action_names: Sequence[str] | None) -> list[str]:
    """Checks the protocol's keys of an info; the others may hold anything.

    A missing `is_success` is no fault here.

    Args:
        info: The info.
        action_names: The texts of the actions; `None` for text actions.
    """
    if not isinstance(info, Mapping):
        return [f"info is {shown(info)}: expected a dictionary"]
    faults: list[str] = []
    state = info.get("state", {})
    if isinstance(state, Mapping):
        faults += _state_faults(state)
    else:
        faults.append(f"info['state'] is {shown(state)}: expected a dictionary of texts")
        state = {}
    given = _texts("info['given']", info.get("given", ()), faults, some=False)
    if given is not None and (unknown := [name for name in given if name not in state]):
        faults.append(f"info['given'] names {unknown}, but info['state'] holds only {list(state)}")
    for key in ("task", "task_type"):
        if not isinstance(info.get(key), str | None):
            faults.append(f"info[{key!r}] is {shown(info[key])}: expected text")
    if "is_success" in info and not _is_truth(info["is_success"]):
        faults.append(f"info['is_success'] is {shown(info['is_success'])}: expected true or false")
    actions: Sequence[str] | None = action_names
    if action_names is None:
        actions = _command_faults(info, faults)
    mask = info.get("action_mask")
    if mask is not None and actions is not None:
        faults += _mask_faults(mask, len(actions))
    return faults


def success_faults(info: Info) -> list[str]:
    """Checks that an info says whether the episode is a success so far."""
    if "is_success" in info:
        return []
    return [f"info must say whether the episode `is_success`; it holds {sorted(map(str, info))}"]


def outcome_faults(reward: Any, terminated: Any, truncated: Any) -> list[str]:
    """Checks a step's reward and the two values that say whether the episode has ended."""
    faults = []
    number = _number(reward)
    if number is None or not math.isfinite(number):
        faults.append(f"step() gave the reward {shown(reward)}: expected a finite number")
    for name, value in (("terminated", terminated), ("truncated", truncated)):
        if not _is_truth(value):
            faults.append(f"step() returned {name}={shown(value)}: expected true or false")
    return faults


def move_faults(method: str, move: Any, observation: Observation) -> list[str]:
    """Checks what an expert returned.

    Args:
        method: Name of the method that was asked.
        move: What it returned.
        observation: The observation that it answers.
    """
    if not isinstance(move, tuple | list) or len(move) != 2:
        return [f"{method}() returned {shown(move)}: expected a pair (action, reason)"]
    action, reason = move
    faults = action_faults(f"{method}() returned the action", action, observation)
    return faults + reason_faults(method, reason)


def reason_faults(method: str, reason: Any) -> list[str]:
    """Checks a reason that a method returned."""
    if isinstance(reason, str):
        return []
    return [f"{method}() returned the reason {shown(reason)}: expected text"]


def action_faults(place: str, action: Any, observation: Observation) -> list[str]:
    """Checks an action as `step` takes it.

    Args:
        place: Where it is from, such as "expert() returned the action".
        action: The action, or its name.
        observation: The observation that it answers.
    """
    if isinstance(action, str):
        if action in observation.actions:
            return []
        choices = shown(observation.actions)
        return [f"{place} {shown(action)}: expected one of {choices}"]
    if observation.task.action_names is None:
        return [f"{place} {shown(action)}: expected text, one of {shown(observation.actions)}"]
    first = observation.task.first_action
    last = first + len(observation.actions) - 1
    try:
        if not isinstance(action, bool | np.bool_) and first <= operator.index(action) <= last:
            return []
    except TypeError:
        pass
    return [f"{place} {shown(action)}: expected a whole number from {first} to {last}, or a name"]


def value_faults(values: Any, actions: int) -> list[str]:
    """Checks the `action_values` of `exact()`.

    Args:
        values: The values.
        actions: Number of actions.
    """
    name = "exact().action_values"
    try:
        found = [float(value) for value in values]
    except (TypeError, ValueError):
        return [f"{name} is {shown(values)}: expected a number for each action"]
    if len(found) != actions:
        return [f"{name} has {len(found)} values for {actions} actions: expected one for each"]
    if not np.isfinite(found).all():
        return [f"{name} is {shown(values)}: expected finite numbers"]
    return []


def text_faults(name: str, value: Any) -> list[str]:
    """Checks a list of at least one text, such as `game_names`."""
    faults: list[str] = []
    _texts(name, value, faults)
    return faults


def shown(value: Any) -> str:
    """Returns a value as a message shows it, short, with its type where that is not clear."""
    text = repr(value)
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[: _MOST_CHARACTERS - 1]}…"
    text = " ".join(text.split())
    plain = value is None or isinstance(value, bool | str | tuple | list | dict | spaces.Space)
    return text if plain else f"{text} ({type(value).__name__})"


def _state_faults(state: Mapping[Any, Any]) -> list[str]:
    faults = []
    for name, value in state.items():
        if not isinstance(name, str) or not name.strip():
            faults.append(f"info['state'] has the key {shown(name)}: expected the field's name")
        elif not isinstance(value, str):
            faults.append(f"info['state'][{name!r}] is {shown(value)}: expected text")
        elif name in _RESERVED:
            faults.append(f"info['state'] has a field {name!r}: replies use this name otherwise")
    return faults


def _command_faults(info: Info, faults: list[str]) -> list[str] | None:
    if "admissible_commands" not in info:
        faults.append(
            "an environment with text actions must list them in info['admissible_commands']; "
            f"info holds {sorted(map(str, info))}"
        )
        return None
    return _texts("info['admissible_commands']", info["admissible_commands"], faults)


def _mask_faults(mask: Any, actions: int) -> list[str]:
    name = "info['action_mask']"
    if not _is_list(mask):
        return [f"{name} is {shown(mask)}: expected true or false for each action"]
    if len(mask) != actions:
        return [f"{name} has {len(mask)} values for {actions} actions: expected one for each"]
    if isinstance(mask, np.ndarray):
        fine = mask.dtype == bool or bool(np.isin(mask, (0, 1)).all())
    else:
        fine = all(map(_is_truth, mask))
    return [] if fine else [f"{name} is {shown(mask)}: expected true or false for each action"]


def _texts(name: str, value: Any, faults: list[str], *, some: bool = True) -> list[str] | None:
    """Returns a list of texts, or `None` after adding what is wrong with it."""
    if not _is_list(value):
        faults.append(f"{name} is {shown(value)}: expected a tuple or list of texts")
        return None
    if some and not len(value):
        faults.append(f"{name} is empty: expected at least one text")
        return None
    wrong = [
        f"{name}[{number}] is {shown(text)}: expected text that is not empty"
        for number, text in enumerate(value)
        if not isinstance(text, str) or not text.strip()
    ]
    faults += wrong
    return None if wrong else [str(text) for text in value]


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _is_truth(value: Any) -> bool:
    """Returns whether a value is true, false, or a number that stands for one of them."""
    return _number(value) in (0.0, 1.0)


def _number(value: Any) -> float | None:
    """Returns a number, also that of an array or tensor without axes; `None` for other values."""
    if isinstance(value, str | bytes | bytearray) or bool(getattr(value, "ndim", False)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
