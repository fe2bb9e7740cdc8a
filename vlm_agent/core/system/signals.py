"""Being told to end: Ctrl-C, and the SIGTERM of a cluster's scheduler."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class _Ending:
    """A handler that makes of the first SIGTERM what Ctrl-C is, in the process that installed it.

    Further ones are ignored: launchers and schedulers that repeat it kill what takes too long
    themselves, and saving should not be broken off. Children inherit the handler, and end as they
    would without it.
    """

    def __init__(self) -> None:
        self.told = False
        self._process = os.getpid()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not self.told:
            self.told = True
            raise KeyboardInterrupt


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Lets SIGTERM raise `KeyboardInterrupt` inside the block, as Ctrl-C does, but only once.

    Changes nothing outside the main thread, or if SIGTERM has a handler or is ignored.
    """
    if not _in_main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    try:
        signal.signal(signal.SIGTERM, _Ending())
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def deferred_interrupts(tell: Callable[[bool], None]) -> Iterator[None]:
    """Lets a function be called inside the block in place of the first `KeyboardInterrupt`.

    Concerns SIGINT, unless it has a handler of its own, and SIGTERM inside `sigterm_interrupts`.
    Changes nothing outside the main thread.

    Args:
        tell: Called in this process, in the main thread; its argument says whether the same signal
            raises `KeyboardInterrupt` if it is sent again; true for SIGINT alone.
    """
    process = os.getpid()
    handler = signal.getsignal(signal.SIGTERM)
    ending = handler if isinstance(handler, _Ending) else _Ending()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            # Launchers send SIGTERM after Ctrl-C.
            ending.told = True
            signal.signal(number, signal.default_int_handler)
            tell(True)
        else:
            signal.default_int_handler(number, frame)

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:
            ending(number, frame)
        elif not ending.told:
            ending.told = True
            tell(False)

    replaced: dict[signal.Signals, Callable[[int, FrameType | None], None]] = {}
    if _in_main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            replaced[signal.SIGINT] = interrupt
        if ending is handler:
            replaced[signal.SIGTERM] = end
    before = {number: signal.getsignal(number) for number in replaced}
    try:
        for number, own in replaced.items():
            signal.signal(number, own)
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
