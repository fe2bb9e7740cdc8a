"""Algorithms by name. One is a file here, or a class of your own as `MODULE:CLASS`."""

from __future__ import annotations

import importlib

from vlm_agent.training.algorithms.base import CRITIC_OPTIONS, GROUP_OPTIONS, Algorithm
from vlm_agent.training.algorithms.gigpo import GiGPOAlgorithm
from vlm_agent.training.algorithms.grpo import GRPOAlgorithm
from vlm_agent.training.algorithms.gtr import GTRAlgorithm
from vlm_agent.training.algorithms.ppo import PPOAlgorithm
from vlm_agent.training.algorithms.vl_dac import VLDACAlgorithm

__all__ = ["ALGORITHMS", "CRITIC_OPTIONS", "GROUP_OPTIONS", "Algorithm", "find_algorithm"]

ALGORITHMS: dict[str, type[Algorithm]] = {
    kind.name: kind
    for kind in (PPOAlgorithm, VLDACAlgorithm, GRPOAlgorithm, GiGPOAlgorithm, GTRAlgorithm)
}


def find_algorithm(name: str) -> Algorithm:
    """Returns the algorithm of a name.

    Args:
        name: One of `ALGORITHMS`, or `MODULE:CLASS` of a subclass of `Algorithm`.

    Raises:
        ValueError: If there is none.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]()
    expected = (
        f"expected one of {', '.join(ALGORITHMS)}, or MODULE:CLASS of a subclass of "
        "vlm_agent.training.algorithms.Algorithm"
    )
    module, _, attribute = name.partition(":")
    if not attribute:
        raise ValueError(f"algorithm={name!r}: {expected}")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"algorithm={name!r}: {error}; {expected}") from error
    if not (isinstance(kind, type) and issubclass(kind, Algorithm)):
        raise ValueError(f"algorithm={name!r} is {kind!r}: {expected}")
    return kind()
