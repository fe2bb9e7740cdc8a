"""What a frozen vision part makes of pictures: computed once an update, not in every epoch."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from vlm_agent.models.inputs.cache import Row
from vlm_agent.models.lora import split_vision
from vlm_agent.models.recall import Recall

# By this argument a model takes what its vision part made before.
_PRECOMPUTED = "mm_encoder_outputs"


class _Features(NamedTuple):
    """What a language model takes of a model's image features."""

    kind: type
    pooler_output: Tensor | list[Tensor]
    deepstack_features: list[Tensor] | None


class FrozenVision:
    """Remembers what the frozen vision part makes of pictures, while `remembering` lasts.

    Where nothing in it learns, those are the image features. Where the tower is frozen and the
    projector learns, it is what the projector takes: the projector then runs each time, with
    gradients, though without gradient checkpointing. A tower may hold the projector, as Qwen's do:
    then its other modules are frozen.

    Nothing is remembered where a weight of the tower is trained, or where a model does not take
    what was computed before, as Mllama, whose cross-attention looks at pictures by itself: then
    inputs stay as they are.

    Args:
        network: The Hugging Face model, without PEFT's wrapper.
    """

    def __init__(self, network: Any) -> None:
        self._network = network
        # By the identity of the row, which is kept so that its identity stays its own.
        self._known: dict[int, tuple[Row, _Features | Recall]] | None = None
        self._learning = False
        self._tower: list[nn.Module] = []
        self._inner_projector: list[nn.Module] = []

    @property
    def is_remembering(self) -> bool:
        """Whether `replace` does anything."""
        return self._known is not None

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Inside, the frozen vision part is asked once about the pictures of a prompt."""
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
        self,
        known: dict[int, tuple[Row, _Features | Recall]],
        row: Row,
        inputs: dict[str, Tensor],
    ) -> _Features:
        look = partial(self._look, row, inputs)
        if id(row) not in known:
            if self._learning:
                known[id(row)] = (row, Recall(look, self._tower, self._inner_projector))
            else:
                with torch.no_grad():
                    known[id(row)] = (row, look())
        found = known[id(row)][1]
        return found.replay(look) if isinstance(found, Recall) else found

    def _look(self, row: Row, inputs: dict[str, Tensor]) -> _Features:
        """What the vision part makes of the pictures of a prompt."""
        look = self._network.model.get_image_features
        wanted = inspect.signature(look).parameters
        given = {
            name: value.to(inputs[name].device, inputs[name].dtype)
            for name, value in row.items()
            if name in wanted
        }
        made = look(**given, return_dict=True)
        return _Features(type(made), made.pooler_output, getattr(made, "deepstack_features", None))

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
        self._learning = any(p.requires_grad for p in seeing)
        if not self._learning:
            return bool(seeing)
        self._tower, self._inner_projector = split_vision(network)
        projecting = {id(p) for module in self._inner_projector for p in module.parameters()}
        whole = network.get_encoder(modality="image").parameters()
        tower = [p for p in whole if id(p) not in projecting]
        return bool(self._tower) and not any(p.requires_grad for p in tower)


def _joined(features: Sequence[_Features]) -> Any:
    """The features of several observations as those of one batch."""
    joined = features[0].kind(pooler_output=_concatenated([f.pooler_output for f in features]))
    if features[0].deepstack_features is not None:
        layers = zip(*(cast(list[Tensor], f.deepstack_features) for f in features), strict=True)
        joined.deepstack_features = [_concatenated(layer) for layer in layers]
    return joined


def _concatenated(parts: Sequence[Any]) -> Tensor | list[Tensor]:
    """One tensor of several, or one list of several, which have a tensor for each picture."""
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return [cast(Tensor, each) for part in parts for each in part]
