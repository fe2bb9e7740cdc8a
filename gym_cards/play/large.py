"""The same game with more pixels, for the eye."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

SIZE = 1200


class Enlarged:
    """A second copy of a game that draws larger pictures, and is played along.

    Environments are deterministic given their seed and the actions, so both copies stay alike; as
    soon as they do not, or if the game draws in one size alone, there is no larger picture.

    Args:
        env_id: As `gymnasium.make` takes it.
        kwargs: Keyword arguments of the environment. A size that they set is left alone.
        textual: Whether moves are commands in words. Such games are too heavy to be played twice.
    """

    def __init__(self, env_id: str, kwargs: Mapping[str, Any], *, textual: bool) -> None:
        self._env: gym.Env[Any, Any] | None = None
        if textual or "size" in kwargs:
            return
        try:
            self._env = gym.make(
                env_id, render_mode="rgb_array", disable_env_checker=True, size=SIZE, **kwargs
            )
        except (TypeError, ValueError):
            return

    @property
    def picture(self) -> NDArray[np.uint8] | None:
        """The larger picture, uint8 of shape (height, width, 3), if there is one."""
        return None if self._env is None else np.asarray(self._env.render(), np.uint8)

    def reset(self, seed: int, state: Mapping[str, str]) -> None:
        """Starts the episode of a seed, which has to begin with a state."""
        if self._env is not None:
            _, info = self._env.reset(seed=seed)
            self._compare(info, state)

    def step(self, action: int | str, state: Mapping[str, str]) -> None:
        """Makes a move, which has to lead to a state."""
        if self._env is not None:
            *_, info = self._env.step(action)
            self._compare(info, state)

    def close(self) -> None:
        """Ends the copy."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def _compare(self, info: Mapping[str, Any], state: Mapping[str, str]) -> None:
        if info["state"] != state:
            self.close()
