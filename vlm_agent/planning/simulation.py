"""Runs a model on tensors that have a shape but no memory, and counts the bytes they would take.

Weights, and all that is computed from them, are torch's fake tensors. Token ids, masks and
positions are ordinary tensors, because the code of some models looks at their values.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_aten = torch.ops.aten
# Questions about values, which fake tensors do not have: whether a check passes, a trial shows what
# it should, or a picture is more than padding. The answer is always yes.
_QUESTIONS = {_aten._local_scalar_dense.default: 1, _aten.equal.default: True}


class MemoryCounter(TorchDispatchMode):
    """Counts the bytes of the tensors that operations return, until their memory is freed.

    Attributes:
        live: Bytes that are in use now.
        peak: The most so far; may be set, to find the peak of a part.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = 0
        self.peak = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs an operation, and counts what it returns."""
        result = self._run(func, args, kwargs or {})
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self.count(value)
        return result

    def count(self, tensor: Tensor) -> None:
        """Counts a tensor's memory, unless it is counted already."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known[key] = weakref.ref(storage, lambda _: self._freed(key, size))
        self.live += size
        self.peak = max(self.peak, self.live)

    def _freed(self, key: int, size: int) -> None:
        del self._known[key]
        self.live -= size

    def _run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return func(*args, **kwargs)


class Simulation(MemoryCounter):
    """Runs operations on weights without memory, and counts the bytes that they would take."""

    def __init__(self) -> None:
        super().__init__()
        self._fakes = FakeTensorMode(allow_non_fake_inputs=True)

    def without_memory(self, module: nn.Module) -> None:
        """Replaces the weights and buffers of a module on the meta device by fake ones."""
        known: dict[int, Tensor] = {}
        for part in module.modules():
            for tensors in (part._parameters, part._buffers):
                for name, value in tensors.items():
                    if value is not None and value.is_meta:
                        if id(value) not in known:
                            known[id(value)] = self._fake_like(value)
                            self.count(known[id(value)])
                        tensors[name] = known[id(value)]  # type: ignore[assignment]

    def tensor(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """Returns a fake tensor, whose memory is counted."""
        with self._fakes:
            value = torch.empty(shape, dtype=dtype)
        self.count(value)
        return value

    def _fake_like(self, value: Tensor) -> Tensor:
        with self._fakes:
            fake = torch.empty(value.shape, dtype=value.dtype)
            if isinstance(value, nn.Parameter):
                fake = nn.Parameter(fake, requires_grad=value.requires_grad)
        return fake

    def _run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        tensors = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if not any(isinstance(each, FakeTensor) for each in tensors):
            if tensors:
                return func(*args, **kwargs)  # ids, masks, positions
            with self._fakes:
                result = func(*args, **kwargs)
            is_number = isinstance(result, Tensor) and not result.is_floating_point()
            return func(*args, **kwargs) if is_number else result
        if func in _QUESTIONS:
            return _QUESTIONS[func]
        if func is _aten.nonzero.default:
            return _nonzero(args[0])
        if func is _aten.index.Tensor:
            args = (args[0], _without_masks(args[1]))
        with self._fakes:
            return func(*args, **kwargs)

    def count(self, tensor: Tensor) -> None:
        """Counts a fake tensor's memory, unless it is counted already."""
        if isinstance(tensor, FakeTensor):
            super().count(tensor)


def _without_masks(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Returns indices with masks replaced by numbers: the shape of a result then is known."""
    found: list[Tensor | None] = []
    for index in indices:
        if index is None or index.dtype != torch.bool:
            found.append(index)
        else:
            found += _nonzero(index).unbind(1)
    return found


def _nonzero(mask: Tensor) -> Tensor:
    """Returns the indices of a mask's true elements; all of them if it has no values."""
    if isinstance(mask, FakeTensor):
        mask = torch.ones(tuple(mask.shape), dtype=torch.bool)
    return mask.nonzero()
