"""Muon for the matrices of hidden layers, and AdamW for all other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import nn

Parameters = Iterable[nn.Parameter]


class MuonWithAdamW(torch.optim.Optimizer):
    """Optimizer that updates matrices by Muon and all other parameters by AdamW.

    Muon (Jordan et al. 2024) replaces the update of a matrix by the nearest orthogonal one, so that
    all its directions learn equally fast. It is meant for the matrices of hidden layers.
    Updates are scaled as in Liu et al. 2025 (arXiv 2502.16982) to be about as large as those of
    AdamW, so that both have the same learning rate. No weights decay.

    Args:
        matrices: Parameters of two dimensions to update by Muon.
        others: The other parameters.
        lr: Learning rate of both.
    """

    def __init__(self, matrices: Parameters, others: Parameters, lr: float) -> None:
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                list(matrices), lr=lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(list(others), lr=lr, weight_decay=0.0),
        ]
        super().__init__([group for part in self._parts for group in part.param_groups], {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Takes a step along the current gradients.

        Args:
            closure: Computes the gradients, and returns the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        # Loading a state replaces both.
        for part, group in zip(self._parts, self.param_groups, strict=True):
            part.param_groups, part.state = [group], self.state
            part.step()
        return loss


def hidden_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Returns the trained weights of a model's linear layers, except for its output embeddings."""
    head = getattr(network, "get_output_embeddings", lambda: None)()
    weights = (
        cast(nn.Parameter, module.weight)
        for module in network.modules()
        if isinstance(module, nn.Linear) and module is not head
    )
    return [weight for weight in weights if weight.requires_grad]


def muon_for(network: nn.Module, weights: Parameters, lr: float) -> MuonWithAdamW:
    """Returns an optimizer of all given weights, by Muon for the matrices of hidden layers.

    Args:
        network: The model whose hidden layers are meant.
        weights: The weights to train.
        lr: Learning rate.
    """
    matrices = hidden_matrices(network)
    known = set(map(id, matrices))
    return MuonWithAdamW(matrices, [each for each in weights if id(each) not in known], lr)
