"""A policy as the main process saves it, gathered where its weights are sharded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from vlm_agent.core.errors import NotWholeError
from vlm_agent.distributed.processes import Processes

if TYPE_CHECKING:
    from vlm_agent.models.policy import VLMPolicy


class GatheredPolicy:
    """A policy as the main process saves it, also where its weights are spread over several.

    Args:
        policy: The policy.
        processes: Those that train it; by default this one alone.
    """

    def __init__(self, policy: VLMPolicy, processes: Processes | None = None) -> None:
        self.policy = policy
        self._spread_over = processes if processes and processes.is_sharded else None
        self._weights: dict[str, Tensor] | None = None

    def gather(self) -> None:
        """Brings spread weights together for `save`; all processes have to ask."""
        if self._spread_over is not None:
            # Agreed on, since each looks at the disk, and has to bring the same weights together.
            named = not self._spread_over.any(not self.policy.is_named)
            weights = self.policy.weights(adapter_alone=named)
            self._weights = self._spread_over.whole(weights)

    def release(self) -> None:
        """Forgets what was brought together, which the next update makes untrue."""
        self._weights = None

    def save(self, directory: str | Path) -> None:
        """Writes the policy into a directory.

        Raises:
            NotWholeError: If its weights are spread over processes, and were not brought together,
                or without those under an adapter, which are gone from the disk since.
        """
        if self._spread_over is None:
            self.policy.save(directory)
        elif self._weights is not None:
            self.policy.save(directory, self._weights)
        else:
            raise NotWholeError(
                f"the weights are spread over {self._spread_over.count} processes, which cannot be "
                "asked for them any more: go on from the last checkpoint with --resume"
            )
