"""Running out of memory: what to lower is said in the place where it happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class NotEnoughMemoryError(MemoryError):
    """A GPU, or the machine, has too little memory for what was asked for."""


@contextmanager
def oom_hint(doing: str, advice: str) -> Iterator[None]:
    """Says what to lower where memory runs out inside the block.

    Args:
        doing: What the memory is for, such as "replying to 8 environments".
        advice: The options that lower it.

    Raises:
        NotEnoughMemoryError: If it did.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, NotEnoughMemoryError) or not _is_of_memory(error):
            raise
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise NotEnoughMemoryError(f"out of memory while {doing}: {advice} ({first})") from error


def _is_of_memory(error: Exception) -> bool:
    # On a CPU torch raises an ordinary RuntimeError that only its text tells apart.
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        "not enough memory" in str(error) or "can't allocate memory" in str(error)
    )
