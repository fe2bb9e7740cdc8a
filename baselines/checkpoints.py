"""Checkpoints between two rollouts, from which training resumes exactly.

A checkpoint is a directory: `model.zip`, as Stable-Baselines3 saves it; `state.pkl`, the state of
random number generators and environments; and `replay.pkl.gz` for algorithms with a replay buffer.
These are pickles: load only those whose origin you trust.
"""

from __future__ import annotations

import gzip
import pickle
import random
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecMonitor

from baselines.runs import MODEL_FILE
from baselines.vec_env import PictureVecEnv

STATE, REPLAY = "state.pkl", "replay.pkl.gz"
# Errors of reading a file that is cut short or changed; those of `pickle` are of many types.
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError),
    *(ImportError, gzip.BadGzipFile, zlib.error),
)


def save_checkpoint(directory: Path, model: BaseAlgorithm) -> None:
    """Replaces the checkpoint; after a crash, either the old or the new one is complete.

    Args:
        directory: Directory of the checkpoint.
        model: A model between two rollouts, with a monitored `PictureVecEnv`.
    """
    fresh, old = (directory.with_name(f"{directory.name}.{end}") for end in ("new", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    model.save(fresh / MODEL_FILE)
    if isinstance(model, OffPolicyAlgorithm):
        # Pictures are similar, so that compression saves most of their size.
        with gzip.open(fresh / REPLAY, "wb", compresslevel=1) as packed:
            pickle.dump(model.replay_buffer, packed)
    monitor = cast(VecMonitor, model.env)
    envs = cast(PictureVecEnv, monitor.venv)
    state = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
        "moves": model.action_space.np_random.bit_generator.state,
        "envs": envs.snapshot(),
        "returns": monitor.episode_returns,
        "lengths": monitor.episode_lengths,
        "memory": getattr(model, "_last_lstm_states", None),
    }
    with (fresh / STATE).open("wb") as file:
        pickle.dump(state, file)
    if directory.exists():
        shutil.rmtree(old, ignore_errors=True)
        directory.rename(old)
    fresh.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def find_checkpoint(directory: Path) -> Path | None:
    """Returns the newest complete checkpoint that was written to a directory, or `None`."""
    old = directory.with_name(f"{directory.name}.old")
    return next((each for each in (directory, old) if (each / STATE).is_file()), None)


def load_checkpoint(
    directory: Path, kind: type[BaseAlgorithm], env: VecMonitor, device: str
) -> BaseAlgorithm:
    """Loads a model, and restores its environments and random number generators.

    Environments without snapshots start new episodes, whose seeds must be set before.

    Args:
        directory: Directory of the checkpoint.
        kind: Class of the model.
        env: New environments, with the arguments of those that it was trained in.
        device: Device of the network.

    Raises:
        ValueError: If a file is damaged, or the environments have other pictures or actions.
        FileNotFoundError: If a file is missing.
    """
    with _naming(directory / MODEL_FILE) as path:
        model = kind.load(path, env=env, device=device, force_reset=False)
    if isinstance(model, OffPolicyAlgorithm):
        with _naming(directory / REPLAY) as path, gzip.open(path, "rb") as packed:
            model.replay_buffer = pickle.load(packed)
        model.replay_buffer.device = model.device
    with _naming(directory / STATE) as path, path.open("rb") as file:
        state: dict[str, Any] = pickle.load(file)
    if state["envs"] is None:
        model._last_obs = None
    else:
        cast(PictureVecEnv, env.venv).restore(state["envs"])
        env.episode_returns, env.episode_lengths = state["returns"], state["lengths"]
        if state["memory"] is not None:
            model._last_lstm_states = state["memory"]  # type: ignore[attr-defined]
    model.action_space.np_random.bit_generator.state = state["moves"]
    # Last, because building a model draws random numbers.
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    return model


@contextmanager
def _naming(path: Path) -> Iterator[Path]:
    """Names the file in the error if the block cannot read it."""
    try:
        yield path
    except _DAMAGE as error:
        raise ValueError(
            f"{path} cannot be loaded: {error}. Restore the file from a copy, or start a new run "
            "in another directory"
        ) from error
