"""Wrapper that turns commands into numbers, for agents without language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from gym_cards.core.checks import check_flag, check_integer, whole
from gym_cards.core.shared_text import SharedText
from gym_cards.core.texts import CHARSET, Alphabet, in_one_line

TASK_LENGTH = 512
"""The most characters of a goal, unless the argument says otherwise."""
COMMAND_LENGTH = 80
"""The same of a command."""


class DiscreteCommands(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Acts by the index of an admissible command, and observes the goal and the commands too.

    It works with every environment whose infos have the `admissible_commands` of the package's
    protocol, and `task` if episodes have goals of their own. Agents need nothing but observations.

    ## Action Space
    `Discrete(count)`: the index of a command in the last observation. An index beyond the last
    command has the effect of a command that is not admissible.

    ## Observation Space
    `Dict` of

    - `image`: the environment's own observation; `text` if that is a text; if it is a `Dict`, its
      entries;
    - `task`: the goal of the episode; 0 or "" without one;
    - `commands`: the commands that can be done now, in the order of `info["admissible_commands"]`;
    - `action_mask`: `MultiBinary(count)`, 1 for every index of a command; the infos have it too.

    Texts are numbers: uint8 indices into `vocabulary`, padded with 0, of shape (task_length,) for
    the goal and (count, command_length) for the commands; `decode` returns their text. With
    `tokens=False` they are `Text`, with a line for each command. Characters of a goal or a command
    that are not ASCII become look-alikes ("café" is "cafe"), or "?" where there is none.

    Args:
        env: An environment whose actions are texts, such as `gym_cards/ALFWorld-v0`.
        count: The most commands that can be admissible.
        tokens: Whether texts are numbers.
        task_length: The most characters of a goal.
        command_length: The most characters of a command.

    Raises:
        ValueError: If an argument is out of range, or the environment's observation has one of
            these names; in `reset` or `step`, if more commands are admissible, or a text is longer.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        count: int = 128,
        *,
        tokens: bool = True,
        task_length: int = TASK_LENGTH,
        command_length: int = COMMAND_LENGTH,
    ) -> None:
        gym.utils.RecordConstructorArgs.__init__(
            self, count=count, tokens=tokens, task_length=task_length, command_length=command_length
        )
        super().__init__(env)
        self._count = check_integer("count", count, 1)
        self._tokens = check_flag("tokens", tokens)
        self._task_length = check_integer("task_length", task_length, 1)
        self._command_length = check_integer("command_length", command_length, 1)
        self._alphabet = Alphabet(CHARSET)
        self.vocabulary = self._alphabet.vocabulary
        """The character of each number in a text; the first, an empty one, is padding."""
        self._commands: tuple[str, ...] = ()
        self.action_space = spaces.Discrete(self._count)
        own = self._named(env.observation_space, env.observation_space)
        texts: dict[str, spaces.Space[Any]]
        if self._tokens:
            most = len(self.vocabulary) - 1
            shape = (self._count, self._command_length)
            texts = {
                "task": spaces.Box(0, most, (self._task_length,), np.uint8),
                "commands": spaces.Box(0, most, shape, np.uint8),
            }
        else:
            lines = self._count * (self._command_length + 1)
            texts = {
                "task": SharedText(self._task_length, min_length=0, charset=CHARSET),
                "commands": SharedText(lines, min_length=0, charset=CHARSET),
            }
        texts["action_mask"] = spaces.MultiBinary(self._count)
        if own.keys() & texts.keys():
            raise ValueError(
                f"the observations of {env} have the entries {', '.join(own)}: expected none of "
                f"{', '.join(texts)}, which DiscreteCommands adds"
            )
        self.observation_space = spaces.Dict({**own, **texts})

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        return self._told(observation, info)

    def step(
        self, action: np.int64 | int
    ) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Plays the command at an index of the list in the last observation.

        Raises:
            ValueError: If the action is not in the action space.
        """
        index = whole(action)
        if index is None or not 0 <= index < self._count:
            raise ValueError(
                f"{action!r} is not an action: expected a whole number from 0 to {self._count - 1}"
            )
        commands = self._present()
        command = commands[index] if index < len(commands) else ""
        observation, reward, terminated, truncated, info = self.env.step(command)
        observation, info = self._told(observation, info)
        return observation, reward, terminated, truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Returns which actions are commands, where sb3-contrib looks for it, shape (count,)."""
        return np.arange(self._count) < len(self._present())

    def _present(self) -> tuple[str, ...]:
        """Returns the commands of the present state, which may be that of a restored snapshot."""
        if self.env.has_wrapper_attr("admissible_commands"):
            return tuple(self.env.get_wrapper_attr("admissible_commands"))
        return self._commands

    def decode(self, tokens: ArrayLike) -> str:
        """Returns the text of the numbers of a goal or a command.

        Args:
            tokens: Indices into `vocabulary`, of any length.
        """
        return self._alphabet.decode(tokens)

    def _named(self, space: spaces.Space[Any], own: Any) -> dict[str, Any]:
        """Returns what an environment observes, or the spaces of it, by name."""
        if isinstance(space, spaces.Dict):
            return dict(own)
        return {"text" if isinstance(space, spaces.Text) else "image": own}

    def _told(
        self, observation: Any, info: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the observation with goal and commands, and the info with the mask."""
        if "admissible_commands" not in info:
            raise ValueError(
                f"the infos of {self.env} have the keys {', '.join(sorted(info)) or 'none'}: "
                "expected 'admissible_commands'; wrap an environment whose actions are texts"
            )
        self._commands = tuple(info["admissible_commands"])
        if len(self._commands) > self._count:
            raise ValueError(
                f"{len(self._commands)} commands are admissible, but there is room for "
                f"{self._count}: make DiscreteCommands with a larger count"
            )
        mask = (np.arange(self._count) < len(self._commands)).astype(np.int8)
        task = self._fitting("task", str(info.get("task") or ""), self._task_length)
        commands = [
            self._fitting("command", command, self._command_length) for command in self._commands
        ]
        texts: dict[str, Any] = {"task": task, "commands": "\n".join(commands)}
        if self._tokens:
            table = np.zeros((self._count, self._command_length), np.uint8)
            for row, command in zip(table, commands, strict=False):
                row[:] = self._alphabet.encode(command, self._command_length)
            texts = {
                "task": self._alphabet.encode(task, self._task_length).astype(np.uint8),
                "commands": table,
            }
        own = self._named(self.env.observation_space, observation)
        return {**own, **texts, "action_mask": mask}, {**info, "action_mask": mask.copy()}

    def _fitting(self, kind: str, text: str, most: int) -> str:
        """Returns a text in one line and in characters of the space."""
        text = self._alphabet.fold(in_one_line(text))
        if len(text) > most:
            raise ValueError(
                f"the {kind} {text!r} has {len(text)} characters: expected at most {most}; make "
                f"DiscreteCommands with a larger {kind}_length"
            )
        return text
