"""Saving a policy from the main process, also if its weights are sharded over several."""

from __future__ import annotations

from pathlib import Path

from vlm_agent.core.errors import NotWholeError
from vlm_agent.distributed.processes import Processes
from vlm_agent.models import lora
from vlm_agent.models.policy import PolicyWeights, VLMPolicy


class GatheredPolicy:
    """Policy that the main process can save, also if its weights are sharded over processes.

    Args:
        policy: The policy.
        processes: The processes that train it; by default this one alone.
    """

    def __init__(self, policy: VLMPolicy, processes: Processes | None = None) -> None:
        self.policy = policy
        self._sharded_over = processes if processes and processes.is_sharded else None
        self._weights: PolicyWeights | None = None

    def gather(self) -> None:
        """Gathers sharded weights for `save`; must be called in all processes."""
        if self._sharded_over is not None:
            # Each process looks at the disk, but all have to gather the same weights.
            adapter_only = not self._sharded_over.any(not _saves_adapter_only(self.policy))
            weights = _weights(self.policy, adapter_only=adapter_only)
            self._weights = self._sharded_over.unshard(weights)

    def release(self) -> None:
        """Drops the gathered weights, which the next update makes out of date."""
        self._weights = None

    def weights(self) -> PolicyWeights:
        """Returns the weights that `save` writes: the policy's own tensors, or gathered copies.

        Raises:
            NotWholeError: If the weights are sharded and were not gathered.
        """
        if self._sharded_over is None:
            return _weights(self.policy, adapter_only=_saves_adapter_only(self.policy))
        if self._weights is None:
            raise NotWholeError(
                f"the weights are sharded over {self._sharded_over.count} processes and can no "
                "longer be gathered: resume from the last checkpoint with --resume"
            )
        return self._weights

    def save(self, directory: str | Path, weights: PolicyWeights | None = None) -> None:
        """Writes the policy into a directory.

        Args:
            directory: Directory to write to.
            weights: Copies of what `weights` returned earlier; by default the present ones.

        Raises:
            NotWholeError: If the weights are sharded and were not gathered, or `weights` lacks
                those of the base model, which has since disappeared from the disk.
        """
        if weights is None and self._sharded_over is not None:
            weights = self.weights()
        self.policy.save(directory, weights)


def _saves_adapter_only(policy: VLMPolicy) -> bool:
    """Returns whether `VLMPolicy.save` leaves out the base model, because it has a name."""
    return policy.has_adapter and lora.base_name(policy.model) is not None


def _weights(policy: VLMPolicy, *, adapter_only: bool) -> PolicyWeights:
    model = policy.model.state_dict(keep_vars=True)
    if adapter_only:
        model = lora.adapter_weights(policy.model, model)
    return {"model": model, "value_head": policy.value_head.state_dict(keep_vars=True)}
