"""Adapters of embeddings, which a model may use twice and PEFT may save twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import nn


def untie_embeddings(model: Any) -> None:
    """Gives the output embeddings weights of their own if an adapter changes only one side.

    Input and output embeddings may share their weights. What an adapter adds to one of them, or
    puts in its place, would reach the other one too once it is merged, or be lost when the model is
    loaded again. Trained tokens that PEFT adds on both sides leave them shared.

    Args:
        model: The `peft.PeftModel`; must be in the state in which the adapter is not merged.

    Raises:
        ValueError: If the adapter itself is shared by both (`ensure_weight_tying`).
    """
    from peft.tuners.lora import LoraLayer
    from peft.utils.other import AuxiliaryTrainingWrapper, TrainableTokensWrapper

    network = model.get_base_model()
    sides = (network.get_input_embeddings(), network.get_output_embeddings())
    source, output = (_inner_layer(side) for side in sides)
    if source is None or output is None or source.weight is not output.weight:
        return
    if not any(isinstance(side, (LoraLayer, AuxiliaryTrainingWrapper)) for side in sides):
        return
    if isinstance(sides[1], TrainableTokensWrapper) and sides[1].token_adapter.tied_adapter:
        return
    if any(config.ensure_weight_tying for config in model.peft_config.values()):
        raise ValueError(
            "the adapter changes input and output embeddings by the same weights "
            "(ensure_weight_tying=True), which is not supported: train it without "
            "ensure_weight_tying, or without the embeddings in target_modules and modules_to_save"
        )
    output.weight = nn.Parameter(output.weight.detach().clone(), output.weight.requires_grad)
    for config in (network.config, network.config.get_text_config()):
        config.tie_word_embeddings = False
    # transformers would otherwise leave out one of them when it saves.
    network.all_tied_weights_keys = network.get_expanded_tied_weights_keys(all_submodels=True)


class KeptEmbeddings:
    """Embeddings of a model as they were before an adapter is read.

    PEFT writes them next to an adapter of embeddings, usually as they were in the base model.

    Args:
        model: The model, without the adapter.
        file: The adapter's weights. Only embeddings that it holds are kept.
    """

    def __init__(self, model: Any, file: Path) -> None:
        with safe_open(file, framework="pt") as content:
            names = [name.replace(".base_layer.", ".") for name in content.keys()]  # noqa: SIM118
        self._file = file
        self._model = model.name_or_path
        layers = (model.get_input_embeddings(), model.get_output_embeddings())
        self._kept = [
            (layer, layer.weight.detach().clone())
            for name, layer in model.named_modules()
            if layer in layers and any(found.endswith(f".{name}.weight") for found in names)
        ]

    def restore(self) -> None:
        """Puts them back where the adapter's file has them in another number format.

        Raises:
            ValueError: If it has others.
        """
        for layer, weight in self._kept:
            formats = (weight.dtype, torch.bfloat16, torch.float16)
            if not any(torch.equal(weight.to(f).to(weight.dtype), layer.weight) for f in formats):
                raise ValueError(
                    f"{self._file} holds embeddings that differ from those of the base model in "
                    f"{self._model}, and that the adapter would lose when it is saved: save the "
                    "model that they belong to, and name it in base_model_name_or_path of "
                    "adapter_config.json"
                )
            layer.weight.data.copy_(weight)


def _inner_layer(module: Any) -> Any:
    """Returns the layer of the base model that PEFT has wrapped, however often."""
    while (
        inner := getattr(module, "base_layer", getattr(module, "original_module", None))
    ) is not None:
        module = inner
    return module
