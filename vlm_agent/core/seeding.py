"""Random seeds of episodes; those of training and evaluation never coincide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np


def episode_seeds(
    purpose: Literal["training", "evaluation"], seed: int, count: int
) -> Sequence[int]:
    """Returns seeds of `count` episodes or environments, derived from one seed.

    Training seeds are even and evaluation seeds odd, so that they never coincide.

    Raises:
        ValueError: If the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative: expected 0 or above")
    words = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return [(int(word) >> 2 << 1) | (purpose == "evaluation") for word in words]


def training_seeds(seed: int) -> Iterator[int]:
    """Yields seeds of training episodes without end; even, as all training seeds are."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    while True:
        yield int(rng.integers(1 << 62)) << 1
