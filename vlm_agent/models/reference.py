"""Reference policy: the weights at the start of training, to switch back to temporarily."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from vlm_agent.distributed.sharding import shard_like
from vlm_agent.models import lora


class Reference:
    """Earlier weights of a policy.

    Args:
        weights: The trained weights, by their names in the policy.
        without_adapter: Whether the reference is the model without its adapter, of which no copy
            is kept then.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, without_adapter: bool) -> None:
        self._weights = dict(weights)
        self._without_adapter = without_adapter

    @classmethod
    def of(cls, policy: nn.Module, model: Any, head: nn.Module) -> Reference:
        """Keeps the present weights of a policy.

        Trained weights are copied, so a fully trained model needs its memory once more. Of an
        adapter without any effect yet nothing is copied: the reference is the model without it.

        Args:
            policy: The policy.
            model: Its model.
            head: Its value head.
        """
        without_adapter = hasattr(model, "disable_adapter") and not lora.has_effect(model)
        copied = head if without_adapter else policy
        ids = {id(p) for p in copied.parameters() if p.requires_grad}
        weights = {
            name: parameter.detach().clone()
            for name, parameter in policy.named_parameters()
            if id(parameter) in ids
        }
        return cls(weights, without_adapter=without_adapter)

    @contextmanager
    def restored(self, policy: nn.Module, model: Any) -> Iterator[None]:
        """Puts the weights into the policy inside the context, without gradients.

        Args:
            policy: The policy, which may have been sharded over processes in the meantime.
            model: Its model.
        """
        parameters = dict(policy.named_parameters())
        for name, weight in self._weights.items():
            self._weights[name] = shard_like(weight.to(parameters[name].device), parameters[name])
        with torch.no_grad(), model.disable_adapter() if self._without_adapter else nullcontext():
            self._swap(parameters)
            try:
                yield
            finally:
                self._swap(parameters)

    def _swap(self, parameters: Mapping[str, nn.Parameter]) -> None:
        for name, weight in self._weights.items():
            # In place, because FSDP gathers sharded weights from the memory that they have.
            parameter = parameters[name].detach()
            present = parameter.clone()
            parameter.copy_(weight)
            weight.copy_(present)

    def state_dict(self) -> dict[str, Any]:
        """Returns what `from_state` restores."""
        return {"weights": self._weights, "without_adapter": self._without_adapter}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Reference:
        """Restores a reference from its `state_dict`."""
        return cls(state["weights"], without_adapter=state["without_adapter"])
