"""Small updates of the trainer, for tests."""

from vlm_agent.rollout.buffer import EpisodeSegment
from vlm_agent.rollout.collector import Collector
from vlm_agent.training.ppo import PPO
from vlm_agent.training.ppo_config import PPOConfig

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


def update(algorithm, rollout):
    """Metrics of an update on a rollout."""
    return algorithm.update(rollout, algorithm.advantages(rollout))


def updated(policy, tmp_path, rollout=None, **changes):
    """Metrics of one update on a rollout of NumberLine."""
    settings = config(tmp_path, env=NUMBER_LINE, **changes)
    collector = Collector(NUMBER_LINE, 4, correct=settings.imitation_coef > 0)
    algorithm = PPO(policy, settings, total_steps=24)
    return update(algorithm, rollout or collector.collect(policy, 3)), algorithm


def end_every_step(rollout):
    """Makes every step of a rollout an episode of its own, after which nothing follows."""
    rollout.segments = [
        EpisodeSegment(segment.env_id, [step], done=True)
        for segment in rollout.segments
        for step in segment.steps
    ]


def nothing_to_learn(rollout):
    """Makes all rewards and values of a rollout 0."""
    rollout.rewards[:] = rollout.penalties[:] = rollout.values[:] = 0
    for segment in rollout.segments:
        segment.bootstrap_value = 0.0
