"""A training from its configuration to its score, with metrics and checkpoints beside it."""

from __future__ import annotations

import json
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecMonitor

from baselines.algorithms import CLASSES, build, centre
from baselines.checkpoints import find_checkpoint, load_checkpoint, save_checkpoint
from baselines.config import BaselineConfig
from baselines.runs import CHECKPOINT, CONFIG_FILE, MODEL_FILE, SCORES_FILE, TENSORBOARD
from baselines.scores import Score, score
from baselines.vec_env import PictureVecEnv
from baselines.view import View
from vlm_agent.core.seeding import episode_seeds


def train(config: BaselineConfig, *, resume: bool = False) -> Score:
    """Trains a model, or goes on from the last checkpoint of its run.

    The run's directory holds `baseline.json`, `model.zip` once it is trained, `scores.jsonl` with
    an evaluation a line, `tensorboard/`, and `checkpoint/`.

    Args:
        config: All options.
        resume: Whether to go on. With environments that have snapshots, as the card games do, the
            model becomes the one that it had become without a break; others start new episodes.

    Returns:
        The score of the trained model.

    Raises:
        ValueError: If the environment is not one of pictures and discrete actions.
        FileExistsError: If the directory holds a run that is not to be gone on with.
        FileNotFoundError: If there is no checkpoint to go on from.
    """
    directory = config.directory
    view = View((config.picture_size, config.picture_size), config.text, config.text_length)
    checkpoint = find_checkpoint(directory / CHECKPOINT) if resume else None
    if resume and checkpoint is None:
        raise FileNotFoundError(
            f"{directory} holds no checkpoint: start a new run without --resume"
        )
    if not resume and directory.exists() and any(directory.iterdir()):
        raise FileExistsError(
            f"{directory} is not empty: choose another --out, or go on with --resume {directory}"
        )
    envs = PictureVecEnv.make(config.env, config.num_envs, view, config.env_kwargs)
    env = VecMonitor(envs)
    try:
        if checkpoint is None:
            # Two seeds an environment: one for the mean picture, one for what is learned from.
            seeds = episode_seeds("training", config.seed, 2 * config.num_envs)
            model = build(config, env)
            envs.seed_each(seeds[config.num_envs :])
            centre(model, env, config.centre_steps)
            envs.seed_each(seeds[: config.num_envs])
        else:
            model = load_checkpoint(checkpoint, CLASSES[config.algorithm], env, config.device)
            if model._last_obs is None:
                later = episode_seeds(
                    "training", config.seed + model.num_timesteps, config.num_envs
                )
                envs.seed_each(later)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / CONFIG_FILE).write_text(json.dumps(config.record(), indent=2) + "\n")
        return _learn(model, config, view)
    finally:
        env.close()


def _learn(model: BaseAlgorithm, config: BaselineConfig, view: View) -> Score:
    """Trains for the steps that are left, and measures the model."""
    directory = config.directory
    model.set_logger(Logger(None, [TensorBoardOutputFormat(str(directory / TENSORBOARD))]))
    try:
        left = config.total_steps - model.num_timesteps
        if left > 0:
            model.learn(
                left,
                callback=_Keeper(config, view),
                log_interval=1 if config.algorithm != "dqn" else 100,
                reset_num_timesteps=False,
                progress_bar=config.progress,
            )
            save_checkpoint(directory / CHECKPOINT, model)
        result = score(model, config, view, episodes=config.eval_episodes)
        _note(directory, model, result)
    finally:
        model.logger.close()
    model.save(directory / MODEL_FILE)
    return result


def _note(directory: Path, model: BaseAlgorithm, result: Score) -> None:
    """Writes down a score."""
    record = {"step": model.num_timesteps, **result.record()}
    with (directory / SCORES_FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    for name in ("success_rate", "mean_return", "mean_length"):
        model.logger.record(f"eval/{name}", record[name])
    model.logger.dump(model.num_timesteps)


class _Keeper(BaseCallback):
    """Measures the model and writes checkpoints, between two rollouts.

    Neither draws random numbers that training uses, so that both leave its course as it is.
    """

    def __init__(self, config: BaselineConfig, view: View) -> None:
        super().__init__()
        self.config = config
        self.view = view
        self._begun = 0

    def _on_training_start(self) -> None:
        self._begun = self.num_timesteps

    def _on_rollout_start(self) -> None:
        now, before = self.num_timesteps, self._begun
        if now == before:
            if now == 0:
                # So that a run can be gone on with, however early it is broken off.
                save_checkpoint(self.config.directory / CHECKPOINT, self.model)
            return
        self._begun = now
        every = self.config.eval_every
        if every and now // every > before // every and now < self.config.total_steps:
            result = score(self.model, self.config, self.view, episodes=self.config.eval_episodes)
            _note(self.config.directory, self.model, result)
        every = self.config.checkpoint_every
        if now // every > before // every:
            save_checkpoint(self.config.directory / CHECKPOINT, self.model)

    def _on_step(self) -> bool:
        return True
