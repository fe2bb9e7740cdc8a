"""Environments that can be restored: from their own snapshots, or by replaying the episode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import AddRenderObservation, OrderEnforcing, PassiveEnvChecker, TimeLimit

from vlm_agent.core.seeding import training_seeds

# Wrappers without state that affects an episode.
_STATELESS = (AddRenderObservation, OrderEnforcing, PassiveEnvChecker)
# Keys of info that an agent uses; others may hold anything, such as a clock.
_INFO_KEYS = ("state", "given", "task", "admissible_commands", "is_success")


class NotReproducedError(RuntimeError):
    """An environment could not be restored to its saved state."""


class Resumable(gym.Wrapper[Any, Any, Any, Any]):
    """Makes an environment restorable, also in another process.

    An environment with `snapshot()`, which returns plain values, and `restore(snapshot)` is
    restored by them. Any other is replayed from the seed of its episode and the actions since. So
    that this never takes longer than one episode, each of its episodes gets its own seed, also if
    `reset` is called without one. Replayed observations, rewards and infos are compared with the
    original ones.

    The snapshot of an environment does not cover the state of wrappers around it. Under a wrapper
    that may have state, other than Gymnasium's `TimeLimit`, snapshots are therefore not used,
    unless the wrapper offers them itself.

    Args:
        env: The environment, with all its wrappers.
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
        """Returns the environment's own name, for messages."""
        return str(self.env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; without a seed, with the next one of its sequence."""
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
        """Starts an episode with the next seed of its sequence."""
        return self._reset(self._next_seed(), None)

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the environment as plain values."""
        state: dict[str, Any] = {"first_seed": self._first, "seeds_drawn": self._drawn}
        if self._layer is not None:
            state["snapshot"] = self._layer.snapshot()  # type: ignore[attr-defined]
            state["elapsed"] = [limit._elapsed_steps for limit in _time_limits(self.env)]
            return state
        state.update(seed=self._seed, options=self._options)
        state.update(actions=list(self._actions), shown=list(self._shown))
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the environment, which must be like the one that was saved.

        Raises:
            NotReproducedError: If it cannot be restored; it must then be reset.
        """
        if state["first_seed"] is not None:
            self._start_seeds(state["first_seed"], state["seeds_drawn"])
        if "snapshot" in state:
            self._restore(state)
        else:
            self._replay(state)

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
                self._layer = None  # a snapshot that JSON cannot hold is of no use
        self._seed, self._options, self._actions = seed, options, []
        # Only what is replayed is compared.
        self._shown = [] if self._layer is not None else [_digest(picture, info)]
        return picture, info

    def _restore(self, state: Mapping[str, Any]) -> None:
        if self._layer is None:
            raise NotReproducedError("it no longer offers snapshots")
        try:
            self._layer.restore(state["snapshot"])  # type: ignore[attr-defined]
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise NotReproducedError(f"it refuses its own snapshot: {error}") from error
        for limit, elapsed in zip(_time_limits(self.env), state["elapsed"], strict=True):
            limit._elapsed_steps = elapsed

    def _replay(self, state: Mapping[str, Any]) -> None:
        actions, shown = state["actions"], state["shown"]
        self._layer = None
        self._reset(state["seed"], state["options"])
        for number, action in enumerate(actions):
            if self._shown[-1] != shown[number]:
                break
            try:
                self.step(action)
            except Exception as error:  # a diverged environment may raise anything
                raise NotReproducedError(f"step {number + 1} raises {error!r}") from error
        if self._shown != shown:
            when = f"after {len(self._shown) - 1} steps" if len(self._shown) > 1 else "at its start"
            raise NotReproducedError(
                f"replayed from seed {state['seed']}, its observations or rewards differ {when}: "
                "it is not deterministic"
            )


def _layer_with_snapshots(env: gym.Env[Any, Any]) -> gym.Env[Any, Any] | None:
    """Returns the environment or wrapper whose snapshots hold the whole state, if any."""
    layer = env
    while not (hasattr(layer, "snapshot") and hasattr(layer, "restore")):
        # Exact types, because a subclass may have state.
        if not isinstance(layer, gym.Wrapper) or type(layer) not in (*_STATELESS, TimeLimit):
            return None
        layer = layer.env
    return layer


def _time_limits(env: gym.Env[Any, Any]) -> list[Any]:
    """Returns the time limits around an environment; their counters are in no snapshot."""
    found: list[Any] = []
    while isinstance(env, gym.Wrapper):
        if isinstance(env, TimeLimit):
            found.append(env)
        env = env.env
    return found


def _digest(picture: Any, *rest: Any) -> str:
    """Returns a short digest of what `reset` or `step` returned."""
    *outcome, info = rest
    told = {name: info[name] for name in _INFO_KEYS if name in info}
    seen = hashlib.blake2b(np.ascontiguousarray(picture).tobytes(), digest_size=8)
    text = json.dumps([[_number(each) for each in outcome], told], default=str, skipkeys=True)
    seen.update(text.encode())
    return seen.hexdigest()


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None  # whoever plays it says what is wrong
