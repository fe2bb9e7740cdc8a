"""Counts what a model computes: all operations, and matrix products by number format."""

from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = {
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "addbmm",
    "linear",
    "convolution",
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention_for_cpu_backward",
}


class Operations(TorchDispatchMode):
    """Counts the operations inside the context.

    Attributes:
        names: Number of operations by name.
        products: Number of matrix products by the number format of their widest factor.
    """

    def __init__(self):
        super().__init__()
        self.names = Counter()
        self.products = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.removeprefix("aten::")
        self.names[name] += 1
        if name in _PRODUCTS:
            factors = [each for each in args[:5] if isinstance(each, torch.Tensor)]
            # Behind the factors, attention's backward pass gets sums in float32.
            wide = max((each.dtype for each in factors), key=lambda dtype: dtype.itemsize)
            self.products[wide] += 1
        return function(*args, **(kwargs or {}))

    @property
    def total(self):
        """Number of all operations."""
        return self.names.total()
