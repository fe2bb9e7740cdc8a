"""Environments that come back as they were: by their own snapshots, or by playing again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import AddRenderObservation, OrderEnforcing, PassiveEnvChecker, TimeLimit

from vlm_agent.core.seeding import training_seeds

# These remember nothing that decides how an episode goes on.
_FORGETFUL = (AddRenderObservation, OrderEnforcing, PassiveEnvChecker)
# What an agent is told by an info; the rest may be anything, such as a clock.
_TOLD = ("state", "given", "task", "admissible_commands", "is_success")


class NotReproducedError(RuntimeError):
    """An environment could not be brought back to where it was."""


class Resumable(gym.Wrapper[Any, Any, Any, Any]):
    """Remembers what it takes to bring an environment back, in another process too.

    An environment that offers `snapshot()` and `restore(snapshot)`, with plain values in between,
    is brought back by them. Any other is played again: the seed of its episode and the actions
    since. So that this never takes longer than an episode, each of its episodes has a seed of its
    own, also where `reset` is called without one. What it shows is compared with what it showed.

    A wrapper that remembers something, other than Gymnasium's `TimeLimit`, is not in the snapshot
    of what it wraps. Around such wrappers snapshots are not used, unless they offer them
    themselves.

    Args:
        env: The environment, within all its wrappers.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._layer = _layer_with_snapshots(env)
        self._first: int | None = None
        self._drawn = 0
        self._seeds: Iterator[int] = iter(())
        self._seed: int | None = None
        self._options: dict[str, Any] | None = None
        self._actions: list[int | str] = []
        self._shown: list[str] = []

    def __str__(self) -> str:
        """The environment's own name, for messages."""
        return str(self.env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; without a seed, that of the next episode."""
        if seed is not None:
            self._start_seeds(seed, 0)
        elif self._layer is None and self._first is not None:
            seed = self._next_seed()
        return self._reset(seed, options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Plays an action."""
        result = self.env.step(action)
        if self._layer is None:
            self._actions.append(action.item() if isinstance(action, np.generic) else action)
            self._shown.append(_digest(*result))
        return result

    def reset_to_new_seed(self) -> tuple[Any, dict[str, Any]]:
        """Starts an episode with a seed that no episode had before."""
        return self._reset(self._next_seed(), None)

    def state_dict(self) -> dict[str, Any]:
        """What it takes to come back, as plain values."""
        state: dict[str, Any] = {"first_seed": self._first, "seeds_drawn": self._drawn}
        if self._layer is not None:
            state["snapshot"] = self._layer.snapshot()  # type: ignore[attr-defined]
            state["elapsed"] = [limit._elapsed_steps for limit in _time_limits(self.env)]
            return state
        state.update(seed=self._seed, options=self._options)
        state.update(actions=list(self._actions), shown=list(self._shown))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Brings the environment, which has to be like the one that was left, back.

        Raises:
            NotReproducedError: If it does not come back; then it has to begin anew.
        """
        if state["first_seed"] is not None:
            self._start_seeds(state["first_seed"], state["seeds_drawn"])
        if "snapshot" in state:
            self._restore(state)
        else:
            self._play_again(state)

    def _start_seeds(self, first: int, drawn: int) -> None:
        self._first, self._drawn = first, drawn
        self._seeds = training_seeds(first)
        for _ in range(drawn):
            next(self._seeds)

    def _next_seed(self) -> int:
        self._drawn += 1
        return next(self._seeds)

    def _reset(
        self, seed: int | None, options: dict[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        picture, info = self.env.reset(seed=seed, options=options)
        if self._layer is not None:
            try:
                json.dumps(self._layer.snapshot())  # type: ignore[attr-defined]
            except (TypeError, ValueError):
                self._layer = None  # what cannot be written down is of no use later
        self._seed, self._options = seed, options
        self._actions, self._shown = [], [_digest(picture, info)]
        return picture, info

    def _restore(self, state: Mapping[str, Any]) -> None:
        if self._layer is None:
            raise NotReproducedError("it offers no snapshots any more")
        try:
            self._layer.restore(state["snapshot"])  # type: ignore[attr-defined]
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise NotReproducedError(f"it does not take its own snapshot back: {error}") from error
        for limit, elapsed in zip(_time_limits(self.env), state["elapsed"], strict=True):
            limit._elapsed_steps = elapsed

    def _play_again(self, state: Mapping[str, Any]) -> None:
        actions, shown = state["actions"], state["shown"]
        self._layer = None
        self._reset(state["seed"], state["options"])
        for number, action in enumerate(actions):
            if self._shown[-1] != shown[number]:
                break
            try:
                self.step(action)
            except Exception as error:  # whatever an environment raises that is elsewhere now
                raise NotReproducedError(f"step {number + 1} raises {error!r}") from error
        if self._shown != shown:
            when = f"after {len(self._shown) - 1} steps" if len(self._shown) > 1 else "at its start"
            raise NotReproducedError(
                f"played again from seed {state['seed']}, it shows or pays something else {when}: "
                "it is not deterministic"
            )


def _layer_with_snapshots(env: gym.Env[Any, Any]) -> gym.Env[Any, Any] | None:
    """The environment or wrapper whose snapshots hold all that decides how an episode goes on."""
    layer = env
    while not (hasattr(layer, "snapshot") and hasattr(layer, "restore")):
        # Not of a subclass, which may remember something.
        if not isinstance(layer, gym.Wrapper) or type(layer) not in (*_FORGETFUL, TimeLimit):
            return None
        layer = layer.env
    return layer


def _time_limits(env: gym.Env[Any, Any]) -> list[Any]:
    """The time limits around an environment; their counts are in no snapshot."""
    found: list[Any] = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            found.append(env)
        env = env.env
    return found


def _digest(picture: Any, *rest: Any) -> str:
    """What was shown, paid and told, in a few letters."""
    *outcome, info = rest
    told = {name: info[name] for name in _TOLD if name in info}
    seen = hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=8)
    seen.update(json.dumps([[float(each) for each in outcome], told], default=str).encode())
    return seen.hexdigest()
