"""Products of low-rank adapters in the number format that their model computes in.

PEFT keeps an adapter's weights in float32, so that small updates are not rounded away, and computes
with them in float32 too: in a model of bfloat16, most products of a pass. Here the weights are
rounded for a product, as autocast does with a model that is trained as a whole; gradients arrive in
the weights' own format.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, reduce
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def compute_in_model_format(model: nn.Module) -> None:
    """Makes the adapters of linear layers compute in the number format of those layers' outputs.

    In float32 nothing changes.

    Args:
        model: A `peft.PeftModel`, changed in place.
    """
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer) and not isinstance(module, _InModelFormat):
            parts = [*module.lora_A.values(), *module.lora_B.values()]
            if parts and all(type(part) is nn.Linear for part in parts):
                # In place: other modules may refer to the layer, and PEFT knows it by its type.
                layer: Any = module
                layer.__class__ = _in_model_format(type(module))


@cache
def _in_model_format(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (_InModelFormat, kind), {})


class _InModelFormat:
    """Mixin of PEFT's linear layers, of ordinary and of quantised weights."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Returns the layer's output with the adapters' contributions, in one number format."""
        layer = cast(Any, self)
        narrow = x.dtype != torch.float32 or torch.is_autocast_enabled(x.device.type)
        adapters = [name for name in layer.active_adapters if name in layer.lora_A]
        ordinary = not (layer.disable_adapters or layer.merged or layer.lora_variant)
        if not (narrow and adapters and ordinary) or args or kwargs:
            return cast(Tensor, super().forward(x, *args, **kwargs))  # type: ignore[misc]
        base = layer.get_base_layer()
        if type(base) is nn.Linear and base.weight.dtype == x.dtype:
            # One product that adds up in float32: were its sum rounded before the contribution is
            # added, rounding would take most of what a small learning rate has learned.
            added = _contribution(layer, adapters, x)
            result = torch.addmm(added, x.reshape(-1, x.shape[-1]), base.weight.t())
            result = result.view(*x.shape[:-1], -1)
            return result if base.bias is None else result + base.bias
        result = layer.base_layer(x)
        return cast(
            Tensor, result + _contribution(layer, adapters, x.to(result.dtype)).view_as(result)
        )


def _contribution(layer: Any, adapters: Sequence[str], x: Tensor) -> Tensor:
    """Returns what adapters add to a layer's output, shape (tokens, outputs)."""
    flat = x.reshape(-1, x.shape[-1])
    added = [
        _product(
            layer.lora_B[name],
            _product(layer.lora_A[name], layer.lora_dropout[name](flat)) * layer.scaling[name],
            layer.scaling[name],
        )
        for name in adapters
    ]
    return reduce(torch.add, added)


def _product(layer: nn.Linear, x: Tensor, bias_scale: float = 1.0) -> Tensor:
    bias = None if layer.bias is None else (layer.bias * bias_scale).to(x.dtype)
    return linear(x, layer.weight.to(x.dtype), bias)
