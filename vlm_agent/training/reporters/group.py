"""Several reporters as one, none of which can end a training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.training.reporters.base import Reporter


class ReporterGroup:
    """Passes everything on to several reporters.

    A reporter that cannot be started ends the run at once. One that fails later is left out from
    there, with a warning: a tracking server that cannot be reached must not end a training.

    Args:
        reporters: The reporters.
    """

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = list(reporters)

    def start(self, directory: Path, config: Mapping[str, Any], resumed: int | None) -> None:
        """Starts all of them; arguments as for `Reporter.start`.

        If one cannot be started, those before it are finished.
        """
        started: list[Reporter] = []
        for reporter in self._reporters:
            try:
                reporter.start(directory, config, resumed)
            except BaseException:
                self._reporters = started
                self.finish(completed=False)
                raise
            started.append(reporter)

    def log(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Logs the metrics that are known and finite."""
        known = {n: v for n, v in metrics.items() if v is not None and math.isfinite(v)}
        self._each(f"at step {step}", lambda reporter: reporter.log(step, known))

    def episodes(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Shows sample episodes, if there are any."""
        if episodes:
            self._each(f"at step {step}", lambda reporter: reporter.episodes(step, episodes))

    def finish(self, completed: bool) -> None:
        """Finishes all of them, once."""
        self._each("at the end", lambda reporter: reporter.finish(completed))
        self._reporters = []

    def _each(self, when: str, call: Callable[[Reporter], None]) -> None:
        for reporter in list(self._reporters):
            try:
                call(reporter)
            except Exception as error:
                self._reporters.remove(reporter)
                warnings.warn(
                    f"{type(reporter).__name__} failed {when} and gets nothing more of this run: "
                    f"{type(error).__name__}: {error}",
                    stacklevel=2,
                )
