"""The policy that training started with: its weights, to go back to for a while."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from vlm_agent.distributed.sharding import spread_like
from vlm_agent.models import lora


class Reference:
    """Weights of a policy as they were.

    Args:
        weights: Those that are trained, by their names in the policy.
        without_adapter: Whether the adapter is to be left out, instead of keeping a copy of it.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, without_adapter: bool) -> None:
        self._weights = dict(weights)
        self._without_adapter = without_adapter

    @classmethod
    def of(cls, policy: nn.Module, model: Any, head: nn.Module) -> Reference:
        """What a policy is now.

        What is trained is copied, so a fully trained model takes its memory once more. Nothing is
        copied of an adapter that changes nothing yet: the reference is the model without it.

        Args:
            policy: The policy.
            model: Its model.
            head: Its value head.
        """
        without_adapter = hasattr(model, "disable_adapter") and not lora.has_effect(model)
        own = {id(p) for p in (head if without_adapter else policy).parameters() if p.requires_grad}
        weights = {
            name: parameter.detach().clone()
            for name, parameter in policy.named_parameters()
            if id(parameter) in own
        }
        return cls(weights, without_adapter=without_adapter)

    @contextmanager
    def restored(self, policy: nn.Module, model: Any) -> Iterator[None]:
        """Inside, the policy is what it was, without gradients.

        Args:
            policy: The policy, which may have been spread over processes meanwhile.
            model: Its model.
        """
        parameters = dict(policy.named_parameters())
        for name, kept in self._weights.items():
            self._weights[name] = spread_like(kept.to(parameters[name].device), parameters[name])
        with torch.no_grad(), model.disable_adapter() if self._without_adapter else nullcontext():
            self._exchange(parameters)
            try:
                yield
            finally:
                self._exchange(parameters)

    def _exchange(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Puts what is kept into the parameters, and keeps what they held."""
        for name, kept in self._weights.items():
            # In place, since spread weights are brought together from the memory that they have.
            parameter = parameters[name].detach()
            now = parameter.clone()
            parameter.copy_(kept)
            kept.copy_(now)

    def state_dict(self) -> dict[str, Any]:
        """All of it."""
        return {"weights": self._weights, "without_adapter": self._without_adapter}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Reference:
        """What `state_dict` was taken of."""
        return cls(state["weights"], without_adapter=state["without_adapter"])
