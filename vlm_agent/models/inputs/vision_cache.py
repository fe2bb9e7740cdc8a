"""Image features of a frozen vision part, computed once per update instead of in every epoch."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from vlm_agent.distributed.sharding import is_sharded
from vlm_agent.models.inputs.cache import Row

# The argument by which a model accepts image features that were computed before.
_PRECOMPUTED = "mm_encoder_outputs"


class _ImageFeatures(NamedTuple):
    """Output of the vision part that the language model needs."""

    output_type: type
    pooler_output: Tensor | list[Tensor]
    deepstack_features: list[Tensor] | None


class VisionCache:
    """Computes the image features of each picture once while `remembering` is on.

    Features are found again by the content of the pixel tensors. Nothing is cached if a weight of
    the vision part (tower or projector) is trained, if weights are sharded over processes, or if
    the model does not accept precomputed features, as Mllama, whose cross-attention reads the
    pictures itself: `replace` then returns its inputs unchanged.

    Args:
        network: The Hugging Face model, without PEFT's wrapper.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        self._features: dict[bytes, _ImageFeatures] | None = None

    @property
    def is_remembering(self) -> bool:
        """True if `replace` puts features in the place of pictures."""
        return self._features is not None

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Caches features inside the context and drops them at its end."""
        self._features = {} if self._can_remember() else None
        try:
            yield
        finally:
            self._features = None

    def replace(self, inputs: dict[str, Tensor], rows: Sequence[Row]) -> dict[str, Any]:
        """Returns a model's inputs with image features in the place of pixels.

        Args:
            inputs: Inputs of the whole batch, on the model's device.
            rows: Inputs of each observation by itself, as `Encoder.rows` gives them.
        """
        if self._features is None:
            return inputs
        accepted = inspect.signature(self._network.model.get_image_features).parameters
        found = []
        for row in rows:
            pictures = {name: value for name, value in row.items() if name in accepted}
            key = _content_hash(pictures)
            if key not in self._features:
                self._features[key] = self._compute(
                    {n: v.to(inputs[n].device, inputs[n].dtype) for n, v in pictures.items()}
                )
            found.append(self._features[key])
        kept = {name: value for name, value in inputs.items() if name != "pixel_values"}
        return {**kept, _PRECOMPUTED: {"image": _joined(found)}}

    @torch.no_grad()
    def _compute(self, pictures: dict[str, Tensor]) -> _ImageFeatures:
        output = self._network.model.get_image_features(**pictures, return_dict=True)
        deepstack = getattr(output, "deepstack_features", None)
        return _ImageFeatures(type(output), output.pooler_output, deepstack)

    def _can_remember(self) -> bool:
        network = self._network
        if _PRECOMPUTED not in inspect.signature(network.forward).parameters:
            return False
        language: list[nn.Module] = [
            network.get_decoder(),
            network.get_input_embeddings(),
            network.get_output_embeddings(),
        ]
        known = {id(p) for part in language for p in part.parameters()}
        vision = [p for p in network.parameters() if id(p) not in known]
        # Sharded weights need every process in every pass, and these see different pictures.
        return bool(vision) and not any(p.requires_grad or is_sharded(p) for p in vision)


def _content_hash(tensors: dict[str, Tensor]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for name, value in tensors.items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.digest()


def _joined(features: Sequence[_ImageFeatures]) -> Any:
    """Concatenates the features of several observations to those of one batch."""
    first = features[0]
    joined = first.output_type(pooler_output=_concatenated([f.pooler_output for f in features]))
    if first.deepstack_features is not None:
        layers = zip(*(cast(list[Tensor], f.deepstack_features) for f in features), strict=True)
        joined.deepstack_features = [_concatenated(layer) for layer in layers]
    return joined


def _concatenated(parts: Sequence[Any]) -> Tensor | list[Tensor]:
    """Concatenates tensors, or lists with one tensor per picture."""
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return [cast(Tensor, each) for part in parts for each in part]
