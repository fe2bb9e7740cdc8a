"""The states of the global random generators, which environments and libraries may draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Returns the states of the global random generators."""
    kind, *legacy = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [kind, *legacy],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Sets the global random generators to the states that `random_state` returned."""
    version, numbers, following = state["python"]
    random.setstate((version, tuple(numbers), following))
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])


@contextmanager
def keeping_random_state() -> Iterator[None]:
    """Leaves the global random generators as they were before the block."""
    state = random_state()
    try:
        yield
    finally:
        set_random_state(state)
