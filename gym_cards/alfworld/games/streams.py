"""Random choices that are the same on every machine and with all versions of all packages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Stream:
    """Stream of choices that depend on a key alone.

    Python's and NumPy's generators may give other numbers in other versions; a hash does not.

    Args:
        key: Plain values, whose texts are the key.
    """

    def __init__(self, *key: str | int) -> None:
        self._key = "\n".join(map(str, key))
        self._drawn = 0

    def below(self, bound: int) -> int:
        """Returns an integer from 0 to `bound` - 1, uniform up to less than 1 in 10^15."""
        digest = hashlib.sha256(f"{self._key}\n{self._drawn}".encode()).digest()
        self._drawn += 1
        return int.from_bytes(digest[:8], "big") % bound

    def choose(self, items: Sequence[Item]) -> Item:
        """Returns one of the items."""
        return items[self.below(len(items))]

    def draw(self, weights: Mapping[Item, int]) -> Item:
        """Returns one of the keys, each as likely as its weight says."""
        left = self.below(sum(weights.values()))
        for item, weight in weights.items():
            left -= weight
            if left < 0:
                return item
        raise ValueError(f"the weights {dict(weights)!r} are not positive: expected counts")
