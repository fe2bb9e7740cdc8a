"""Writing checkpoints between updates, and restoring a training from one."""

from __future__ import annotations

import functools
import json
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar

import torch
from safetensors import SafetensorError
from tqdm import tqdm

from vlm_agent.config.files import load_config
from vlm_agent.config.model import ModelOptions
from vlm_agent.core.run_directory import CONFIG_FILE, LENGTH
from vlm_agent.core.system.signals import deferred_interrupts
from vlm_agent.distributed.processes import Processes
from vlm_agent.models import lora
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.models.policy import PolicyWeights, VLMPolicy
from vlm_agent.models.training_state import load_training_state, training_state
from vlm_agent.training.saving.background import BackgroundWriter
from vlm_agent.training.saving.checkpoints import (
    Checkpoint,
    CheckpointError,
    drop_after,
    find_checkpoint,
    write_checkpoint,
)
from vlm_agent.training.saving.random_state import random_state, set_random_state
from vlm_agent.training.saving.run import Run, RunPosition
from vlm_agent.training.saving.spacing import Spacing
from vlm_agent.training.saving.tensor_tree import read_tree, size_of, snapshot, write_tree

Config = TypeVar("Config", bound=ModelOptions)
Kind = Literal["ppo", "sft"]
POLICY = "policy"
_STATE = "training"


class Stateful(Protocol):
    """A part of a training whose future depends only on its state."""

    def state_dict(self) -> Any:
        """Returns the state: plain values, tensors and arrays."""
        ...

    def load_state_dict(self, state: Any) -> Any:
        """Continues from a state."""
        ...


@dataclass(frozen=True)
class Saved(Generic[Config]):
    """A checkpoint that was read.

    Attributes:
        checkpoint: The checkpoint.
        config: The options of the run.
        state: The state of the training: shared parts, and those of each process.
        extended: Whether the run is longer now than when the checkpoint was written.
    """

    checkpoint: Checkpoint
    config: Config
    state: Mapping[str, Any]
    extended: bool = False

    @property
    def position(self) -> RunPosition:
        """Position in the run."""
        return RunPosition(self.checkpoint.step, self.state["metrics_size"], self.extended)

    def policy(self, processes: Processes | None = None) -> VLMPolicy:
        """Loads the policy as it was saved; see `VLMPolicy.load`."""
        place = self.checkpoint.path / POLICY
        policy = VLMPolicy.load(place, options=self.config, processes=processes)
        load_training_state(policy, self.state["policy"])
        return policy


def read_saved(
    place: str | Path,
    kind: Kind,
    config: type[Config],
    *,
    trust_remote_code: bool = False,
    length: int | None = None,
) -> Saved[Config]:
    """Reads a checkpoint, and sets torch to the number of threads that it was computed with.

    With another number of threads, sums differ in their last digits.

    Args:
        place: Directory of a run, for its newest checkpoint, or the folder of a checkpoint.
        kind: Command that trained.
        config: Class of its options.
        trust_remote_code: Whether code that comes with its model may be run.
        length: New total of steps or samples, to extend the run; by default as it is.

    Raises:
        FileNotFoundError: If there is no such directory.
        CheckpointError: If there is no checkpoint, or the newest is damaged.
        ValueError: If the run's options were changed, the new total is less than the old one, or
            its model needs remote code that is not trusted.
    """
    checkpoint = find_checkpoint(place, kind)
    then, now = _check_options(checkpoint, config)
    total = max(then, now)
    if length is not None and length < total:
        raise ValueError(
            f"{LENGTH[kind]}={length} for a run of {total}: a run can be extended, not shortened"
        )
    total = max(total, length or 0)
    options = load_config(
        config,
        checkpoint.path / CONFIG_FILE,
        kind,
        out=str(checkpoint.run),
        **{LENGTH[kind]: total},
    )
    if options.trust_remote_code and not trust_remote_code:
        # A file that comes with the model must not decide whether its code is run.
        raise ValueError(
            f"{checkpoint.run} was trained with --trust-remote-code: add it to --resume if you "
            "still trust the authors of its model"
        )
    state = _read_state(checkpoint)
    torch.set_num_threads(state["threads"])
    if state["torch"] != torch.__version__:
        warnings.warn(
            f"the checkpoint was written by torch {state['torch']}, and this is "
            f"{torch.__version__}: results may differ in their last digits from those of an "
            "uninterrupted run",
            stacklevel=2,
        )
    return Saved(checkpoint, options, state, extended=total > then)


class CheckpointManager:
    """Writes checkpoints between updates, and restores a training from one.

    Args:
        run: The run; `None` except in the main process.
        kind: Command that trains.
        policy: The policy that is trained.
        parts: The other parts of the training's state, by name; the same in all processes, or only
            in the main one.
        every: Number of updates between checkpoints; 0 for none; `None` for `usual`, or more if
            checkpoints are large (`Spacing`).
        usual: Number of updates between checkpoints that are not large.
        keep: Number of checkpoints to keep, the newest ones.
        own: Parts that differ from process to process, by name.
        processes: The processes that train together; the main one writes.
    """

    def __init__(
        self,
        run: Run | None,
        kind: Kind,
        policy: GatheredPolicy,
        parts: Mapping[str, Stateful],
        *,
        every: int | None,
        usual: int,
        keep: int,
        own: Mapping[str, Stateful] | None = None,
        processes: Processes | None = None,
    ) -> None:
        self._run = run
        self._own = own or {}
        self._processes = processes or Processes()
        self._kind: Kind = kind
        self._policy = policy
        self._parts = parts
        self._every = usual if every is None else every
        self._spacing = Spacing() if every is None else None
        self._keep = keep
        self._interrupted = False
        self._writer = BackgroundWriter()
        self._waited: float | None = None
        self._keep_base()

    def _keep_base(self) -> None:
        """Copies an adapter's base model out of a checkpoint, because checkpoints get removed."""
        policy = self._policy.policy
        if policy.has_adapter:
            own = (
                None
                if self._run is None
                else lora.copy_base_from_checkpoint(policy.model, self._run.directory)
            )
            kept = self._processes.gather(own)[0]
            if kept is not None:
                lora.set_base_name(policy.model, kept)

    def restore(self, saved: Saved[Any]) -> int:
        """Restores the parts and returns the step that was logged last.

        Later checkpoints are removed.

        Raises:
            ValueError: If the number of processes is not that of the checkpoint.
        """
        count, rank = self._processes.count, self._processes.rank
        if len(saved.state["own"]) != count:
            raise ValueError(
                f"{saved.checkpoint.path} was written by {len(saved.state['own'])} processes, and "
                f"there are {count} now: expected as many to continue the run"
            )
        own = saved.state["own"][rank]
        for name, part in self._parts.items():
            part.load_state_dict(saved.state["parts"][name])
        for name, part in self._own.items():
            part.load_state_dict(own["parts"][name])
        self._processes.wait()  # until all have read their part
        if self._processes.is_main:
            drop_after(saved.checkpoint)
        # Last, because making and loading parts may draw random numbers.
        set_random_state(own["random"])
        return saved.checkpoint.step

    def updated(self, step: int, updates: int, *, last: bool) -> bool:
        """Starts to write a checkpoint if one is due, and gathers the policy after the last update.

        After the last update, or the one that was to be the last, it is waited for.

        Args:
            step: Step that was just logged.
            updates: Number of updates so far.
            last: Whether this was the last update.

        Returns:
            Whether a checkpoint is written.

        Raises:
            OSError: If this checkpoint, or the one before, cannot be written.
            KeyboardInterrupt: If Ctrl-C was pressed, or SIGTERM sent, during the update.
        """
        self._waited = None
        self._writer.check()
        # A signal may reach the processes in different updates, and their clocks differ.
        told = self._processes.gather((self._interrupted, self._is_time()))
        interrupted, is_time = any(each for each, _ in told), told[0][1]
        ending = last or interrupted
        due = self._every > 0 and (ending or (updates % self._every == 0 and is_time))
        started = time.perf_counter()
        if due or ending:
            self._writer.wait()  # so that there is never more than one copy
            self._policy.gather()
        if due:
            self._checkpoint(step, started)
        if not ending:
            self._policy.release()
        else:
            self._writer.wait(announce=interrupted)
        if due:
            self._waited = time.perf_counter() - started
        if interrupted and not last:
            raise KeyboardInterrupt
        return due

    def metrics(self) -> dict[str, float | None]:
        """Returns the seconds that training waited for the last update's checkpoint, if any.

        And those that a thread took to write the checkpoint that was finished last.
        """
        return {
            "time/checkpoint_seconds": self._waited,
            "time/checkpoint_writing_seconds": self._writer.seconds,
        }

    def _is_time(self) -> bool:
        """Returns whether a checkpoint may be written now, by its size and the time."""
        return self._spacing is None or self._spacing.is_over(self._writer)

    def _checkpoint(self, step: int, started: float) -> None:
        """Gathers and copies the state of all processes; the main one writes it, in a thread."""
        own = {
            "parts": {name: part.state_dict() for name, part in self._own.items()},
            "random": random_state(),
        }
        every = self._processes.gather(own)
        shared = {
            "policy": training_state(self._policy.policy),
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
        }
        if self._run is None:
            self._processes.unshard(shared)
            return
        about = {
            "metrics_size": self._run.metrics_size(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        state = {
            **about,
            **self._processes.unshard(snapshot(shared)),
            "own": snapshot(every),
        }
        weights = self._policy.weights()
        if not self._processes.is_sharded:
            weights = snapshot(weights)
        if self._spacing is not None:
            self._spacing.began(started, size_of((state, weights)))
        write = functools.partial(self._write, self._run, step, state, weights)
        self._writer.start(write, f"the checkpoint at step {step}")

    @contextmanager
    def finishing_updates(self) -> Iterator[None]:
        """Lets Ctrl-C wait for the end of the update inside the block; a second one stops at once.

        So does SIGTERM inside `sigterm_interrupts`. What is being written when the block ends is
        finished.
        """
        try:
            with deferred_interrupts(self._tell):
                yield
        except BaseException as error:
            try:
                self._writer.wait(announce=True)
            except Exception as failure:
                error.add_note(str(failure))
            raise

    def _tell(self, again: bool) -> None:
        first, self._interrupted = not self._interrupted, True
        if first:
            hint = "; Ctrl-C again stops now" if again else ""
            tqdm.write(f"stopping after this update{hint}", file=sys.stderr)

    def _write(self, run: Run, step: int, state: Mapping[str, Any], weights: PolicyWeights) -> None:
        def fill(folder: Path) -> None:
            (folder / CONFIG_FILE).write_text(run.configuration, encoding="utf-8")
            self._policy.save(folder / POLICY, weights)
            write_tree(state, folder, _STATE)

        try:
            write_checkpoint(run.directory, step, self._kind, fill, keep=self._keep)
        except OSError as error:
            raise OSError(
                error.errno,
                f"the checkpoint at step {step} cannot be written ({error.strerror}); earlier ones "
                "are complete. Free some disk space, and resume",
                str(run.directory),
            ) from error


def _read_state(checkpoint: Checkpoint) -> dict[str, Any]:
    try:
        return dict(read_tree(checkpoint.path, _STATE))
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.path} cannot be read: {error}") from error


def _check_options(checkpoint: Checkpoint, config: type[ModelOptions]) -> tuple[int, int]:
    """Checks that a run is resumed with the options that it began with.

    Returns:
        The run's length when the checkpoint was written, and now.

    Raises:
        ValueError: If the run's own file was changed.
    """
    length = LENGTH[checkpoint.kind]
    file = checkpoint.run / CONFIG_FILE
    then = json.loads((checkpoint.path / CONFIG_FILE).read_text(encoding="utf-8"))
    if not file.is_file():
        return then[length], then[length]
    now = json.loads(file.read_text(encoding="utf-8"))
    # An option that only one of them has is from another release, where it has its default.
    changed = {name for name in now.keys() & then.keys() if now[name] != then[name]}
    changed.discard("out")  # the run may have been moved
    changed -= config.without_effect(now).keys()  # left out when it was resumed before
    if isinstance(now.get(length), int) and now[length] > then[length]:
        changed.discard(length)  # an extended run, interrupted before its next checkpoint
    if changed:
        name = min(changed)
        raise ValueError(
            f"{file} says {name}={now[name]!r}, and the checkpoint was trained with "
            f"{name}={then[name]!r}: a run continues with the options that it began with. "
            f"Restore that value, or start a new run with --model {checkpoint.path / POLICY}"
        )
    return then[length], now[length]
