"""Models of Stable-Baselines3 and sb3-contrib, built from a configuration or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO, RecurrentPPO
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from baselines.config import (
    Algorithm,
    BaselineConfig,
    DQNConfig,
    MaskablePPOConfig,
    PPOConfig,
    RecurrentPPOConfig,
)
from baselines.features import PictureFeatures
from baselines.view import IMAGE

CLASSES: dict[Algorithm, type[BaseAlgorithm]] = {
    "ppo": PPO,
    "dqn": DQN,
    "recurrent-ppo": RecurrentPPO,
    "maskable-ppo": MaskablePPO,
}
# Modules that define the policies of each class.
_POLICIES: dict[str, type[BaseAlgorithm]] = {
    "stable_baselines3.dqn": DQN,
    "sb3_contrib.common.recurrent": RecurrentPPO,
    "sb3_contrib.ppo_recurrent": RecurrentPPO,
    "sb3_contrib.common.maskable": MaskablePPO,
    "sb3_contrib.ppo_mask": MaskablePPO,
    "stable_baselines3.common": PPO,
    "stable_baselines3.ppo": PPO,
}


def build(config: BaselineConfig, env: VecEnv) -> BaseAlgorithm:
    """Builds a new model.

    Args:
        config: Its options.
        env: Environments to train in.
    """
    has_text = config.text != "none"
    network: dict[str, Any] = {
        "features_extractor_class": PictureFeatures,
        "features_extractor_kwargs": {"features_dim": config.features},
        "net_arch": [],
    }
    common: dict[str, Any] = {
        "learning_rate": LinearSchedule(config.learning_rate, config.final_learning_rate, 1.0),
        "gamma": config.gamma,
        "batch_size": config.minibatch_size,
        "max_grad_norm": config.max_grad_norm,
        "policy_kwargs": network,
        "seed": config.seed,
        "device": config.device,
    }
    model: BaseAlgorithm
    if isinstance(config, DQNConfig):
        model = DQN(
            "MultiInputPolicy" if has_text else "CnnPolicy",
            env,
            buffer_size=config.buffer_size,
            learning_starts=config.learning_starts,
            train_freq=config.train_every,
            gradient_steps=config.gradient_steps,
            target_update_interval=config.target_every,
            exploration_fraction=config.exploration_share,
            exploration_final_eps=config.exploration_final,
            **common,
        )
    else:
        assert isinstance(config, PPOConfig)
        common |= {
            "n_steps": config.rollout_steps,
            "n_epochs": config.ppo_epochs,
            "gae_lambda": config.gae_lambda,
            "clip_range": config.clip_range,
            "ent_coef": config.entropy_coef,
            "vf_coef": config.value_coef,
        }
        if isinstance(config, RecurrentPPOConfig):
            network["lstm_hidden_size"] = config.memory_size
            model = RecurrentPPO(
                "MultiInputLstmPolicy" if has_text else "CnnLstmPolicy", env, **common
            )
        else:
            masked = isinstance(config, MaskablePPOConfig)
            kind: type[PPO] | type[MaskablePPO] = MaskablePPO if masked else PPO
            model = kind("MultiInputPolicy" if has_text else "CnnPolicy", env, **common)
    return model


def centre(model: BaseAlgorithm, env: VecEnv, steps: int) -> None:
    """Sets the mean picture that the network subtracts, from episodes with random actions.

    Args:
        model: A new model.
        env: Its environments, with the seeds of these episodes set; they are left unfinished.
        steps: Number of steps in each environment; 0 subtracts nothing.
    """
    if steps == 0:
        return
    rng = np.random.default_rng(model.seed)
    pictures = [_pictures(env.reset())]
    for _ in range(steps):
        actions = rng.integers(env.action_space.n, size=env.num_envs)  # type: ignore[attr-defined]
        pictures.append(_pictures(env.step(actions)[0]))
    examples = torch.as_tensor(np.concatenate(pictures), device=model.device)
    for module in model.policy.modules():
        if isinstance(module, PictureFeatures):
            module.centre(examples)


def load(path: str | Path, device: str = "auto") -> BaseAlgorithm:
    """Loads a saved model of any supported class, to play with.

    Saved models contain pickled code: load only those whose origin you trust.

    Args:
        path: File that a model's `save` wrote.
        device: Device of the network.

    Raises:
        ValueError: If it is not a PPO, DQN, RecurrentPPO or MaskablePPO model.
        OSError: If there is no such file.
    """
    data, _, _ = load_from_zip_file(path, load_data=True)
    module = getattr((data or {}).get("policy_class"), "__module__", "")
    for prefix, kind in _POLICIES.items():
        if module.startswith(prefix):
            # A player needs no replay buffer, which would only use memory.
            changes = {"buffer_size": 1, "optimize_memory_usage": False} if kind is DQN else {}
            model: BaseAlgorithm = kind.load(path, device=device, custom_objects=changes)
            return model
    raise ValueError(
        f"{path} holds a model whose policy is defined in {module or 'no known module'}: expected "
        "PPO, DQN, RecurrentPPO or MaskablePPO"
    )


def _pictures(observations: Any) -> Any:
    return observations[IMAGE] if isinstance(observations, dict) else observations
