"""Errors of running out of memory that say which options to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class NotEnoughMemoryError(MemoryError):
    """The GPU or the machine ran out of memory."""


@contextmanager
def oom_hint(doing: str, advice: str) -> Iterator[None]:
    """Turns running out of memory inside the block into an error that says what to lower.

    Args:
        doing: What needs the memory, such as "replying to 8 environments".
        advice: The options that lower it.

    Raises:
        NotEnoughMemoryError: If memory runs out.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, NotEnoughMemoryError) or not _is_of_memory(error):
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotEnoughMemoryError(f"out of memory while {doing}: {advice} ({first})") from error


def _is_of_memory(error: Exception) -> bool:
    # On the CPU, torch raises a plain RuntimeError, which only its text identifies.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )
