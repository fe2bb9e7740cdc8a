"""Micro-batches of demonstrations, in which all processes run the same parts of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from torch import nn

from vlm_agent.core.prompts import Chat
from vlm_agent.core.types import Demonstration, Task
from vlm_agent.distributed.processes import Processes
from vlm_agent.training.batch import StepLength, bounded_parts


def micro_batches(
    batch: Sequence[Demonstration],
    size: int,
    module: nn.Module,
    processes: Processes,
    lengths: Mapping[int, StepLength],
    most_tokens: int | None,
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
        lengths: Length of each demonstration, by its `id`.
        most_tokens: Maximum number of tokens in a micro-batch, as for `bounded_parts`.
    """
    kinds = {
        shown: [item for item in batch if bool(item.observation.images) == shown]
        for shown in (True, False)
    }
    if not processes.is_sharded:
        parts = [part for own in kinds.values() for part in _parts(own, size, lengths, most_tokens)]
        yield from processes.accumulate(module, parts, list(batch[:1]))
        return
    for shown, own in kinds.items():
        if processes.any(bool(own)):
            filler = own[:1] or [_blank(shown)]
            parts = _parts(own, size, lengths, most_tokens)
            yield from processes.accumulate(module, parts, filler)


def _parts(
    batch: Sequence[Demonstration],
    size: int,
    lengths: Mapping[int, StepLength],
    most_tokens: int | None,
) -> list[list[Demonstration]]:
    rows = range(len(batch))
    parts = [list(rows[at : at + size]) for at in rows[::size]]
    those = [lengths[id(item)] for item in batch]
    return [[batch[i] for i in part] for part in bounded_parts(parts, those, size, most_tokens)]


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
