"""Passes of a Hugging Face model through a batch, and what is set aside while it makes them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig as HFGenerationConfig


def last_positions(network: Any, inputs: Mapping[str, Any], keep: int) -> tuple[Tensor, Tensor]:
    """One pass: logits, and the hidden states before them, of the last positions alone.

    Args:
        network: The model, without PEFT's wrapper.
        inputs: Of a batch that is padded on the left.
        keep: How many positions.

    Returns:
        Shapes (batch, keep, vocabulary) and (batch, keep, hidden size).
    """
    inputs = dict(inputs)
    taken = inspect.signature(network.forward).parameters
    if "logits_to_keep" in taken:
        inputs["logits_to_keep"] = keep
    own_positions = hasattr(getattr(network, "model", None), "get_rope_index")
    if "position_ids" in taken and not own_positions:
        # Padding on the left must not move a row's positions. Models with positions in a
        # picture find their own, of which rows and columns are a part.
        inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    with hidden_states(network) as hidden, recomputing(network):
        logits = network(**inputs, use_cache=False).logits
    return logits[:, -keep:], hidden[0][:, -keep:]


@contextmanager
def hidden_states(network: Any) -> Iterator[list[Tensor]]:
    """Collects what enters the output embeddings first: the last layer's normed hidden states."""
    hidden: list[Tensor] = []
    handle = network.get_output_embeddings().register_forward_pre_hook(
        lambda _, args: hidden.append(args[0]) if not hidden else None
    )
    try:
        yield hidden
    finally:
        handle.remove()


@contextmanager
def recomputing(network: nn.Module) -> Iterator[None]:
    """Lets layers with gradient checkpointing act by it although dropout is off.

    They do so only in training mode. So the layers alone are put into it, and not the modules
    inside them, which drop values in it; what a layer would drop by itself is set to 0.
    """
    layers = [
        module
        for module in (network.modules() if torch.is_grad_enabled() else ())
        if getattr(module, "gradient_checkpointing", False) and not module.training
    ]
    dropped = [
        (layer, name, value)
        for layer in layers
        for name, value in vars(layer).items()
        if "drop" in name and isinstance(value, float)
    ]
    for layer, name, _ in dropped:
        setattr(layer, name, 0.0)
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
        for layer, name, value in dropped:
            setattr(layer, name, value)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Dropout off, whatever mode training has left each module in."""
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True


@contextmanager
def without_own_defaults(network: Any) -> Iterator[None]:
    """A model's own generation settings set aside.

    A repetition penalty, say, would change what is sampled from, unknown to whoever scores it.
    """
    own = network.generation_config
    network.generation_config = HFGenerationConfig()
    try:
        yield
    finally:
        network.generation_config = own
