"""TensorBoard: metrics as scalars, sample episodes as a table and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlm_agent.core.run_directory import TENSORBOARD
from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.training.reporters.base import SampleStep, sample_steps

_COLUMNS = ("picture", "reply", "action", "reward", "success")


class TensorBoardReporter:
    """Writes event files into the run's folder `tensorboard`."""

    def start(self, directory: Path, config: Mapping[str, Any], resumed: int | None) -> None:
        """Opens an event file; see `Reporter.start`."""
        from torch.utils.tensorboard import SummaryWriter

        self._directory = directory
        # What was logged after the checkpoint is logged again.
        purge = None if resumed is None else resumed + 1
        self._writer = SummaryWriter(str(directory / TENSORBOARD), purge_step=purge)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Writes scalars, so that a run that is killed loses none of them."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def episodes(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Writes a table of replies, and the pictures under the numbers that it names."""
        lines = [f"| {' | '.join(_COLUMNS)} |", "| --- " * len(_COLUMNS) + "|"]
        for number, row in enumerate(sample_steps(self._directory, episodes), start=1):
            with Image.open(row.picture) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._writer.add_image(f"episodes/{number:02d}", pixels, step, dataformats="HWC")
            lines.append(_line(number, row))
        self._writer.add_text("episodes", "\n".join(lines), step)

    def finish(self, completed: bool) -> None:
        """Closes the event file."""
        self._writer.close()


def _line(number: int, row: SampleStep) -> str:
    """Returns a line of a Markdown table, in which no reply can end a cell or a line."""
    reply = " ".join(row.reply.split())
    for letter in "\\`*_[]<>|":
        reply = reply.replace(letter, f"\\{letter}")
    action = row.action if row.named else f"{row.action} (random)"
    return f"| {number:02d} | {reply} | {action} | {row.reward:g} | {row.success} |"
