"""What a frozen vision part makes of pictures: computed once an update, not in every epoch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from vlm_agent.encoding_cache import Row

# By this argument a model takes what its vision part made before.
_PRECOMPUTED = "mm_encoder_outputs"


class FrozenVision:
    """Remembers image features, vision tower and projector in one, while `remembering` lasts.

    Nothing is remembered where the vision part is trained, or where a model does not take what was
    computed before: then inputs stay as they are.

    Args:
        network: The Hugging Face model, without PEFT's wrapper.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        # By the identity of the row, which is kept so that its identity stays its own.
        self._known: dict[int, tuple[Row, Any]] | None = None

    @property
    def is_remembering(self) -> bool:
        """Whether `replace` does anything."""
        return self._known is not None

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Inside, the vision part is asked once about the pictures of a prompt."""
        self._known = {} if self._can_remember() else None
        try:
            yield
        finally:
            self._known = None

    def replace(self, inputs: dict[str, Tensor], rows: Sequence[Row]) -> dict[str, Any]:
        """A model's inputs, with features in the place of pictures where they are remembered.

        Args:
            inputs: Of the whole batch, on the model's device.
            rows: Those of each observation by itself, as the encoder gave them.
        """
        if self._known is None:
            return inputs
        features = [self._features(self._known, row, inputs) for row in rows]
        kept = {name: value for name, value in inputs.items() if name != "pixel_values"}
        return {**kept, _PRECOMPUTED: {"image": _joined(features)}}

    def _features(
        self, known: dict[int, tuple[Row, Any]], row: Row, inputs: dict[str, Tensor]
    ) -> Any:
        if id(row) not in known:
            model = self._network.model
            wanted = inspect.signature(model.get_image_features).parameters
            given = {
                name: value.to(inputs[name].device, inputs[name].dtype)
                for name, value in row.items()
                if name in wanted
            }
            with torch.no_grad():
                known[id(row)] = (row, model.get_image_features(**given, return_dict=True))
        return known[id(row)][1]

    def _can_remember(self) -> bool:
        network = self._network
        if _PRECOMPUTED not in inspect.signature(network.forward).parameters:
            return False
        parts: list[nn.Module] = [
            network.get_decoder(),
            network.get_input_embeddings(),
            network.get_output_embeddings(),
        ]
        language = {id(p) for part in parts for p in part.parameters()}
        seeing = [p for p in network.parameters() if id(p) not in language]
        return bool(seeing) and not any(p.requires_grad for p in seeing)


def _joined(features: Sequence[Any]) -> Any:
    """The features of several observations as those of one batch."""
    joined = type(features[0])(pooler_output=_concatenated([f.pooler_output for f in features]))
    if getattr(features[0], "deepstack_features", None) is not None:
        layers = zip(*(f.deepstack_features for f in features), strict=True)
        joined.deepstack_features = [_concatenated(layer) for layer in layers]
    return joined


def _concatenated(parts: Sequence[Any]) -> Tensor | list[Tensor]:
    """One tensor of several, or one list of several, which have a tensor for each picture."""
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return [cast(Tensor, each) for part in parts for each in part]
