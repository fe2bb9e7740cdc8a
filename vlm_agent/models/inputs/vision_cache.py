"""Image features of a frozen vision part, computed once per update instead of in every epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from vlm_agent.distributed.sharding import is_sharded
from vlm_agent.models.inputs.cache import PreparedPicture, PreparedPrompt

# The argument by which a model accepts image features that were computed before.
_PRECOMPUTED = "mm_encoder_outputs"
GIB = 2**30


class _ImageFeatures(NamedTuple):
    """Output of the vision part that the language model needs."""

    output_type: type
    pooler_output: Tensor | list[Tensor]
    deepstack_features: list[Tensor] | None

    @property
    def nbytes(self) -> int:
        """Number of bytes."""
        return _nbytes(self.pooler_output) + _nbytes(self.deepstack_features or ())


class VisionCache:
    """Computes the image features of each picture once while `remembering` is on.

    Features belong to the content of what the processor made of a picture, whichever prompts show
    it. Nothing is cached if a weight of the vision part (tower or projector) is trained, if weights
    are sharded over processes, or if the model does not accept precomputed features, as Mllama,
    whose cross-attention reads the pictures itself.

    Args:
        network: The Hugging Face model, without PEFT's wrapper.
        load: Returns the prepared pictures of each prompt, such as `Encoder.pictures`.

    Attributes:
        asked: Number of pictures, of all observations, whose features were asked for.
        computed: Number of pictures whose features were computed.
    """

    def __init__(
        self,
        network: Any,
        load: Callable[[Sequence[PreparedPrompt]], list[list[PreparedPicture]]],
    ) -> None:
        self._network = network
        self._load = load
        self._features: dict[bytes, _ImageFeatures] | None = None
        self._room = 0
        self.asked = 0
        self.computed = 0

    @property
    def is_remembering(self) -> bool:
        """True if `features` are to be used in the place of pixels."""
        return self._features is not None

    @contextmanager
    def remembering(self, gib: float = 4.0) -> Iterator[None]:
        """Caches features inside the context and drops them at its end.

        Args:
            gib: Maximum size in GiB. Features beyond it are computed again, rather than put in the
                place of others: every epoch needs all of them, in another order.
        """
        self._features = {} if self._can_remember() else None
        self._room = int(gib * GIB)
        try:
            yield
        finally:
            self._features = None

    def holds(self, digest: bytes) -> bool:
        """Returns whether the features of a picture are cached."""
        return self._features is not None and digest in self._features

    def metrics(self) -> dict[str, float | None]:
        """Returns the share of features that were found, and begins to count anew."""
        rate = 1 - self.computed / self.asked if self.asked else None
        self.asked = self.computed = 0
        return {"system/vision_cache_hit_rate": rate}

    def features(
        self, prompts: Sequence[PreparedPrompt], place: Callable[[Tensor], Tensor]
    ) -> dict[str, Any]:
        """Returns the argument by which a model gets image features in the place of pixels.

        Args:
            prompts: Prepared prompts of the batch.
            place: Brings a tensor to the model's device and number format.
        """
        cached = cast(dict[bytes, _ImageFeatures], self._features)
        wanted = [digest for prompt in prompts for digest in prompt.pictures]
        new: dict[bytes, _ImageFeatures] = {}
        missing = [each for each in prompts if any(d not in cached for d in each.pictures)]
        for picture in (each for found in self._load(missing) for each in found):
            if picture.digest in cached or picture.digest in new:
                continue
            features = new[picture.digest] = self._compute(picture, place)
            if features.nbytes <= self._room:
                self._room -= features.nbytes
                cached[picture.digest] = features
        self.asked += len(wanted)
        self.computed += len(new)
        found = [cached[digest] if digest in cached else new[digest] for digest in wanted]
        return {_PRECOMPUTED: {"image": _joined(found)}} if found else {}

    @torch.no_grad()
    def _compute(
        self, picture: PreparedPicture, place: Callable[[Tensor], Tensor]
    ) -> _ImageFeatures:
        accepted = inspect.signature(self._network.model.get_image_features).parameters
        inputs = {
            name: place(value) for name, value in picture.unpack().items() if name in accepted
        }
        output = self._network.model.get_image_features(**inputs, return_dict=True)
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


def _nbytes(value: Tensor | Sequence[Any]) -> int:
    """Returns the size of a tensor, or of tensors in lists of lists."""
    return value.nbytes if isinstance(value, Tensor) else sum(map(_nbytes, value))


def _joined(features: Sequence[_ImageFeatures]) -> Any:
    """Concatenates the features of several pictures to those of one batch."""
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
