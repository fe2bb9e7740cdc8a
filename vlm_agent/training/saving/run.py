"""The directory of a run: its configuration, metrics as JSON lines, and what tools get of them."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
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
from vlm_agent.core.system.disk import cut, lock, sync, writing
from vlm_agent.data.trajectory_format import EpisodeRecord
from vlm_agent.training.reporters.base import Reporter
from vlm_agent.training.reporters.group import ReporterGroup

_FILES = PLAIN_FILES | {METRICS_FILE, TRACKING_FILE}
# Suffixes of the directory of a run that is replaced, until the new one has learned something, and
# then while it is removed.
_REPLACED = ".replaced" + UNFINISHED
_REMOVED = ".removed" + UNFINISHED


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
        overwrite: Whether to replace a run in the directory. It is kept next to the directory, is
            removed when the first metrics are logged, and comes back if the new run ends before.
        resumed: Position from which to resume the run in the directory; metrics after it are
            removed.
        reporters: Tools that get the metrics and sample episodes; started here, and finished when
            the run ends.

    Attributes:
        configuration: Contents of `run.json`.

    Raises:
        FileExistsError: If the directory holds anything other than a run to replace or resume, or
            files that no run writes; or if another process is training this run.
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
        self._place = self.directory.resolve()  # or a link to it would be renamed
        if resumed is None and check_free(directory, overwrite=overwrite):
            self._check_idle()
            self._set_aside()
        with self._undone_by_errors(resumed):
            self._place.mkdir(parents=True, exist_ok=True)
            self._file = (self.directory / METRICS_FILE).open("a", encoding="utf-8")
        if not lock(self._file):
            self._file.close()
            raise self._in_use(new=resumed is None)
        with self._undone_by_errors(resumed), ExitStack() as opened:
            opened.callback(self._file.close)
            self._begin(config, resumed, reporters)
            opened.pop_all()

    @contextmanager
    def _undone_by_errors(self, resumed: RunPosition | None) -> Iterator[None]:
        """Makes the directory of a new run what it was before, after an error inside the block."""
        try:
            yield
        except BaseException:
            if resumed is None:
                self._undo()
            raise

    def _begin(
        self, config: Any, resumed: RunPosition | None, reporters: Sequence[Reporter]
    ) -> None:
        settings = plain_options(config)
        # Not a property of the run: reused with --config, it would replace the run unasked.
        settings.pop("overwrite", None)
        self.configuration = json.dumps(settings, indent=2) + "\n"
        if resumed is None or resumed.extended:
            fresh = self.directory / (CONFIG_FILE + UNFINISHED)
            fresh.write_text(self.configuration)
            fresh.replace(self.directory / CONFIG_FILE)
        if resumed is not None:
            cut(self._file, resumed.metrics_size)
        self._logged = resumed is not None
        self._reporters = ReporterGroup(reporters)
        step = None if resumed is None else resumed.step
        self._reporters.start(self.directory, settings, step)

    def log(self, step: int, metrics: Mapping[str, float | None]) -> None:
        """Writes metrics at a step.

        `None` means not measured; NaN and infinity, which JSON cannot hold, become `None`.
        """
        finite = {
            name: None if value is None or not math.isfinite(value) else value
            for name, value in metrics.items()
        }
        self._file.write(json.dumps({"step": step, **finite}) + "\n")
        self._file.flush()
        if not self._logged:
            self._logged = True
            _forget_replaced(self._place)
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
        _forget_replaced(self._place)

    def _close(self, completed: bool) -> None:
        self._file.close()
        self._reporters.finish(completed)

    def _check_idle(self) -> None:
        """Refuses to replace a run that another process is training."""
        metrics = self._place / METRICS_FILE
        if metrics.is_file():
            with metrics.open("a", encoding="utf-8") as file:
                if not lock(file):
                    raise self._in_use(new=True)

    def _in_use(self, *, new: bool) -> FileExistsError:
        return FileExistsError(
            f"{self.directory} is being trained by another process: wait until that has ended"
            + (", or choose another --out" if new else "")
        )

    def _set_aside(self) -> None:
        """Renames the directory of a run that is to be replaced.

        Raises:
            FileExistsError: If the directory also holds something else.
        """
        entries = list(self._place.iterdir())
        foreign = [entry.name for entry in entries if not _is_of_a_run(entry)]
        if foreign:
            raise FileExistsError(
                f"{self.directory} also holds {sorted(foreign)}, which no run wrote: move that "
                "away, or choose another --out"
            )
        if replaced_by(self._place) is None:
            _forget_replaced(self._place)
            self._place.rename(_aside(self._place, _REPLACED))
        else:
            self._clear()  # it was killed at once, and what it replaces is still there

    def _undo(self) -> None:
        """Makes the directory what it was before this run."""
        replaced, exists = _aside(self._place, _REPLACED), self._place.exists()
        if exists:
            self._clear()
        if replaced.exists():
            try:
                if exists:
                    self._place.rmdir()
                replaced.rename(self._place)
            except OSError as error:
                warnings.warn(
                    f"the run that was to be replaced is now {replaced}: {error}", stacklevel=2
                )

    def _clear(self) -> None:
        """Removes the files of a run."""
        for entry in self._place.iterdir():
            if not _is_of_a_run(entry):
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def replaced_by(directory: str | Path) -> Path | None:
    """Returns where the run is that a run was to replace which was killed before it learned."""
    place = Path(directory).resolve()
    metrics, replaced = place / METRICS_FILE, _aside(place, _REPLACED)
    learned = metrics.is_file() and metrics.stat().st_size > 0
    return replaced if replaced.exists() and not learned else None


def was_killed_at_once(directory: str | Path) -> str:
    """Returns what an error message adds about such a run; nothing about others."""
    replaced = replaced_by(directory)
    if replaced is None:
        return ""
    return (
        f". It was killed before it had learned anything, and the run that it replaces is "
        f"{replaced}: rename that back to have it again"
    )


def _aside(place: Path, suffix: str) -> Path:
    return place.with_name(place.name + suffix)


def _forget_replaced(place: Path) -> None:
    """Removes a run that was replaced; under another name, because half of it is no run."""
    replaced, removed = _aside(place, _REPLACED), _aside(place, _REMOVED)
    try:
        if removed.exists():  # of a run that was killed while it removed that
            shutil.rmtree(removed)
        if replaced.exists():
            replaced.rename(removed)
            shutil.rmtree(removed)
    except OSError as error:
        warnings.warn(f"the run that was replaced is not removed: {error}", stacklevel=3)


def check_free(directory: str | Path, *, overwrite: bool = False) -> bool:
    """Checks that a run may be written to a directory, before anything slow is done.

    Returns:
        Whether the directory holds a run to replace.

    Raises:
        FileExistsError: If the directory holds anything other than a run to replace.
    """
    directory = Path(directory)
    replaced = _aside(directory.resolve(), _REPLACED)
    if replaced.exists() and not directory.exists():
        replaced.rename(directory.resolve())  # what would have replaced it had not even begun
    if not directory.exists() or not any(directory.iterdir()):
        return False
    if not (directory / CONFIG_FILE).is_file():
        raise FileExistsError(f"{directory} is not empty and holds no run: choose another --out")
    if not overwrite:
        raise FileExistsError(
            f"{directory} already holds a run: choose another --out, or replace the run with "
            f"--overwrite{was_killed_at_once(directory)}"
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
