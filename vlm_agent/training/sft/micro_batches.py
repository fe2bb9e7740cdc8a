"""Micro-batches of demonstrations, in which all processes run the same parts of a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import nn

from vlm_agent.core.prompts import Chat
from vlm_agent.core.types import Demonstration, Task
from vlm_agent.distributed.processes import Processes


def micro_batches(
    batch: Sequence[Demonstration], size: int, module: nn.Module, processes: Processes
) -> Iterator[tuple[list[Demonstration], bool]]:
    """Yields micro-batches for `Processes.backward`, and whether each of them counts.

    Those with pictures come first: a model takes a batch with pictures in each prompt, or in none.
    If weights are sharded, processes gather those of the vision tower together, so that all of them
    have to make as many passes of either kind.

    Args:
        batch: The demonstrations of this process.
        size: Maximum number of demonstrations in a micro-batch.
        module: What `Processes.prepare` returned.
        processes: The processes.
    """
    kinds = {
        shown: [item for item in batch if bool(item.observation.images) == shown]
        for shown in (True, False)
    }
    if not processes.is_sharded:
        parts = [part for own in kinds.values() for part in _parts(own, size)]
        yield from processes.accumulate(module, parts, list(batch[:1]))
        return
    for shown, own in kinds.items():
        if processes.any(bool(own)):
            filler = own[:1] or [_blank(shown)]
            yield from processes.accumulate(module, _parts(own, size), filler)


def _parts(batch: Sequence[Demonstration], size: int) -> list[list[Demonstration]]:
    return [list(batch[at : at + size]) for at in range(0, len(batch), size)]


def _blank(shown: bool) -> Demonstration:
    """Returns a demonstration for a pass that does not count, with a picture or without."""
    picture = np.full((32, 32, 3), 255, np.uint8)
    content = [{"type": "image"}] if shown else [{"type": "text", "text": "."}]
    chat = Chat(
        picture,
        Task("", ()),
        (),
        messages=({"role": "user", "content": content},),
        pictures=(picture,) if shown else (),
    )
    return Demonstration(chat, ".")
