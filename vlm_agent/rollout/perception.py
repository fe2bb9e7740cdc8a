"""Perception: the share of state fields that replies read out correctly."""

from __future__ import annotations

from vlm_agent.core.parsing import same_value
from vlm_agent.core.types import Observation, Reply


class Perception:
    """Counts how many state fields replies read out rightly.

    Fields that the prompt tells do not count. A field that a reply leaves out is read wrongly,
    but for a policy that never reads out any, as one without chain of thought.

    Attributes:
        right: How many fields were read rightly.
        asked: How many there were.
        reads: Whether any was read out.
    """

    def __init__(self, right: int = 0, asked: int = 0, reads: bool = False) -> None:
        self.right = right
        self.asked = asked
        self.reads = reads

    def add(self, reply: Reply, observation: Observation) -> None:
        """Counts the fields of one reply."""
        asked = [name for name in observation.state if name not in observation.given]
        read = reply.fields
        self.reads = self.reads or any(name in read for name in asked)
        self.asked += len(asked)
        self.right += sum(
            same_value(read[name], observation.state[name]) for name in asked if name in read
        )

    def merge(self, other: Perception) -> None:
        """Counts what another one has counted."""
        self.asked += other.asked
        self.right += other.right
        self.reads = self.reads or other.reads

    @property
    def share(self) -> float | None:
        """The share read rightly, or `None` where nothing is read out."""
        return self.right / self.asked if self.reads else None
