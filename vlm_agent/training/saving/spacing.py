"""How often checkpoints are written by default: by their size, and by the time that it takes."""

from __future__ import annotations

import time

from vlm_agent.training.saving.background import BackgroundWriter

SMALL_BYTES = 2**26
"""Checkpoints up to this size are written whenever they are due."""
MAX_SHARE = 0.05
"""Maximum share of a run's time in which larger ones are written."""


class Spacing:
    """Decides whether a checkpoint that is due is written, from what the one before it cost."""

    def __init__(self) -> None:
        self._size = 0
        self._started = 0.0
        self._copying = 0.0

    def began(self, started: float, size: int) -> None:
        """Notes that the state was copied, and will be written now.

        Args:
            started: Time (`time.perf_counter`) at which training stopped for it.
            size: Its size in bytes.
        """
        self._size, self._started = size, started
        self._copying = time.perf_counter() - started

    def is_over(self, writer: BackgroundWriter) -> bool:
        """Returns whether another one may be written now.

        Args:
            writer: The writer of the one before, if there is one.
        """
        if self._size <= SMALL_BYTES:
            return True
        if writer.is_busy or writer.seconds is None:
            return False
        cost = self._copying + writer.seconds
        return time.perf_counter() - self._started >= cost / MAX_SHARE
