"""Episodes that are recorded for comparison, and the faults that they show."""

from __future__ import annotations

import hashlib
import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from vlm_agent.core.inspection.look import Visit

MOST_STEPS = 1000
_KEPT_STEPS = 50  # of an episode without end
_KEYS = ("state", "given", "task", "task_type", "admissible_commands", "is_success", "action_mask")
_DICE = 2
# The value that a fault names.
_VALUE = re.compile(r" (?:is|returned|gave|has) .*?(?=: expected)")


@dataclass
class Findings:
    """Faults in the order in which they were found, each once, whatever value was found."""

    _found: dict[str, str] = field(default_factory=dict)

    def add(self, faults: Sequence[str], place: str = "") -> None:
        """Adds faults that were found in a place, such as "random, seed 5, step 2"."""
        for fault in faults:
            kind = _VALUE.sub(" … ", fault)
            self._found.setdefault(kind, f"{fault} ({place})" if place else fault)

    @contextmanager
    def errors_of(self, call: str, place: str = "") -> Iterator[None]:
        """Notes an error inside the block as a fault of a call, instead of raising it."""
        try:
            yield
        except Exception as error:  # somebody else's code may raise anything
            frame = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(frame.filename).name}, line {frame.lineno}"
            self.add([f"{call} raises {error!r} in {where}"], place)

    @property
    def faults(self) -> list[str]:
        """The faults, with the places where they were found first."""
        return list(self._found.values())


@dataclass(frozen=True)
class Moment:
    """What `reset` or `step` returned, as plain values that can be compared.

    Attributes:
        picture: Hash of the picture, with its shape and type.
        reward: The reward; 0 after a reset.
        ended: Whether the episode has ended.
        info: The protocol's part of the info.
    """

    picture: str
    reward: float
    ended: bool
    info: Mapping[str, Any]

    @classmethod
    def of(cls, picture: Any, reward: Any, ended: bool, info: Any) -> Moment:
        """Returns the moment of values that may be wrong in any way."""
        image = np.ascontiguousarray(picture)
        digest = hashlib.blake2b(digest_size=8)
        digest.update(repr(picture).encode() if image.dtype == object else image.tobytes())
        told = {key: _plain(info[key]) for key in _KEYS if key in info} if info else {}
        try:
            number = float(reward)
        except (TypeError, ValueError):
            number = float("nan")
        return cls(f"{image.dtype}{image.shape}{digest.hexdigest()}", number, ended, told)

    def difference(self, other: Moment) -> str | None:
        """Returns the name of the first part that differs, or `None`."""
        for name in ("picture", "reward", "ended"):
            mine, theirs = getattr(self, name), getattr(other, name)
            # NaN, which is a fault of its own, equals itself here.
            if mine != theirs and not (mine != mine and theirs != theirs):
                return "the end" if name == "ended" else f"the {name}"
        for key in _KEYS:
            if self.info.get(key) != other.info.get(key):
                return f"info[{key!r}]"
        return None


@dataclass
class Trace:
    """An episode: its seed, the actions as indices, and the moments, one more than actions."""

    seed: int
    actions: list[int] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    won: bool = False

    @property
    def total(self) -> float:
        """The sum of rewards."""
        return sum(moment.reward for moment in self.moments)

    def difference(self, other: Trace) -> str | None:
        """Returns where another episode first differs, such as "the reward of step 2"."""
        for step, (mine, theirs) in enumerate(zip(self.moments, other.moments, strict=False)):
            part = mine.difference(theirs)
            if part is not None:
                return f"{part} {f'of step {step}' if step else 'after reset'}"
        if len(self.moments) != len(other.moments):
            return f"the end after step {min(len(self.actions), len(other.actions))}"
        return None


# Chooses an action of a visit, as an index; `None` ends the recording.
Player = Callable[[Visit], "int | None"]


def dice(seed: int) -> Player:
    """Returns a player of uniformly random actions."""
    rng = np.random.default_rng([seed, _DICE])
    return lambda visit: int(rng.integers(len(visit.observation.actions)))


def expert(method: str) -> Player:
    """Returns the player that a method of the environment is."""
    return lambda visit: visit.ask(method)


def again(actions: Sequence[int]) -> Player:
    """Returns a player of recorded actions."""
    left = iter(actions)
    return lambda visit: next(left, None)


def record(
    env: gym.Env[Any, Any],
    seed: int,
    player: Player,
    findings: Findings,
    name: str,
    on_step: Callable[[Visit], None] | None = None,
) -> Trace:
    """Plays an episode and adds its faults to the findings.

    Args:
        env: The environment.
        seed: Random seed of the episode.
        player: Chooses the actions.
        findings: Where faults are added.
        name: Name of the player, for the places of faults.
        on_step: Called after the reset and after each step.
    """
    trace = Trace(seed)
    step = 0

    def note(visit: Visit, start: int) -> None:
        when = f"step {step}" if step else "reset"
        findings.add(visit.faults[start:], f"{name}, seed {seed}, {when}")

    visit = Visit(env)
    findings.add(visit.faults)
    seen = len(visit.faults)
    going = False
    with findings.errors_of(f"reset(seed={seed})"):
        going = visit.start(seed)
    while True:
        note(visit, seen)
        seen = len(visit.faults)
        trace.moments.append(Moment.of(visit.picture, visit.reward, visit.ended, visit.info))
        if on_step is not None:
            on_step(visit)
        if not going:
            break
        action = player(visit)
        note(visit, seen)
        seen = len(visit.faults)
        if action is None:
            break
        step += 1
        if step > MOST_STEPS:
            findings.add(
                [
                    f"an episode has not ended after {MOST_STEPS} steps: expected an end, such as "
                    "by max_episode_steps of gymnasium.register"
                ],
                f"{name}, seed {seed}",
            )
            del trace.actions[_KEPT_STEPS:], trace.moments[_KEPT_STEPS + 1 :]
            break
        trace.actions.append(action)
        going = False
        place = f"{name}, seed {seed}, step {step}: {visit.observation.actions[action]!r}"
        with findings.errors_of("step()", place):
            going = visit.play(action)
    if isinstance(visit.info, Mapping) and visit.ended:
        trace.won = visit.info.get("is_success") in (True, 1)
    return trace


def _plain(value: Any) -> Any:
    """Returns lists and numbers in place of tuples, arrays and numbers of NumPy."""
    if isinstance(value, np.ndarray):
        return [_plain(each) for each in value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
