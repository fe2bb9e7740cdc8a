"""A look at an environment: one reset, its experts' moves and two steps."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium as gym
import numpy as np

from vlm_agent.core.inspection.faults import (
    info_faults,
    move_faults,
    naming_faults,
    outcome_faults,
    picture_faults,
    shown,
    success_faults,
)
from vlm_agent.core.protocol import action_index, env_action, offer_faults, offer_of, task_from
from vlm_agent.core.types import Observation, Task

EXPERTS = ("expert", "demonstrate")
_STEPS = 2
_SEED = 0
_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


def look_at(env: Any) -> list[str]:
    """Returns what an environment offers wrongly, as far as its first two steps show it.

    The environment is left in the middle of an episode: look at one that nobody plays in.

    Args:
        env: The environment.

    Raises:
        Exception: Whatever `reset` and `step` of the environment raise.
    """
    faults = kind_faults(env)
    if faults:
        return faults
    with untouched_globals():
        visit = Visit(env)
        playing = visit.start(_SEED)
        for _ in range(_STEPS):
            if not playing:
                break
            moves = [visit.ask(method) for method in EXPERTS]
            first = moves[0]
            playing = visit.play(visit.first_possible() if first is None else first)
    return list(dict.fromkeys(visit.faults))


def kind_faults(env: Any) -> list[str]:
    """Checks that a value is an environment at all."""
    return [] if isinstance(env, gym.Env) else [f"{shown(env)}: expected a gymnasium.Env"]


@contextmanager
def untouched_globals() -> Iterator[None]:
    """Restores the global random states of Python, NumPy and torch.

    An environment may draw from them. Torch is not imported for it.
    """
    state, numpy_state = random.getstate(), np.random.get_state()
    torch: Any = sys.modules.get("torch")
    torch_state = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
        if torch is not None:
            torch.set_rng_state(torch_state)


class Visit:
    """Plays in an environment, and notes what is wrong instead of raising an error.

    Args:
        env: The environment.

    Attributes:
        faults: What is wrong so far; a fault that appears in several steps is there as often.
        task: The environment's task; `None` if its actions have no names to play by.
        observation: The current actions, with which of them are possible; without picture.
        picture: What the environment returned last, like the following.
        info: The info.
        reward: The reward; 0 after a reset.
        ended: Whether the episode has ended.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        self.env = env
        offer = offer_of(env)
        unnamed = naming_faults(offer.names, offer.space)
        self.faults = offer_faults(offer)
        self.task: Task | None = None if unnamed else task_from(offer)
        self.observation = Observation(_NO_PICTURE, Task("", ()), ())
        self.picture: Any = None
        self.info: Any = None
        self.reward: Any = 0.0
        self.ended = False

    def start(self, seed: int | None = None) -> bool:
        """Starts an episode; returns whether it can be played."""
        found = self.env.reset(seed=seed)
        self.reward, self.ended = 0.0, False
        if not isinstance(found, tuple) or len(found) != 2:
            self.faults.append(
                f"reset() returned {shown(found)}: expected a pair (observation, info)"
            )
            return False
        return self._see(*found)

    def ask(self, method: str) -> int | None:
        """Returns the move of an expert; `None` if there is no such method, or it answers wrongly.

        Args:
            method: "expert" or "demonstrate".
        """
        if not self.env.has_wrapper_attr(method):
            return None
        try:
            move = self.env.get_wrapper_attr(method)()
        except Exception as error:  # an expert may raise anything
            self.faults.append(
                f"{method}() raises {error!r}: expected a pair (action, reason); leave the method "
                "out if there is no such player"
            )
            return None
        wrong = move_faults(method, move, self.observation)
        self.faults += wrong
        return None if wrong else action_index(self.observation, move[0])

    def first_possible(self) -> int:
        """Returns the first action that the environment takes now."""
        mask = self.observation.mask or ()
        return mask.index(True) if True in mask else 0

    def play(self, action: int) -> bool:
        """Plays an action; returns whether the episode can be played on.

        Args:
            action: Index into `observation.actions`.
        """
        result = self.env.step(env_action(self.observation, action))
        if not isinstance(result, tuple) or len(result) != 5:
            self.faults.append(
                f"step() returned {shown(result)}: expected (observation, reward, terminated, "
                "truncated, info)"
            )
            return False
        picture, self.reward, terminated, truncated, info = result
        self.faults += outcome_faults(self.reward, terminated, truncated)
        self.ended = bool(np.any(terminated) or np.any(truncated))
        return self._see(picture, info) and not self.ended

    def _see(self, picture: Any, info: Any) -> bool:
        """Notes what is wrong with a picture and an info; returns whether an action can follow."""
        self.picture, self.info = picture, info
        names = () if self.task is None else self.task.action_names
        self.faults += picture_faults(picture)
        wrong = info_faults(info, names)
        if isinstance(info, Mapping):
            wrong += success_faults(info)
        self.faults += wrong
        if self.task is None or not isinstance(info, Mapping):
            return False
        if names is None:
            if any("admissible_commands" in fault for fault in wrong):
                return False
            names = tuple(map(str, info["admissible_commands"]))
        mask = info.get("action_mask")
        if mask is None or any("action_mask" in fault for fault in wrong):
            mask = (True,) * len(names)
        self.observation = Observation(_NO_PICTURE, self.task, names, mask=tuple(map(bool, mask)))
        return True
