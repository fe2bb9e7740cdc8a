"""Dropout of a low-rank adapter, turned on without that of its model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


def has_dropout(model: Any) -> bool:
    """Returns whether an adapter has dropout, which `dropping_out` turns on."""
    return any(module.p > 0 for module in _dropouts(model) if isinstance(module, nn.Dropout))


@contextmanager
def dropping_out(model: nn.Module) -> Iterator[None]:
    """Turns the dropout of an adapter on inside the context; that of the model itself stays off."""
    modules = [module for module in _dropouts(model) if not module.training]
    for module in modules:
        module.training = True
    try:
        yield
    finally:
        for module in modules:
            module.training = False


def _dropouts(model: nn.Module) -> list[nn.Module]:
    """Returns the dropout of an adapter, and the layers that ask for their own mode (DoRA)."""
    from peft.tuners.lora import LoraLayer

    layers = [module for module in model.modules() if isinstance(module, LoraLayer)]
    return [*layers, *(each for layer in layers for each in layer.lora_dropout.values())]
