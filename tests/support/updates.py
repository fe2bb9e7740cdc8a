"""Small updates of the trainer, for tests."""

from vlm_agent.config.ppo import PPOConfig
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.ppo import PPO

NUMBER_LINE = "gym_cards/NumberLine-v0"


def config(tmp_path, **changes):
    settings = {
        "env": "gym_cards/EZPoints-v0",
        "model": str(tmp_path / "start"),
        "out": str(tmp_path / "out"),
        "temperature": 1.0,
        "max_new_tokens": 16,
        "total_steps": 24,
        "num_envs": 4,
        "rollout_steps": 3,
        "minibatch_size": 8,
        "micro_batch_size": 4,
        "ppo_epochs": 2,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
    }
    return PPOConfig(**{**settings, **changes})


def updated(policy, tmp_path, rollout=None, **changes):
    """Metrics of one update on a rollout of NumberLine."""
    settings = config(tmp_path, env=NUMBER_LINE, **changes)
    collector = Collector(NUMBER_LINE, 4, correct=settings.imitation_coef > 0)
    algorithm = PPO(policy, settings, total_steps=24)
    return algorithm.update(rollout or collector.collect(policy, 3)), algorithm
