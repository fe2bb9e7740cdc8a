"""A saved model as a player that `vlm-agent eval --policy sb3:PATH` measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from stable_baselines3.common.base_class import BaseAlgorithm

from baselines.algorithms import load
from baselines.runs import model_file
from baselines.view import View
from vlm_agent.core.types import Observation, Reply


class SB3Player:
    """Plays the actions that a model of stable-baselines3 prefers.

    The model may be any that `baselines.train` saved, or another one of PPO, DQN, RecurrentPPO or
    MaskablePPO whose observations are pictures, channels first; they are made as small as it
    expects them. MaskablePPO is told what the environment refuses, as it was in training.

    Args:
        model: The model.

    Raises:
        ValueError: If it observes something else, or has no discrete actions.
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        if not isinstance(model.action_space, spaces.Discrete):
            raise ValueError(
                f"the model plays actions in {model.action_space}: expected Discrete ones"
            )
        self.model = model
        self.actions = int(model.action_space.n)
        self.view = View.of(model.observation_space)
        self._memories: dict[int, Any] = {}

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> SB3Player:
        """The player of a run's directory or of a model's file.

        Saved models hold pickled code: load only those whose origin you trust.

        Raises:
            ValueError: If the model cannot play.
            OSError: If there is none.
        """
        return cls(load(model_file(path), device))

    def seed(self, seed: int) -> None:
        """Begins an evaluation: forgets all episodes. No chance plays, so the seed is not read."""
        self._memories = {}

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> list[Reply]:
        """One reply to each observation.

        Args:
            observations: Of as many episodes.
            episodes: The number of each, by which a network with a memory tells them apart. One
                that is not played on is forgotten.

        Raises:
            ValueError: If the environment has other actions than the model.
        """
        for observation in observations:
            if len(observation.actions) != self.actions:
                raise ValueError(
                    f"the model has {self.actions} actions and the environment "
                    f"{len(observation.actions)}: play the one that it was trained in"
                )
        texts = (self.view.describe(o.state, o.given, o.goal) for o in observations)
        seen = self.view.observe([o.image for o in observations], texts)
        memories = [self._memories.get(episode) for episode in episodes]
        masked: dict[str, Any] = {}
        if isinstance(self.model, MaskablePPO):
            masked["action_masks"] = np.stack([_mask(o) for o in observations])
        actions, after = self.model.predict(
            seen,
            state=_joined(memories),
            episode_start=np.array([memory is None for memory in memories]),
            deterministic=True,
            **masked,
        )
        if after is not None:
            self._memories = {
                episode: tuple(part[:, i] for part in after) for i, episode in enumerate(episodes)
            }
        return [Reply("", int(action)) for action in actions]


def _mask(observation: Observation) -> Any:
    """Which actions are allowed now, all where the environment does not say."""
    if observation.mask is None:
        return np.ones(len(observation.actions), bool)
    return np.array(observation.mask, bool)


def _joined(memories: Sequence[Any]) -> Any:
    """What a network remembers of all episodes; zeros where one begins, `None` if all do."""
    known = next((memory for memory in memories if memory is not None), None)
    if known is None:
        return None
    blank = tuple(np.zeros_like(part) for part in known)
    columns = [blank if memory is None else memory for memory in memories]
    return tuple(np.stack(parts, axis=1) for parts in zip(*columns, strict=True))
