"""Score of a model on the evaluation episodes that all players share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable import evaluation as masked
from stable_baselines3.common import evaluation
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecMonitor

from baselines.config import BaselineConfig
from baselines.vec_env import PictureVecEnv
from baselines.view import View
from vlm_agent.core.protocol import succeeded
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.evaluation.summary import wilson_interval

_PARALLEL = 256  # episodes


@dataclass(frozen=True)
class Score:
    """Score of a model.

    Attributes:
        episodes: Number of episodes.
        success_rate: Share of episodes whose last step has `is_success`.
        success_interval: Its 95% Wilson interval, low and high.
        mean_return: Mean sum of rewards per episode.
        mean_length: Mean number of steps per episode.
    """

    episodes: int
    success_rate: float
    success_interval: tuple[float, float]
    mean_return: float
    mean_length: float

    def record(self) -> dict[str, Any]:
        """Returns the score as plain values, for JSON."""
        return {**asdict(self), "success_interval": list(self.success_interval)}


def score(
    model: BaseAlgorithm, config: BaselineConfig, view: View, *, episodes: int, seed: int = 0
) -> Score:
    """Plays the episodes of `vlm-agent eval`, with the model's most likely actions.

    Args:
        model: The model.
        config: Options that name the environment and its arguments.
        view: What the model sees.
        episodes: Number of episodes, at least 1.
        seed: Random seed, as for `vlm-agent eval`.
    """
    play = (masked if isinstance(model, MaskablePPO) else evaluation).evaluate_policy
    seeds = episode_seeds("evaluation", seed, episodes)
    returns: list[float] = []
    lengths: list[int] = []
    successes = 0

    def count(local: dict[str, Any], _: dict[str, Any]) -> None:
        nonlocal successes
        if local["done"]:
            successes += succeeded(local["info"])

    for start in range(0, episodes, _PARALLEL):
        part = seeds[start : start + _PARALLEL]
        # Each environment plays one episode, so that each episode has its own seed.
        env = PictureVecEnv.make(config.env, len(part), view, config.env_kwargs)
        try:
            env.seed_each(part)
            rewards, steps = play(
                model,
                VecMonitor(env),
                n_eval_episodes=len(part),
                deterministic=True,
                callback=count,
                return_episode_rewards=True,
            )
        finally:
            env.close()
        assert isinstance(rewards, list)
        assert isinstance(steps, list)
        returns += rewards
        lengths += steps
    return Score(
        episodes=episodes,
        success_rate=successes / episodes,
        success_interval=wilson_interval(successes, episodes),
        mean_return=float(np.mean(returns)),
        mean_length=float(np.mean(lengths)),
    )
