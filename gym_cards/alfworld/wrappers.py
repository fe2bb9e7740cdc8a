"""Wrapper that turns commands into numbers, for agents without language."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from gym_cards.core.checks import check_integer
from gym_cards.core.env import Frame


class DiscreteCommands(gym.Wrapper[Frame, Any, Frame, Any], gym.utils.RecordConstructorArgs):
    """Acts by the index of an admissible command.

    The action space is `Discrete(count)`. `info["action_mask"]`, int8 of shape (count,), is 1 for
    every index into `info["admissible_commands"]`. The rest is padding, with the effect of a
    command that is not admissible.

    Args:
        env: An ALFWorld environment.
        count: The most commands that can be admissible.

    Raises:
        ValueError: In `reset` or `step`, if more commands are admissible.
    """

    def __init__(self, env: gym.Env[Frame, str], count: int = 128) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, count=count)
        super().__init__(env)
        self._count = check_integer("count", count, 1)
        self._commands: tuple[str, ...] = ()
        self.action_space = spaces.Discrete(self._count)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Starts an episode."""
        picture, info = self.env.reset(seed=seed, options=options)
        return picture, self._masked(info)

    def step(
        self, action: np.int64 | int
    ) -> tuple[Frame, SupportsFloat, bool, bool, dict[str, Any]]:
        """Plays the command at an index of the list in the last info.

        Raises:
            ValueError: If the action is not in the action space.
        """
        if not self.action_space.contains(action):
            raise ValueError(
                f"{action!r} is not an action: expected a whole number from 0 to {self._count - 1}"
            )
        command = self._commands[action] if action < len(self._commands) else ""
        picture, reward, terminated, truncated, info = self.env.step(command)
        return picture, reward, terminated, truncated, self._masked(info)

    def _masked(self, info: dict[str, Any]) -> dict[str, Any]:
        self._commands = tuple(info["admissible_commands"])
        if len(self._commands) > self._count:
            raise ValueError(
                f"{len(self._commands)} commands are admissible, but there is room for "
                f"{self._count}: make DiscreteCommands with a larger count"
            )
        mask = np.zeros(self._count, np.int8)
        mask[: len(self._commands)] = 1
        return {**info, "action_mask": mask}
