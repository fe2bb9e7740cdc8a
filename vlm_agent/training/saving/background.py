"""Writing in the background, one task at a time."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from tqdm import tqdm


class BackgroundWriter:
    """Runs one task at a time in a thread; its error is raised in the thread that waits for it.

    Attributes:
        seconds: Time that the last finished task took; `None` before the first has finished.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None
        # Not the thread itself: Python takes one for ended if Ctrl-C interrupts its `join`.
        self._ended = threading.Event()
        self._ended.set()
        self._name = ""
        self._error: BaseException | None = None

    @property
    def is_busy(self) -> bool:
        """True while a task runs."""
        return not self._ended.is_set()

    def start(self, task: Callable[[], object], name: str) -> None:
        """Starts a task, once the one before has ended.

        Args:
            task: The task; nothing that it reads may change before it has ended.
            name: What is written, for messages.

        Raises:
            BaseException: What the task before raised.
        """
        self.wait()
        self._name = name
        self._ended.clear()
        # A daemon, so that Ctrl-C while it is waited for ends the program.
        threading.Thread(target=self._run, args=(task,), name=name, daemon=True).start()

    def check(self) -> None:
        """Raises the error of a task that has ended with one; each error is raised once.

        Raises:
            BaseException: What the task raised.
        """
        if not self.is_busy:
            self.wait()

    def wait(self, *, announce: bool = False) -> None:
        """Waits until nothing is being written.

        Args:
            announce: Whether to say so, because somebody is waiting for the program to end.

        Raises:
            BaseException: What the task raised.
        """
        if announce and self.is_busy:
            tqdm.write(f"finishing {self._name}; Ctrl-C again leaves it out", file=sys.stderr)
        self._ended.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, task: Callable[[], object]) -> None:
        started = time.perf_counter()
        try:
            task()
        except BaseException as error:  # raised in the thread that waits
            self._error = error
        else:
            self.seconds = time.perf_counter() - started
        finally:
            self._ended.set()
