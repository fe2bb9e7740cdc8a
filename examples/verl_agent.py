"""Environments for verl-agent, to be called from its `make_envs(config)`.

Not run here: verl-agent was not installed. The tests call this function, and play with what it
returns as verl-agent's rollout loop does.

In verl-agent's `agent_system/environments/env_manager.py`:

    if config.env.env_name.startswith("gym_cards/"):
        return make_gym_cards_envs(config)
"""

from typing import Any

from vlm_agent.integrations.verl_agent import EnvironmentManager


def make_gym_cards_envs(config: Any) -> tuple[EnvironmentManager, EnvironmentManager]:
    """Returns the environments of training and of validation."""
    env, seed = config.env.env_name, config.env.seed
    train = EnvironmentManager(
        env, config.data.train_batch_size, config.env.rollout.n, seed=seed, is_train=True
    )
    test = EnvironmentManager(env, config.data.val_batch_size, seed=seed, is_train=False)
    return train, test
