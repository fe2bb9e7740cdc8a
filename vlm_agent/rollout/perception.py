"""Perception: the share of state fields that replies read out correctly."""

from __future__ import annotations

from vlm_agent.core.parsing import same_value
from vlm_agent.core.types import Observation, Reply


class Perception:
    """Counts the state fields that replies read out correctly.

    Fields given in the prompt do not count. A missing field counts as read wrongly, unless the
    policy never reads out any field, such as one without chain of thought.

    Attributes:
        right: Number of fields that were read correctly.
        asked: Number of fields to read.
        reads: Whether any field was read out.
    """

    def __init__(self, right: int = 0, asked: int = 0, reads: bool = False) -> None:
        self.right = right
        self.asked = asked
        self.reads = reads

    def add(self, reply: Reply, observation: Observation) -> None:
        """Counts the fields of one reply."""
        asked = observation.unsaid
        read = reply.fields
        self.reads = self.reads or any(name in read for name in asked)
        self.asked += len(asked)
        self.right += sum(
            same_value(read[name], value) for name, value in asked.items() if name in read
        )

    def merge(self, other: Perception) -> None:
        """Adds the counts of another instance."""
        self.asked += other.asked
        self.right += other.right
        self.reads = self.reads or other.reads

    @property
    def share(self) -> float | None:
        """Share of fields read correctly, or `None` if no field was read out."""
        return self.right / self.asked if self.reads else None
