"""Forward passes of a Hugging Face model, and context managers for what they must not do."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GenerationConfig as HFGenerationConfig


def last_positions(network: Any, inputs: Mapping[str, Any], keep: int) -> tuple[Tensor, Tensor]:
    """Runs one pass and returns the logits and hidden states of the last positions.

    Args:
        network: The model, without PEFT's wrapper.
        inputs: Inputs of a batch that is padded on the left.
        keep: Number of positions to return.

    Returns:
        Logits of shape (batch, keep, vocabulary), and the hidden states that they were computed
        from, of shape (batch, keep, hidden size).
    """
    inputs = dict(inputs)
    accepted = inspect.signature(network.forward).parameters
    if "logits_to_keep" in accepted:
        inputs["logits_to_keep"] = keep
    own_positions = hasattr(getattr(network, "model", None), "get_rope_index")
    if "position_ids" in accepted and not own_positions:
        # Padding on the left must not shift a row's positions. Models whose positions have rows
        # and columns of a picture compute their own.
        inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    with hidden_states(network) as hidden, gradient_checkpointing(network):
        logits = network(**inputs, use_cache=False).logits
    return logits[:, -keep:], hidden[0][:, -keep:]


@contextmanager
def hidden_states(network: Any) -> Iterator[list[Tensor]]:
    """Records the input of the output embeddings in the first pass: the normed hidden states."""
    hidden: list[Tensor] = []
    handle = network.get_output_embeddings().register_forward_pre_hook(
        lambda _, args: hidden.append(args[0]) if not hidden else None
    )
    try:
        yield hidden
    finally:
        handle.remove()


@contextmanager
def gradient_checkpointing(network: nn.Module) -> Iterator[None]:
    """Makes layers with gradient checkpointing use it although dropout is off.

    Layers use it in training mode only. Therefore they alone are put into that mode, not the
    modules inside them, and their own dropout probabilities are set to 0.
    """
    layers = [
        module
        for module in (network.modules() if torch.is_grad_enabled() else ())
        if getattr(module, "gradient_checkpointing", False) and not module.training
    ]
    dropout = [
        (layer, name, value)
        for layer in layers
        for name, value in vars(layer).items()
        if "drop" in name and isinstance(value, float)
    ]
    for layer, name, _ in dropout:
        setattr(layer, name, 0.0)
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
        for layer, name, value in dropout:
            setattr(layer, name, value)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Turns dropout off, and restores the mode of every submodule afterwards."""
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True


@contextmanager
def without_generation_defaults(network: Any) -> Iterator[None]:
    """Sets a model's own generation config aside.

    A repetition penalty, for example, would change the sampling distribution without scoring
    noticing.
    """
    saved = network.generation_config
    network.generation_config = HFGenerationConfig()
    try:
        yield
    finally:
        network.generation_config = saved
