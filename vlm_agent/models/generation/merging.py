"""Adapters merged into their base weights while replies are written.

Merged, a model with adapters makes as few operations per token as one without. The base weights are
copied first and written back afterwards, bit by bit: subtracting an adapter again would not give
back what was rounded away.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vlm_agent.models.forward import PassLock


class AdapterMerging:
    """Merges a model's low-rank adapters for a while, and undoes it exactly.

    Only what can be undone is merged: adapters of linear layers whose weights are no others' (tied
    embeddings), not quantised and not sharded. The other adapters go on being added to their
    layers' outputs.

    Args:
        model: The model; nothing happens unless it is a `peft.PeftModel`.
        lock: Held while weights are changed, so that no other thread computes with half of them.
    """

    def __init__(self, model: nn.Module, lock: PassLock) -> None:
        self._model = model
        self._lock = lock
        self._originals: list[tuple[Any, Tensor]] = []
        self._layers: list[Any] = []
        self._users = 0

    @contextmanager
    def merged(self) -> Iterator[None]:
        """Keeps the adapters merged inside the context, which may be entered again inside."""
        with self._lock:
            self._enter()
        try:
            yield
        finally:
            with self._lock:
                self._leave()

    def _enter(self) -> None:
        if not self._users:
            # Not those of an inner context: weights that FSDP gathers for one call are gone after.
            self._layers = _mergeable(self._model)
        self._users += 1
        try:
            self._merge()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            self.undo()
            self._layers = []

    @torch.no_grad()
    def undo(self) -> None:
        """Puts the base weights back; adapters are merged again when a context is next entered."""
        while self._originals:
            # Taken off the list last: an interrupt in between leaves it to be done again.
            layer, original = self._originals[-1]
            layer.get_base_layer().weight.data.copy_(original)
            layer.merged_adapters.clear()
            self._originals.pop()

    @torch.no_grad()
    def _merge(self) -> None:
        if self._originals or not self._layers:
            return
        generator = torch.Generator(self._model.device).manual_seed(0)  # type: ignore[arg-type]
        try:
            for layer in self._layers:
                weight = layer.get_base_layer().weight.data
                # In the host's memory: a GPU that holds the model need not hold it twice.
                self._originals.append((layer, weight.to("cpu", copy=True)))
                names = [name for name in layer.active_adapters if name in layer.lora_A]
                total = weight.float()
                for name in names:
                    total = total + layer.get_delta_weight(name).float()
                weight.copy_(_rounded(total, weight.dtype, generator))
                layer.merged_adapters.extend(names)
        except BaseException:
            self.undo()
            raise


def unmerged_adapters(model: nn.Module) -> list[str]:
    """Returns the names of layers whose adapters `AdapterMerging` does not merge."""
    if not hasattr(model, "peft_config"):
        return []
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    merged = {id(layer) for layer in _mergeable(model)}
    kinds = (BaseTunerLayer, AuxiliaryTrainingWrapper)
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, kinds) and id(module) not in merged and module is not model.base_model
    ]


def _rounded(weights: Tensor, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Rounds float32 to bfloat16 up or down at random, so that it is right on average.

    The changes that a small learning rate makes are below half of a step of bfloat16. Rounding to
    the nearest number would take them all, and replies would be those of the base model.
    """
    if dtype != torch.bfloat16:
        return weights
    # What bfloat16 cuts off is the lower half of a float32.
    noise = torch.randint(
        2**16, weights.shape, generator=generator, dtype=torch.int32, device=weights.device
    )
    return ((weights.view(torch.int32) + noise) & -(2**16)).view(torch.float32)


def _mergeable(model: nn.Module) -> list[Any]:
    if not hasattr(model, "peft_config"):
        return []
    from peft.tuners.lora.layer import Linear

    layers = [module for module in model.modules() if isinstance(module, Linear)]
    shared = Counter(
        id(parameter)
        for module in model.modules()
        for parameter in module._parameters.values()
        if parameter is not None
    )
    return [layer for layer in layers if _is_mergeable(layer, shared)]


def _is_mergeable(layer: Any, uses: Counter[int]) -> bool:
    base = layer.get_base_layer()
    weights = [base.weight, *layer.lora_A.parameters(), *layer.lora_B.parameters()]
    return (
        type(base) is nn.Linear
        # Not a tensor of another kind, such as one that is sharded over processes.
        and all(type(weight) in (nn.Parameter, Tensor) for weight in weights)
        and base.weight.is_floating_point()
        and uses[id(base.weight)] == 1
        and not (layer.disable_adapters or layer.merged or layer.lora_variant)
        and not any(layer.lora_bias.values())
    )
