"""Seeds of episodes, derived so that no evaluation episode is ever trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np


def episode_seeds(
    purpose: Literal["training", "evaluation"], seed: int, count: int
) -> Sequence[int]:
    """Seeds for `count` episodes or environments, reproducible from one seed.

    Training seeds are even and evaluation seeds odd, so the two never meet.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative: expected 0 or above")
    words = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return [(int(word) >> 2 << 1) | (purpose == "evaluation") for word in words]


def training_seeds(seed: int) -> Iterator[int]:
    """Endless seeds of single episodes to train on; even, as all training seeds are."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    while True:
        yield int(rng.integers(1 << 62)) << 1
