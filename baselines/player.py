"""Saved models as players: `vlm-agent eval --policy sb3:PATH`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

try:
    from sb3_contrib import MaskablePPO
    from stable_baselines3.common.base_class import BaseAlgorithm
except ModuleNotFoundError as error:
    raise ImportError(
        f'{error.name} is not installed; run: pip install "gym-cards[baselines]"'
    ) from error

from baselines.algorithms import load
from baselines.runs import model_file
from baselines.view import View
from vlm_agent.core.types import Observation, Reply
from vlm_agent.evaluation import LazyPolicy, fingerprint


class SB3Player:
    """Plays the most likely actions of a Stable-Baselines3 model.

    The model may be one that `baselines.train` saved, or another PPO, DQN, RecurrentPPO or
    MaskablePPO model that observes pictures, channels first; pictures are resized to what it
    expects. MaskablePPO is given the environment's action masks, as in training.

    Args:
        model: The model.

    Raises:
        ValueError: If it observes anything else, or its actions are not discrete.
    """

    def __init__(self, model: BaseAlgorithm) -> None:
        if not isinstance(model.action_space, spaces.Discrete) or model.action_space.start:
            raise ValueError(
                f"the model's action space is {model.action_space}: expected a Discrete one that "
                "starts at 0"
            )
        self.model = model
        self.actions = int(model.action_space.n)
        self.view = View.of(model.observation_space)
        self._memories: dict[int, Any] = {}

    @classmethod
    def load(cls, path: str | Path, device: str = "auto") -> SB3Player:
        """Returns the player of a run's directory or of a model's file.

        Saved models contain pickled code: load only those whose origin you trust.

        Raises:
            ValueError: If the model cannot play.
            OSError: If there is none.
        """
        return cls(load(model_file(path), device))

    def seed(self, seed: int) -> None:
        """Starts an evaluation: forgets all episodes. The seed is unused: nothing is random."""
        self._memories = {}

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> list[Reply]:
        """Returns a reply to each observation.

        Args:
            observations: One from each of several episodes.
            episodes: Their numbers, by which the states of a recurrent network are stored. The
                state of an episode that is not among them is dropped.

        Raises:
            ValueError: If the environment has another number of actions than the model.
        """
        for observation in observations:
            if len(observation.actions) != self.actions:
                raise ValueError(
                    f"the model has {self.actions} actions and the environment "
                    f"{len(observation.actions)}: play the environment that it was trained in"
                )
        texts = (self.view.describe(o.state, o.given, o.goal) for o in observations)
        inputs = self.view.observe([o.image for o in observations], texts)
        memories = [self._memories.get(episode) for episode in episodes]
        masks: dict[str, Any] = {}
        if isinstance(self.model, MaskablePPO):
            masks["action_masks"] = np.stack([_action_mask(o) for o in observations])
        actions, states = self.model.predict(
            inputs,
            state=_batched(memories),
            episode_start=np.array([memory is None for memory in memories]),
            deterministic=True,
            **masks,
        )
        if states is not None:
            self._memories = {
                episode: tuple(part[:, i] for part in states) for i, episode in enumerate(episodes)
            }
        return [Reply("", int(action)) for action in actions]


def load_player(path: str) -> LazyPolicy:
    """Returns the player `sb3:PATH`; an entry point of the group `vlm_agent.players`.

    Args:
        path: As for `SB3Player.load`.

    Raises:
        OSError: If there is no model.
    """
    file = model_file(path)
    return LazyPolicy(lambda: SB3Player.load(file), {"files": fingerprint(file)})


def _action_mask(observation: Observation) -> Any:
    """Returns the actions that are allowed now: all, if the environment has no masks."""
    if observation.mask is None:
        return np.ones(len(observation.actions), bool)
    return np.array(observation.mask, bool)


def _batched(memories: Sequence[Any]) -> Any:
    """Stacks recurrent states, zeros for episodes that begin; `None` if all of them do."""
    known = next((memory for memory in memories if memory is not None), None)
    if known is None:
        return None
    zeros = tuple(np.zeros_like(part) for part in known)
    columns = [zeros if memory is None else memory for memory in memories]
    return tuple(np.stack(parts, axis=1) for parts in zip(*columns, strict=True))
