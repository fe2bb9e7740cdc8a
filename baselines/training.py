"""Training of a model, with metrics and checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat
from stable_baselines3.common.vec_env import VecMonitor
from torch.utils.tensorboard import SummaryWriter

from baselines.algorithms import CLASSES, build, centre
from baselines.checkpoints import find_checkpoint, load_checkpoint, save_checkpoint
from baselines.config import BaselineConfig, read_config
from baselines.runs import (
    CHECKPOINT,
    CONFIG_FILE,
    MODEL_FILE,
    SCORES_FILE,
    TENSORBOARD,
    append_score,
    drop_scores,
    read_scores,
    replace_text,
)
from baselines.scores import Score, score
from baselines.vec_env import PictureVecEnv
from baselines.view import View
from vlm_agent.core.seeding import episode_seeds


def train(config: BaselineConfig, *, resume: bool = False) -> Score:
    """Trains a model, or resumes from the last checkpoint of its run.

    The run's directory holds `baseline.json`, `model.zip` when training is complete, `scores.jsonl`
    with one evaluation per line, `tensorboard/`, and `checkpoint/`.

    Args:
        config: All options.
        resume: Continue from the last checkpoint, or from the beginning if there is none yet. With
            environments that have snapshots, such as the card games, and the same `total_steps`,
            the model is the same as without the interruption; other environments start new
            episodes, and other `total_steps` change the schedule of the learning rate.

    Returns:
        Score of the trained model.

    Raises:
        ValueError: If the environment does not have pictures and discrete actions, the run to
            resume is damaged, or its model was trained for more than `total_steps` already.
        FileExistsError: If the directory is not empty, and `resume` is false.
        FileNotFoundError: If there is no run to resume, or its checkpoint was removed.
    """
    directory = config.directory
    view = View((config.picture_size, config.picture_size), config.text, config.text_length)
    checkpoint, planned = None, config.total_steps
    if resume:
        checkpoint, planned = _checkpoint_of(directory), _planned(config)
    elif directory.exists() and any(directory.iterdir()):
        raise FileExistsError(
            f"{directory} is not empty: choose another --out, or continue with --resume {directory}"
        )
    envs = PictureVecEnv.make(config.env, config.num_envs, view, config.env_kwargs)
    env = VecMonitor(envs)
    try:
        if checkpoint is None:
            # Two seeds per environment: one for the mean picture, one for training.
            seeds = episode_seeds("training", config.seed, 2 * config.num_envs)
            model = build(config, env)
            envs.seed_each(seeds[config.num_envs :])
            centre(model, env, config.centre_steps)
            envs.seed_each(seeds[: config.num_envs])
        else:
            model = load_checkpoint(checkpoint, CLASSES[config.algorithm], env, config.device)
            _check_total(config, planned, model.num_timesteps)
            if model._last_obs is None:
                later = episode_seeds(
                    "training", config.seed + model.num_timesteps, config.num_envs
                )
                envs.seed_each(later)
        directory.mkdir(parents=True, exist_ok=True)
        if checkpoint is not None:
            drop_scores(directory, model.num_timesteps)
        replace_text(directory / CONFIG_FILE, json.dumps(config.record(), indent=2) + "\n")
        model.set_logger(Logger(None, [_tensorboard(directory, model.num_timesteps, resume)]))
        return _learn(model, config, view)
    finally:
        env.close()


def _checkpoint_of(directory: Path) -> Path | None:
    """Returns the checkpoint to resume from; `None` if the run was interrupted before the first.

    Raises:
        FileNotFoundError: If there was one, without which the run would lose what it has.
    """
    checkpoint = find_checkpoint(directory / CHECKPOINT)
    results = [name for name in (MODEL_FILE, SCORES_FILE) if (directory / name).exists()]
    if checkpoint is None and results:
        raise FileNotFoundError(
            f"{directory} holds {' and '.join(results)} but no checkpoint: expected {CHECKPOINT}/ "
            "as well. Restore it from a copy, or start a new run in another directory"
        )
    return checkpoint


def _planned(config: BaselineConfig) -> int:
    """Returns the steps that a run was planned with; its device may not be here any more."""
    return read_config(config.directory, device=config.device).total_steps


def _check_total(config: BaselineConfig, planned: int, trained: int) -> None:
    """Refuses fewer steps than a run was trained for, unless its last rollout exceeded them."""
    if config.total_steps < trained and config.total_steps != planned:
        raise ValueError(
            f"total_steps={config.total_steps}: expected at least {trained}, for which the model "
            f"in {config.directory} was trained already. Give more with --total-steps, or leave it "
            "out"
        )


def _tensorboard(directory: Path, trained: int, resume: bool) -> TensorBoardOutputFormat:
    """Returns the output for event files, which hide what was logged after the checkpoint."""
    folder = str(directory / TENSORBOARD)
    output = TensorBoardOutputFormat(folder)
    if resume:
        output.writer.close()
        output.writer = SummaryWriter(folder, purge_step=trained + 1)
    return output


def _learn(model: BaseAlgorithm, config: BaselineConfig, view: View) -> Score:
    """Trains for the remaining steps, and evaluates the model."""
    directory = config.directory
    try:
        left = config.total_steps - model.num_timesteps
        if left > 0:
            model.learn(
                left,
                callback=_EvaluationAndCheckpoints(config, view),
                log_interval=1 if config.algorithm != "dqn" else 100,
                reset_num_timesteps=False,
                progress_bar=config.progress,
            )
            save_checkpoint(directory / CHECKPOINT, model)
        result = score(model, config, view, episodes=config.eval_episodes)
        if all(each["step"] != model.num_timesteps for each in read_scores(directory)):
            _log_score(directory, model, result)
    finally:
        model.logger.close()
    model.save(directory / MODEL_FILE)
    return result


def _log_score(directory: Path, model: BaseAlgorithm, result: Score) -> None:
    """Logs a score."""
    record = {"step": model.num_timesteps, **result.record()}
    append_score(directory, record)
    for name in ("success_rate", "mean_return", "mean_length"):
        model.logger.record(f"eval/{name}", record[name])
    model.logger.dump(model.num_timesteps)


class _EvaluationAndCheckpoints(BaseCallback):
    """Evaluates the model and writes checkpoints, between two rollouts.

    Neither draws random numbers that training uses, so that neither affects it.
    """

    def __init__(self, config: BaselineConfig, view: View) -> None:
        super().__init__()
        self.config = config
        self.view = view
        self._last_rollout = 0

    def _on_training_start(self) -> None:
        self._last_rollout = self.num_timesteps

    def _on_rollout_start(self) -> None:
        now, before = self.num_timesteps, self._last_rollout
        if now == before:
            if now == 0:
                # So that a run can be resumed, however early it is interrupted.
                save_checkpoint(self.config.directory / CHECKPOINT, self.model)
            return
        self._last_rollout = now
        every = self.config.eval_every
        if every and now // every > before // every and now < self.config.total_steps:
            result = score(self.model, self.config, self.view, episodes=self.config.eval_episodes)
            _log_score(self.config.directory, self.model, result)
        every = self.config.checkpoint_every
        if now // every > before // every:
            save_checkpoint(self.config.directory / CHECKPOINT, self.model)

    def _on_step(self) -> bool:
        return True
