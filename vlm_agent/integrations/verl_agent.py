"""verl-agent: an environment manager that plays many episodes in parallel.

It has the methods that verl-agent's rollout loop calls on an `EnvironmentManagerBase`:
`reset(kwargs)`, `step(text_actions)`, `success_evaluator(...)` and `close()`.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.prompt_builder import (
    DEFAULT_PROMPT,
    PromptBuilder,
    PromptSource,
    resolve_prompt,
)
from vlm_agent.core.seeding import episode_seeds, training_seeds
from vlm_agent.integrations.episode import Episode

Observations = dict[str, Any]


class EnvironmentManager:
    """Plays `num_envs` episodes in parallel, each in `group_size` copies.

    Args:
        env: An id, or a function that makes the environment.
        num_envs: Number of different episodes.
        group_size: Number of copies of each, with the same random seed: verl-agent's
            `env.rollout.n` in training, and 1 in evaluation.
        seed: Random seed from which those of the episodes are derived.
        is_train: Whether each `reset` starts new training episodes. Otherwise each starts the
            evaluation episodes of `vlm-agent eval`, which are never trained on.
        env_kwargs: Keyword arguments of the environment.
        cot: Whether replies read out the state and reason before the action.
        prompt: Template file, or function that returns a text, instead of the built-in prompt.

    Raises:
        ValueError: If `num_envs` or `group_size` is below 1.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        num_envs: int,
        group_size: int = 1,
        *,
        seed: int = 0,
        is_train: bool = True,
        env_kwargs: Mapping[str, Any] | None = None,
        cot: bool = True,
        prompt: PromptSource = DEFAULT_PROMPT,
    ) -> None:
        if num_envs < 1 or group_size < 1:
            raise ValueError(
                f"num_envs={num_envs}, group_size={group_size}: expected at least 1 of each"
            )
        self._episodes = [Episode(env, env_kwargs) for _ in range(num_envs * group_size)]
        self._num_envs, self._group_size = num_envs, group_size
        self._evaluated = None if is_train else episode_seeds("evaluation", seed, num_envs)
        self._seeds = training_seeds(seed)
        self._builder = PromptBuilder(resolve_prompt(prompt), cot=cot)

    def reset(self, kwargs: Any = None) -> tuple[Observations, list[dict[str, Any]]]:
        """Starts an episode in every environment.

        Args:
            kwargs: Columns of the data set; ignored, because episodes depend on the seed alone.

        Returns:
            Observations: "text", the prompts, with "<image>" in the picture's place; "image", uint8
            of shape (environments, height, width, 3); "anchor", a copy of it, by which GiGPO finds
            equal states. And an info for each environment.
        """
        seeds = self._evaluated or list(itertools.islice(self._seeds, self._num_envs))
        for place, episode in enumerate(self._episodes):
            episode.reset(seeds[place // self._group_size])
        return self._observe(), [{"won": episode.success} for episode in self._episodes]

    def step(
        self, text_actions: Sequence[str]
    ) -> tuple[Observations, NDArray[np.float64], NDArray[np.bool_], list[dict[str, Any]]]:
        """Plays the action that each reply names, or a random legal one if it names none.

        A finished episode does not change, and has reward 0, until all are reset.

        Args:
            text_actions: One reply per environment.

        Returns:
            Observations, rewards, whether episodes have ended, and infos with "won" and
            "is_action_valid", which is whether the reply named an action.

        Raises:
            ValueError: If the number of replies is not that of environments.
        """
        if len(text_actions) != len(self._episodes):
            raise ValueError(
                f"{len(text_actions)} replies for {len(self._episodes)} environments: expected one "
                "for each"
            )
        rewards = np.zeros(len(self._episodes))
        infos: list[dict[str, Any]] = []
        for place, (episode, text) in enumerate(zip(self._episodes, text_actions, strict=True)):
            valid = True
            if not episode.over:
                valid = episode.answer(text)
                rewards[place] = episode.reward
            infos.append({"won": episode.success, "is_action_valid": np.array(valid)})
        dones = np.array([episode.over for episode in self._episodes])
        return self._observe(), rewards, dones, infos

    def success_evaluator(
        self,
        *,
        total_infos: Sequence[Sequence[Mapping[str, Any]]],
        total_batch_list: Sequence[Sequence[Mapping[str, Any]]],
        **unread: Any,
    ) -> dict[str, NDArray[np.float64]]:
        """Returns whether each episode was won, from the info of its last active step.

        Args:
            total_infos: Infos of each environment's steps.
            total_batch_list: Data of the same steps; "active_masks" says whether the episode was
                still active.
            unread: Other arguments of the rollout loop, which are ignored.
        """
        won = []
        for infos, steps in zip(total_infos, total_batch_list, strict=True):
            played = [info for info, step in zip(infos, steps, strict=True) if step["active_masks"]]
            won.append(float(bool(played) and played[-1]["won"]))
        return {"success_rate": np.array(won)}

    def close(self) -> None:
        """Closes the environments."""
        for episode in self._episodes:
            episode.close()

    def _observe(self) -> Observations:
        now = [episode.observation for episode in self._episodes]
        pictures = np.stack([observation.image for observation in now])
        texts = [f"<image>{self._builder.text(observation)}" for observation in now]
        return {"text": texts, "image": pictures, "anchor": pictures.copy()}
