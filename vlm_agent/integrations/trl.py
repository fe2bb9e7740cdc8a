"""TRL's `environment_factory`: an episode that a model plays by calling a tool."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
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
    """What TRL's GRPOTrainer asks of an environment: `reset`, a tool, and `get_reward`.

    TRL takes every other public method for a tool, so that there is just one.

    Args:
        env: An id, or a function that makes the environment.
        env_kwargs: Keyword arguments of the environment.
        pictures: Whether the model sees the picture; else it is told the state in words.
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
            seed: Of the episode. Rows of `episodes` hold one, so that all answers to a row start
                from the same state, which is what GRPO compares.
            columns: The row's other columns, which are not read.

        Returns:
            What TRL appends to the prompt: rules, choices, and the picture or the state.
        """
        observation = self._episode.reset(seed)
        return self._shown(observation, f"{_rules(observation)}\n")

    def act(self, action: str) -> Content:
        """Plays an action, and shows what comes of it.

        Args:
            action: The text of one of the actions that can be chosen.

        Returns:
            What is shown after it.
        """
        names = self._episode.observation.actions
        index = match_action(str(action), names)
        if index is None:
            # TRL tells the model of it, and counts it as a call that failed.
            choices = ", ".join(f'"{name}"' for name in names)
            raise ValueError(f"there is no action {action!r}; choose one of {choices}")
        observation = self._episode.play(index)
        ending = "\nThe episode is over." if self._episode.over else ""
        return self._shown(observation, f"Reward: {self._episode.reward:g}\n", ending)

    def get_reward(self) -> float:
        """The sum of the episode's rewards."""
        return self._episode.total_reward

    @property
    def success(self) -> bool:
        """Whether the episode was a success, for a reward function of one's own."""
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
    """The `environment_factory` of TRL's GRPOTrainer; arguments as for `ToolEnvironment`."""
    return lambda: ToolEnvironment(env, env_kwargs, pictures=pictures)


def episodes(count: int, seed: int = 0) -> Dataset:
    """The `train_dataset` of TRL's GRPOTrainer: a row for each episode, with its seed.

    None of these seeds is used by `vlm-agent eval`.

    Args:
        count: How many rows.
        seed: Which ones.

    Raises:
        ModuleNotFoundError: Without the package `datasets`, which comes with TRL.
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
