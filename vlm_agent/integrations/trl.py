"""TRL: environments that a model plays by calling a tool, for `environment_factory`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.parsing import match_action
from vlm_agent.core.prompts import ACTION
from vlm_agent.core.seeding import training_seeds
from vlm_agent.core.types import Observation
from vlm_agent.integrations.episode import Episode

if TYPE_CHECKING:
    from datasets import Dataset

Content = str | list[dict[str, Any]]


class ToolEnvironment:
    """Environment for TRL's GRPOTrainer: `reset`, one tool, and `get_reward`.

    TRL treats every other public method as a tool, so there is exactly one.

    Args:
        env: An id, or a function that makes the environment.
        env_kwargs: Keyword arguments of the environment.
        pictures: Whether the model sees pictures; otherwise it gets the state as text.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        env_kwargs: Mapping[str, Any] | None = None,
        *,
        pictures: bool = True,
    ) -> None:
        self._episode = Episode(env, env_kwargs)
        self._pictures = pictures

    def reset(self, seed: int | None = None, **columns: Any) -> Content:
        """Starts an episode.

        Args:
            seed: Random seed of the episode. Rows of `episodes` contain one, so that all
                completions of a row start from the same state, as GRPO requires.
            columns: The row's other columns, which are ignored.

        Returns:
            What TRL appends to the prompt: rules, choices, and the picture or the state.
        """
        observation = self._episode.reset(seed)
        return self._shown(observation, f"{_rules(observation)}\n")

    def act(self, action: str) -> Content:
        """Plays an action, and shows the result.

        Args:
            action: The text of one of the actions to choose from.

        Returns:
            The reward, and the new picture or state.
        """
        names = self._episode.observation.actions
        index = match_action(str(action), names)
        if index is None:
            # TRL passes the message on to the model, and counts a failed call.
            choices = ", ".join(f'"{name}"' for name in names)
            raise ValueError(f"there is no action {action!r}; choose one of {choices}")
        observation = self._episode.play(index)
        ending = "\nThe episode is over." if self._episode.over else ""
        return self._shown(observation, f"Reward: {self._episode.reward:g}\n", ending)

    def get_reward(self) -> float:
        """Returns the sum of the episode's rewards."""
        return self._episode.total_reward

    @property
    def success(self) -> bool:
        """True if the episode was a success; for custom reward functions."""
        return self._episode.success

    def _shown(self, observation: Observation, before: str, after: str = "") -> Content:
        fields = observation.given if self._pictures else observation.state
        lines = [f"The {name} is: {value}" for name, value in fields.items()]
        if self._episode.task.action_names is None:
            choices = ", ".join(f'"{name}"' for name in observation.actions)
            lines.append(f"You can choose between {choices}.")
        text = before + "\n".join(lines) + after
        if not self._pictures:
            return text
        from PIL import Image

        picture = {"type": "image", "image": Image.fromarray(observation.image)}
        return [picture, {"type": "text", "text": text}]


def environment_factory(
    env: str | EnvFactory,
    env_kwargs: Mapping[str, Any] | None = None,
    *,
    pictures: bool = True,
) -> Callable[[], ToolEnvironment]:
    """Returns an `environment_factory` for TRL's GRPOTrainer; arguments as `ToolEnvironment`.

    It can be pickled if `env` can, as an id can, so that other processes can make environments too.
    """
    return partial(ToolEnvironment, env, env_kwargs, pictures=pictures)


def episodes(count: int, seed: int = 0) -> Dataset:
    """Returns a `train_dataset` for TRL's GRPOTrainer: one row per episode, with its seed.

    `vlm-agent eval` uses none of these seeds.

    Args:
        count: Number of rows.
        seed: Random seed from which those of the episodes are derived.

    Raises:
        ModuleNotFoundError: If `datasets`, which comes with TRL, is not installed.
    """
    from datasets import Dataset

    seeds = list(itertools.islice(training_seeds(seed), count))
    prompt = [{"role": "user", "content": ""}]
    return Dataset.from_dict({"prompt": [prompt] * count, "seed": seeds})


def _rules(observation: Observation) -> str:
    parts = [observation.task.description]
    if observation.goal is not None:
        parts.append(f"Your goal: {observation.goal}")
    if observation.task.action_names is not None:
        choices = ", ".join(f'"{name}"' for name in observation.actions)
        parts.append(f"You can choose between {choices}.")
    parts.append(f"Play by calling the tool `act` with one {ACTION} at a time, until it is over.")
    return "\n".join(parts)
