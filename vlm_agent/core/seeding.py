"""Random seeds of episodes; those of training and evaluation never coincide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from vlm_agent.core.checks import check_integer

# Added to the seed of validation, so that its episodes are others than those of an evaluation.
_VALIDATION = 0x76616C


def episode_seeds(
    purpose: Literal["training", "evaluation", "validation"], seed: int, count: int
) -> Sequence[int]:
    """Returns seeds of `count` episodes or environments, derived from one seed.

    Training seeds are even and the others odd, so that they never coincide. Validation chooses the
    best policy of a training, which an evaluation measures in other episodes.

    Raises:
        ValueError: If the seed is no whole number, or negative.
    """
    seed = check_integer("seed", seed, 0)
    entropy = [seed, _VALIDATION] if purpose == "validation" else seed
    words = np.random.SeedSequence(entropy).generate_state(count, np.uint64)
    return [(int(word) >> 2 << 1) | (purpose != "training") for word in words]


def training_seed(seed: int, *place: int) -> int:
    """Returns the seed of a training environment that is made later than the first ones.

    Args:
        seed: Random seed of the training.
        place: Numbers that tell it from the others.
    """
    word = np.random.SeedSequence([seed, *place]).generate_state(1, np.uint64)[0]
    return int(word) >> 2 << 1


def training_seeds(seed: int) -> Iterator[int]:
    """Yields seeds of training episodes without end; even, as all training seeds are."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    while True:
        yield int(rng.integers(1 << 62)) << 1
