"""Being told to end: Ctrl-C, and the SIGTERM of a cluster's scheduler."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _Ending:
    """A handler that makes of SIGTERM what Ctrl-C is, in the process that installed it.

    Its children inherit it, and end as they would without it.
    """

    def __init__(self) -> None:
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process:
            raise KeyboardInterrupt
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Lets SIGTERM raise `KeyboardInterrupt` inside the block, as Ctrl-C does.

    Changes nothing outside the main thread, or if SIGTERM has a handler or is ignored.
    """
    if not _in_main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _Ending())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def deferrable() -> tuple[signal.Signals, ...]:
    """Returns the signals that raise `KeyboardInterrupt` now, and could do so later.

    SIGINT unless it has a handler of its own, SIGTERM inside `sigterm_interrupts`; none outside the
    main thread.
    """
    if not _in_main_thread():
        return ()
    found = []
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        found.append(signal.SIGINT)
    if isinstance(signal.getsignal(signal.SIGTERM), _Ending):
        found.append(signal.SIGTERM)
    return tuple(found)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
