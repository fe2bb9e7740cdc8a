"""Weights that only the first process has read from disk, given to the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vlm_agent.distributed.sharding import is_sharded


def are_missing(module: nn.Module) -> bool:
    """Returns whether any of a module's parameters and buffers has a shape, but no values."""
    return any(tensor.is_meta for tensor in _tensors(module))


def outline(module: nn.Module) -> str:
    """Returns a hash of the names, shapes and formats of a module's parameters and buffers.

    Tensors that occur twice count once, so it also tells which are tied.
    """
    digest = hashlib.sha256()
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
    return digest.hexdigest()


def receive(module: nn.Module, device: torch.device) -> None:
    """Moves a module to a device, and gives it the values that the first process has.

    All processes have to call it. Tensors stay the same objects, tied ones tied; those that are
    sharded already are left alone.

    Args:
        module: The module.
        device: Device of this process.
    """
    for tensor in _tensors(module):
        if is_sharded(tensor):
            continue
        if tensor.is_meta:
            empty = torch.empty_like(tensor, device=device)
            if isinstance(tensor, nn.Parameter):
                empty = nn.Parameter(empty, requires_grad=tensor.requires_grad)
            torch.utils.swap_tensors(tensor, empty)
        else:
            tensor.data = tensor.data.to(device)
        own = tensor.detach()
        # Some tensors are transposed in memory, but bytes have to have the same order everywhere.
        sent = own.contiguous()
        torch.distributed.broadcast(sent.reshape(-1).view(torch.uint8), src=0)
        if sent.data_ptr() != own.data_ptr():
            own.copy_(sent)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    yield from module.parameters()
    yield from module.buffers()
