"""Random choices that are the same on every machine and with every version of everything."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Stream:
    """Choices that follow from a key alone.

    Generators of Python and NumPy may give other numbers in other versions; a hash does not.

    Args:
        key: Plain values, whose texts make the key.
    """

    def __init__(self, *key: str | int) -> None:
        self._key = "\n".join(map(str, key))
        self._drawn = 0

    def below(self, bound: int) -> int:
        """A whole number from 0 to `bound` - 1, uniform but for less than 1 in 10^15."""
        digest = hashlib.sha256(f"{self._key}\n{self._drawn}".encode()).digest()
        self._drawn += 1
        return int.from_bytes(digest[:8], "big") % bound

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]
