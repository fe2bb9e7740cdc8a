"""A cache of keys and values that has room for the tokens to come."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

# Tokens that a layer makes room for at once.
_ROOM = 64


def can_share_prompts(network: Any) -> bool:
    """Returns whether several replies can go on from one prompt: its cache must have rows.

    Args:
        network: The Hugging Face model, without PEFT's wrapper.
    """
    return has_rows(DynamicCache(config=network.config.get_text_config(decoder=True)))


def has_rows(cache: Any) -> bool:
    """Returns whether rows of a cache can be selected: not if it is one of linear attention."""
    layers = getattr(cache, "layers", None)
    return layers is not None and all(hasattr(layer, "batch_select_indices") for layer in layers)


def reserve_room(cache: Any) -> None:
    """Gives a cache room to grow in, so that a token does not copy all that came before it.

    Only ordinary layers are replaced, in place; those of sliding windows or linear attention, which
    do not grow, are left alone.
    """
    if isinstance(cache, Cache):
        layers: Any = getattr(cache, "layers", ())
        for index, layer in enumerate(layers):
            if type(layer) is DynamicLayer and layer.get_seq_length():
                states: Any = layer
                layers[index] = _RoomyLayer(states.keys, states.values)


class _RoomyLayer(DynamicLayer):
    """A layer whose keys and values are the first part of a longer tensor.

    Args:
        keys: Shape (batch, heads, tokens, size).
        values: Same shape, except for the size.
    """

    keys: Tensor
    values: Tensor

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtype, self.device = keys.dtype, keys.device
        self.is_initialized = True
        self._place(keys, values)

    def _place(self, keys: Tensor, values: Tensor) -> None:
        self._rooms = _with_room(keys), _with_room(values)
        self._show(keys.shape[-2])

    def _show(self, length: int) -> None:
        self.keys, self.values = (room[..., :length, :] for room in self._rooms)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Adds the states of new tokens, and returns those of all."""
        start = self.keys.shape[-2]
        end = start + key_states.shape[-2]
        if end > self._rooms[0].shape[-2]:
            self._place(
                torch.cat([self.keys, key_states], dim=-2),
                torch.cat([self.values, value_states], dim=-2),
            )
        else:
            for room, new in zip(self._rooms, (key_states, value_states), strict=True):
                room[..., start:end, :].copy_(new)
            self._show(end)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keeps some rows of the batch."""
        self._place(self.keys[indices], self.values[indices])


def _with_room(states: Tensor) -> Tensor:
    *shape, length, size = states.shape
    room = states.new_empty(*shape, length + _ROOM, size)
    room[..., :length, :].copy_(states)
    return room
