"""Pictures of a model card: the learning curve, and an episode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlm_agent.core.types import Observation, Reply, Task
from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.data.trajectory_reader import find_trajectories, read_trajectories
from vlm_agent.evaluation.play import Step
from vlm_agent.evaluation.plots import save_episode
from vlm_agent.reporting.curves import curves_of
from vlm_agent.reporting.sources import TrainingRun

_BLUE = "#2a6fbb"
# What a curve shows of each kind of run, and the names of its axes.
_CURVES = {
    "ppo": ("rollout/success_rate", "environment steps", "success rate in training"),
    "sft": ("train/loss", "demonstrations", "loss per token"),
}


def save_learning_curve(run: TrainingRun, path: Path) -> bool:
    """Plots the success rate of a run of PPO with its 95% intervals, or the loss of fine-tuning.

    Returns:
        Whether there was anything to plot.
    """
    from matplotlib.figure import Figure

    key, steps, values = _CURVES[run.kind]
    curve = curves_of([run]).get(key)
    if curve is None or len(curve["x"]) < 2:
        return False
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.add_subplot()
    # Of many points none could be told from the next.
    marker: dict[str, Any] = {"marker": "o", "markersize": 3} if len(curve["x"]) <= 60 else {}
    x, y = _plain(curve["x"]), _plain(curve["y"])
    axes.plot(x, y, color=_BLUE, linewidth=1.5, **marker)
    if curve["low"][0] is not None:
        axes.fill_between(
            x, _plain(curve["low"]), _plain(curve["high"]), color=_BLUE, alpha=0.18, linewidth=0,
            label="95% interval of each rollout",
        )  # fmt: skip
        axes.legend(loc="lower right", frameon=False)
    axes.set(xlabel=steps, ylabel=values, xlim=(0, 1.02 * x[-1]))
    if key == "rollout/success_rate":
        axes.set_ylim(0, 1.03)
    elif min(y) > 0:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, dpi=120)
    return True


def save_recorded_episode(run: TrainingRun, path: Path) -> bool:
    """Plots the last successful one of a run's recorded episodes, or the last if none was.

    Returns:
        Whether any was recorded.
    """
    chosen: EpisodeRecord | None = None
    try:
        folder = find_trajectories(run.path)
    except FileNotFoundError:
        return False
    for episode in read_trajectories(folder):
        if chosen is None or episode["success"] or not chosen["success"]:
            chosen = episode
    if chosen is None:
        return False
    steps = [_step(folder, chosen, number) for number in range(len(chosen["steps"]))]
    save_episode(steps, "An episode of training", path, limit=4)
    return True


def _step(folder: Path, episode: EpisodeRecord, number: int) -> Step:
    """Returns a recorded step as it was played."""
    record = episode["steps"][number]
    with Image.open(folder / record["pictures"][-1]) as picture:
        image = np.asarray(picture.convert("RGB"))
    return Step(
        episode=episode["number"],
        index=number,
        observation=Observation(image, Task("", None), tuple(record["actions"])),
        reply=Reply(record["reply"], record["parsed_action"]),
        action=record["played_action"],
        reward=record["reward"],
        last=number == len(episode["steps"]) - 1,
        is_success=episode["success"],
    )


def _plain(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
