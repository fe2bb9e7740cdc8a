"""Diversity of thoughts: the shares of distinct thoughts and of distinct word pairs."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from vlm_agent.core.prompts import THOUGHTS
from vlm_agent.core.types import Reply


class Diversity:
    """Counts distinct thoughts; a policy whose reasoning collapses repeats a few of them."""

    def __init__(self) -> None:
        self._thoughts: Counter[str] = Counter()
        self._pairs: Counter[tuple[str, str]] = Counter()

    def add(self, reply: Reply) -> None:
        """Counts the thought of a reply, if it has one."""
        thought = thought_of(reply)
        if thought is not None:
            self.add_thought(thought)

    def add_thought(self, thought: str) -> None:
        """Counts a thought."""
        self._thoughts[thought] += 1
        self._pairs.update(pairwise(thought.split()))

    def merge(self, other: Diversity) -> None:
        """Adds the counts of another instance."""
        self._thoughts.update(other._thoughts)
        self._pairs.update(other._pairs)

    @property
    def distinct_thoughts(self) -> float | None:
        """Number of distinct thoughts divided by the number of all."""
        return _share(len(self._thoughts), self._thoughts.total())

    @property
    def distinct_pairs(self) -> float | None:
        """Share of distinct pairs of adjacent words (distinct-2, Li et al. 2016)."""
        return _share(len(self._pairs), self._pairs.total())


def thought_of(reply: Reply) -> str | None:
    """Returns the thought of a reply, if it has one."""
    return reply.fields.get(THOUGHTS)


def _share(distinct: int, total: int) -> float | None:
    return distinct / total if total else None
