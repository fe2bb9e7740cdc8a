"""Playback of an agent's steps: when each one is shown, and which keys control it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from vlm_agent.evaluation.play import Step

_MIN_SECONDS, _MAX_SECONDS = 0.05, 20.0  # per step


class StepSource:
    """Takes steps from an iterator in its own thread, so that the window responds meanwhile.

    Args:
        steps: The steps.

    Attributes:
        finished: Whether all steps have been taken.
    """

    def __init__(self, steps: Iterator[Step]) -> None:
        # At most one step ahead: what is shown is what is being played.
        self._steps: queue.Queue[Step | BaseException | None] = queue.Queue(maxsize=1)
        self._stopped = threading.Event()
        self.finished = False
        self._thread = threading.Thread(target=self._run, args=(steps,), daemon=True)
        self._thread.start()

    def next(self) -> Step | None:
        """Returns the next step, or `None` if it is not there yet or all are finished.

        Raises:
            Exception: If the iterator raised it.
        """
        if self.finished:
            return None
        try:
            item = self._steps.get_nowait()
        except queue.Empty:
            return None
        if isinstance(item, BaseException):
            self.finished = True
            raise item
        self.finished = item is None
        return item

    def stop(self) -> None:
        """Stops after the step that is being played."""
        self._stopped.set()
        self._thread.join(timeout=5)

    def _run(self, steps: Iterator[Step]) -> None:
        try:
            for step in steps:
                if not self._put(step):
                    return
            self._put(None)
        except BaseException as error:  # raised again by `next`
            self._put(error)

    def _put(self, item: Step | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._steps.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False


class Playback:
    """State of the window: the steps shown so far, and when the next one is due.

    Args:
        seconds: Time for which each step is shown.
        paused: Start paused.

    Attributes:
        steps: Steps of the current episode, up to the one that is shown.
        episodes: Number of finished episodes.
        wins: Number of these that were a success.
        prompt: Whether the prompt is shown instead of the reply.
        waiting: Whether the next step is due, but not played yet.
        closed: Whether the window should close.
    """

    def __init__(self, seconds: float, *, paused: bool = False) -> None:
        self.seconds = seconds
        self.paused = paused
        self.steps: list[Step] = []
        self.episodes = 0
        self.wins = 0
        self.prompt = False
        self.waiting = True
        self.closed = False
        self._due = 0.0
        self._skipping: int | None = None
        self._single = True  # the first step is shown even when paused

    @property
    def total(self) -> float:
        """Sum of rewards of the current episode."""
        return sum(step.reward for step in self.steps)

    def tick(self, now: float, take: Callable[[], Step | None]) -> bool:
        """Moves to the next step if it is due and available.

        Args:
            now: Time in seconds.
            take: Returns the next step, or `None` if it is not available.

        Returns:
            Whether the window has to be redrawn.
        """
        due = self._single or self._skipping is not None or (not self.paused and now >= self._due)
        if not due:
            return False
        step = take()
        changed = self.waiting != (step is None)
        self.waiting = step is None
        if step is None:
            return changed
        if step.index == 0:
            self.steps = []
        self.steps.append(step)
        if step.last:
            self.episodes += 1
            self.wins += step.is_success
        if self._skipping != step.episode:
            self._skipping = None
            self._single = False
        # The last step of an episode is shown twice as long.
        self._due = now + self.seconds * (2 if step.last else 1)
        return True

    def press(self, key: str) -> None:
        """Handles a key; ignores unknown ones."""
        if key in ("escape", "q"):
            self.closed = True
        elif key == "space":
            self.paused = not self.paused
            self._due = 0.0
        elif key in ("right", "n"):
            self.paused, self._single = True, True
        elif key == "e" and self.steps:
            self._skipping = self.steps[-1].episode
        elif key == "p":
            self.prompt = not self.prompt
        elif key in ("+", "=", "up"):
            self.seconds = max(_MIN_SECONDS, self.seconds / 1.5)
            self._due = 0.0
        elif key in ("-", "down"):
            self.seconds = min(_MAX_SECONDS, self.seconds * 1.5)
