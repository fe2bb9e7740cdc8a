"""The directory of a run: its configuration, metrics as JSON lines, and what tools get of them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from vlm_agent.config.options import plain_options
from vlm_agent.core.errors import NotWholeError
from vlm_agent.core.run_directory import (
    BASE,
    BEST,
    CHECKPOINTS,
    CONFIG_FILE,
    METRICS_FILE,
    PLAIN_FILES,
    TENSORBOARD,
    TRACKING_FILE,
    TRAJECTORIES,
    UNFINISHED,
)
from vlm_agent.core.system.disk import cut, sync, writing
from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.training.reporters.base import Reporter
from vlm_agent.training.reporters.group import ReporterGroup

_FILES = PLAIN_FILES | {METRICS_FILE, TRACKING_FILE}
# The run that is replaced, until the new one has learned something.
_REPLACED = "replaced"


@dataclasses.dataclass(frozen=True)
class RunPosition:
    """Position in a run from which it is resumed.

    Attributes:
        step: Step that was logged last.
        metrics_size: Size of the metrics file in bytes.
        extended: Whether the run's length was changed, so that `run.json` is written again.
    """

    step: int
    metrics_size: int
    extended: bool = False


class Run:
    """Directory that one training run writes to.

    Args:
        directory: The directory; created if missing.
        config: The run's configuration, a dataclass, saved as `run.json`.
        overwrite: Whether to replace a run in the directory. It is removed when the first metrics
            are logged, and is there again if the new run ends before that.
        resumed: Position from which to resume the run in the directory; metrics after it are
            removed.
        reporters: Tools that get the metrics and sample episodes; started here, and finished when
            the run ends.

    Attributes:
        configuration: Contents of `run.json`.

    Raises:
        FileExistsError: If the directory holds anything other than a run to replace or resume, or
            files that no run writes.
    """

    def __init__(
        self,
        directory: str | Path,
        config: Any,
        *,
        overwrite: bool = False,
        resumed: RunPosition | None = None,
        reporters: Sequence[Reporter] = (),
    ) -> None:
        self.directory = Path(directory)
        self._replaced = self.directory / (_REPLACED + UNFINISHED)
        if resumed is None and check_free(directory, overwrite=overwrite):
            self._set_aside()
        self.directory.mkdir(parents=True, exist_ok=True)
        settings = plain_options(config)
        # Not a property of the run: reused with --config, it would replace the run unasked.
        settings.pop("overwrite", None)
        self.configuration = json.dumps(settings, indent=2) + "\n"
        if resumed is None or resumed.extended:
            fresh = self.directory / (CONFIG_FILE + UNFINISHED)
            fresh.write_text(self.configuration)
            fresh.replace(self.directory / CONFIG_FILE)
        self._file = (self.directory / METRICS_FILE).open("a", encoding="utf-8")
        if resumed is not None:
            cut(self._file, resumed.metrics_size)
        self._logged = resumed is not None
        self._reporters = ReporterGroup(reporters)
        try:
            step = None if resumed is None else resumed.step
            self._reporters.start(self.directory, settings, step)
        except BaseException:
            self._file.close()
            if resumed is None:
                self._undo()
            raise

    def log(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Writes metrics at a step.

        `None` means not measured; NaN and infinity, which JSON cannot hold, become `None`.
        """
        if not self._logged:
            self._logged = True
            self._forget_replaced()
        finite = {
            name: None if value is None or not math.isfinite(value) else value
            for name, value in metrics.items()
        }
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()
        self._reporters.log(step, finite)

    def show(self, step: int, episodes: Sequence[EpisodeRecord]) -> None:
        """Passes recorded episodes on to the tools, as samples."""
        self._reporters.episodes(step, episodes)

    def metrics_size(self) -> int:
        """Flushes the metrics to disk and returns the size of their file in bytes."""
        return sync(self._file)

    @contextmanager
    def saving(self, policy: Saveable) -> Iterator[None]:
        """Saves the policy at the end of the block, also after an interrupt or an error.

        If nothing was logged before an interrupt or error, nothing was learned: the run is removed,
        so that the next try finds the directory as this one did.
        """
        try:
            yield
        except BaseException as error:
            if not self._logged:
                self._close(completed=False)
                self._undo()
                raise
            try:
                self._finish(policy, completed=False)
            except (OSError, NotWholeError) as failure:
                # The first error stays the one raised: both may come from a full disk.
                error.add_note(f"nor could the policy be saved: {failure}")
            raise
        self._finish(policy, completed=True)

    def _finish(self, policy: Saveable, *, completed: bool) -> None:
        with writing(self.directory):
            self._close(completed)
            policy.save(self.directory)
        self._forget_replaced()

    def _close(self, completed: bool) -> None:
        self._file.close()
        self._reporters.finish(completed)

    def _set_aside(self) -> None:
        """Moves a run to a folder in its directory, from which it can come back."""
        metrics = self.directory / METRICS_FILE
        if self._replaced.exists():
            if not (metrics.exists() and metrics.stat().st_size):
                self._clear()  # that run was stopped at once, and what it replaced is still there
                return
            self._forget_replaced()
        entries = self._entries()
        self._replaced.mkdir()
        for entry in entries:
            entry.rename(self._replaced / entry.name)

    def _forget_replaced(self) -> None:
        if self._replaced.exists():
            shutil.rmtree(self._replaced)

    def _undo(self) -> None:
        """Makes the directory what it was before this run."""
        self._clear()
        if self._replaced.exists():
            for entry in list(self._replaced.iterdir()):
                entry.rename(self.directory / entry.name)
            self._replaced.rmdir()

    def _clear(self) -> None:
        """Removes the files of this run."""
        for entry in self._entries():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _entries(self) -> list[Path]:
        """Returns what the directory holds of a run; refuses if there is anything else."""
        entries = [entry for entry in self.directory.iterdir() if entry != self._replaced]
        foreign = [entry.name for entry in entries if not _is_of_a_run(entry)]
        if foreign:
            raise FileExistsError(
                f"{self.directory} also holds {sorted(foreign)}, which no run wrote: move that "
                "away, or choose another --out"
            )
        return entries


def check_free(directory: str | Path, *, overwrite: bool = False) -> bool:
    """Checks that a run may be written to a directory, before anything slow is done.

    Returns:
        Whether the directory holds a run to replace.

    Raises:
        FileExistsError: If the directory holds anything other than a run to replace.
    """
    directory = Path(directory)
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if not (directory / CONFIG_FILE).is_file():
        raise FileExistsError(f"{directory} is not empty and holds no run: choose another --out")
    if not overwrite:
        raise FileExistsError(
            f"{directory} already holds a run: choose another --out, or replace the run with "
            "--overwrite"
        )
    return True


def peak_memory() -> float | None:
    """Returns the peak memory so far in GiB, of the GPU if there is one, else of the process.

    `None` on systems that do not report it.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    try:
        import resource
    except ModuleNotFoundError:
        return None
    # In bytes on macOS, in KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


class Saveable(Protocol):
    """Anything with `save`, such as a policy."""

    def save(self, directory: str | Path) -> None:
        """Saves to a directory.

        Raises:
            NotWholeError: If the weights are sharded and were not gathered.
        """
        ...


def _is_of_a_run(path: Path) -> bool:
    name = path.name.removesuffix(UNFINISHED)
    if path.is_dir():
        return name in (TENSORBOARD, BASE, BEST, f"{BEST}.old", TRAJECTORIES, CHECKPOINTS)
    return name in _FILES or path.suffix in (".safetensors", ".jinja", ".model")
