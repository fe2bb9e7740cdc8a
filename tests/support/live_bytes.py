"""Counts the bytes of tensors that are alive."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts tensors that take part in operations of this thread inside its context.

    `mark` divides it into named phases. Memory that an operation itself takes does not count.

    Attributes:
        peak: Most bytes alive at once, by phase.
        end: Bytes alive at its end, by phase.
    """

    def __init__(self):
        super().__init__()
        self.peak, self.end = {"": 0}, {}
        self._phase = ""
        self._storages = {}

    def mark(self, name):
        """Begins a phase."""
        self.end[self._phase] = self.alive()
        self._phase = name
        self.peak[name] = self.end[self._phase] = self.alive()

    def __exit__(self, *error):
        self.end[self._phase] = self.alive()
        return super().__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, torch.Tensor)]
        new = [self._saw(getattr(tensor, "_local_tensor", tensor)) for tensor in tensors]
        if any(new):
            self.peak[self._phase] = max(self.peak[self._phase], self.alive())
        return result

    def _saw(self, tensor):
        """Returns whether a tensor has new memory."""
        storage = tensor.untyped_storage()
        known = self._storages.get(storage._cdata)
        if tensor.is_meta or (known is not None and known() is not None):
            return False
        self._storages[storage._cdata] = weakref.ref(storage)
        return True

    def alive(self):
        """Returns the bytes that are alive now."""
        alive = ((key, reference()) for key, reference in self._storages.items())
        self._storages, found = {}, [each for each in alive if each[1] is not None]
        self._storages = {key: weakref.ref(storage) for key, storage in found}
        # Sharded weights keep their storages, and change their size.
        return sum(storage.nbytes() for _, storage in found)
