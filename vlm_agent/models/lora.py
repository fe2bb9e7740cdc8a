"""Low-rank adapters of a vision-language model: adding, saving, loading and merging them.

An adapter is saved in PEFT's own format, with the name of its base model, so
`peft.PeftModel.from_pretrained` loads it too.
"""

from __future__ import annotations

import copy
import json
import re
import shutil
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from vlm_agent.config.model import ModelOptions, Part
from vlm_agent.core.errors import NotWholeError
from vlm_agent.core.run_directory import BASE, is_in_checkpoint, is_local_path, run_of
from vlm_agent.core.system.disk import sync_path
from vlm_agent.distributed.sharding import check_each
from vlm_agent.models.adapters.embeddings import KeptEmbeddings, untie_embeddings

ADAPTER_CONFIG_FILE = "adapter_config.json"
_ADAPTER_FILE = "adapter_model.safetensors"
# Weights that PEFT adds to those of the base model.
_ADDED = re.compile(r"\.(lora_\w+|modules_to_save|trainable_tokens_\w+)(\.|$)")
# Names of modules that are part of the projector although a library puts them into the tower.
_PROJECTOR_WORDS = ("merger", "projector", "connector")


def add_adapter(model: Any, options: ModelOptions) -> Any:
    """Adds a new adapter to every linear layer of the parts that `options` names.

    Its output is 0 at first, so that it does not change the model; its weights are float32, and
    drawn from `options.seed` alone. All other weights are frozen, so a part without linear layers
    does not learn.

    Returns:
        The `peft.PeftModel` around the model.

    Raises:
        ValueError: If none of the parts has a linear layer.
    """
    from peft import LoraConfig, get_peft_model

    layers = linear_layers(model)
    targets = [name for part in options.lora_parts for name in layers[part]]
    if not targets:
        having = ", ".join(part for part, names in layers.items() if names)
        raise ValueError(
            f"{type(model).__name__} has no linear layer in its {', '.join(options.lora_parts)}: "
            f"choose --lora-parts from {having}"
        )
    config = LoraConfig(
        r=options.lora_rank,
        lora_alpha=options.lora_alpha,
        lora_dropout=options.lora_dropout,
        target_modules=targets,
    )
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return get_peft_model(model, config)


def linear_layers(model: Any) -> dict[Part, list[str]]:
    """Returns the names of a model's linear layers except for the output embeddings, by part."""
    language = _names_inside(model, model.get_decoder())
    vision = _names_inside(model, model.get_encoder(modality="image"))
    output = model.get_output_embeddings()
    parts: dict[Part, list[str]] = {"vision": [], "projector": [], "language": []}
    for name, module in model.named_modules():
        # Layers inside torch's own attention modules are used without being called.
        uncalled = isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear)
        if module is output or uncalled or not isinstance(module, nn.Linear):
            continue
        if name in language:
            parts["language"].append(name)
        elif name in vision and not any(word in name for word in _PROJECTOR_WORDS):
            parts["vision"].append(name)
        else:
            parts["projector"].append(name)
    return parts


def _names_inside(model: nn.Module, part: nn.Module) -> Collection[str]:
    """Returns the names of all modules of a part; none if the part is the model itself."""
    if part is model or part is getattr(model, "model", None):
        return ()
    inside = {id(module) for module in part.modules()}
    return {name for name, module in model.named_modules() if id(module) in inside}


def is_adapter(directory: Path) -> bool:
    """Returns whether a directory holds an adapter."""
    return (directory / ADAPTER_CONFIG_FILE).is_file()


def find_base(directory: Path) -> str:
    """Returns the directory or hub name of an adapter's base model.

    Raises:
        FileNotFoundError: If the base model was in a directory that no longer exists.
    """
    if _holds_model(directory / BASE):
        return str(directory / BASE)
    name = str(_read_config(directory).get("base_model_name_or_path"))
    if is_local_path(name) and not _holds_model(Path(name)):
        if is_in_checkpoint(directory) and _holds_model(moved := run_of(directory.parent) / BASE):
            return str(moved)  # with the run
        raise FileNotFoundError(
            f"{directory} holds an adapter of the model in {name}, which does not exist: put it "
            f"back, or write its new path into base_model_name_or_path of {ADAPTER_CONFIG_FILE}"
        )
    return name


def load_adapter(model: Any, directory: Path, *, trainable: bool) -> Any:
    """Loads an adapter onto its base model, with float32 weights, from safetensors only.

    Returns:
        The `peft.PeftModel` around the model.

    Raises:
        FileNotFoundError: If the directory holds no weights in safetensors. PEFT by itself would
            then read a pickle, or ask the hub for a model of the directory's name.
        ValueError: If it is not a low-rank adapter, or one that computes what a policy cannot.
    """
    from peft import PeftModel

    if not (directory / _ADAPTER_FILE).is_file():
        raise FileNotFoundError(
            f"{directory} holds an {ADAPTER_CONFIG_FILE} but no {_ADAPTER_FILE}: copy that file "
            "too; pickled weights (adapter_model.bin) are not read, so save them again with "
            "safetensors"
        )
    config = _read_config(directory)
    if (kind := config.get("peft_type")) != "LORA":
        raise ValueError(f"{directory} holds an adapter of type {kind!r}: expected 'LORA'")
    if config.get("alora_invocation_tokens"):
        raise ValueError(
            f"{directory} holds an activated adapter (alora_invocation_tokens), which changes only "
            "what follows those tokens: expected one that changes every token"
        )
    kept = KeptEmbeddings(model, directory / _ADAPTER_FILE)
    with warnings.catch_warnings():
        # What it warns of is what `untie_embeddings` mends.
        warnings.filterwarnings("ignore", "Model has `tie_word_embeddings=True`")
        warnings.filterwarnings("error", "Found missing adapter keys")
        try:
            loaded = PeftModel.from_pretrained(model, str(directory), is_trainable=trainable)
        except UserWarning as error:
            raise ValueError(f"{directory / _ADAPTER_FILE} is not complete: {error}") from error
    kept.restore()
    untie_embeddings(loaded)
    narrow = [n for n, p in loaded.named_parameters() if p.requires_grad and p.dtype.itemsize < 4]
    if narrow:
        raise ValueError(
            f"{directory} holds an adapter with weights of the model itself, such as {narrow[0]}, "
            "whose small changes would be lost in half precision: train it with --dtype float32, "
            "or train all weights, without --lora"
        )
    return loaded


def save_adapter(
    model: Any, directory: Path, weights: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Writes an adapter, and its base model only if that cannot be loaded by a name.

    Args:
        model: The `peft.PeftModel`.
        directory: Directory to write to.
        weights: Weights to write in place of the model's own, by their names in its `state_dict`;
            those of the base model may be left out if it has a name.

    Raises:
        NotWholeError: If they were left out, and the base model is gone.
    """
    base = base_name(model)
    if base is None:
        _save_base(model.get_base_model(), directory / BASE, weights)
        base = str((directory / BASE).resolve())
    write_adapter(model, directory, weights, base=base)


def write_adapter(
    model: Any,
    directory: Path,
    weights: Mapping[str, torch.Tensor] | None = None,
    *,
    base: str | None,
) -> int:
    """Writes an adapter without its base model, and returns the number of bytes of its weights.

    Args:
        model: The `peft.PeftModel`.
        directory: Directory to write to.
        weights: Weights to write in place of the model's own, by their names in its `state_dict`.
        base: Directory or hub name of its base model.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    config = copy.copy(model.peft_config[model.active_adapter])
    config.inference_mode = True
    config.base_model_name_or_path = base
    found = get_peft_model_state_dict(model, weights, save_embedding_layers=False)
    found = {name: value.contiguous() for name, value in found.items()}
    save_file(found, directory / _ADAPTER_FILE, {"format": "pt"})
    config.save_pretrained(str(directory))
    return sum(value.nbytes for value in found.values())


def adapts_language_alone(model: Any) -> bool:
    """Returns whether all layers that a `peft.PeftModel` adapts are the language model's."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    network = model.get_base_model()
    language = {id(module) for module in network.get_decoder().modules()}
    adapted = (BaseTunerLayer, AuxiliaryTrainingWrapper)
    return all(id(each) in language for each in network.modules() if isinstance(each, adapted))


def adapter_weights(model: Any, weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns those of a model's weights that `save_adapter` writes of the adapter.

    These are low-rank weights, and whatever else was trained with them: biases, whole modules,
    tokens.

    Args:
        model: The `peft.PeftModel`.
        weights: All its weights, by their names in its `state_dict`.
    """
    from peft import get_peft_model_state_dict

    saved = get_peft_model_state_dict(model, dict(weights), save_embedding_layers=False)
    ids = {id(value) for value in saved.values()}
    return {name: value for name, value in weights.items() if id(value) in ids}


def base_name(model: Any) -> str | None:
    """Returns a name that an adapter's base model can be loaded by, or `None`.

    A model inside a checkpoint has none, because newer checkpoints replace it.
    """
    name = model.get_base_model().name_or_path
    if name and _holds_model(Path(name)):
        # Absolute, because an adapter may be loaded from anywhere.
        return None if is_in_checkpoint(Path(name)) else str(Path(name).resolve())
    if name and not Path(name).is_absolute() and not Path(name).exists():
        return str(name)  # on the hub
    return None


def copy_base_from_checkpoint(model: Any, directory: Path) -> str | None:
    """Copies an adapter's base model out of a checkpoint, in the number format that it has.

    Args:
        model: The `peft.PeftModel`.
        directory: Directory in which `base/` is created.

    Returns:
        The name of the copy, for `set_base_name`; `None` if the model is not in a checkpoint.
    """
    network = model.get_base_model()
    source = Path(network.name_or_path)
    if not network.name_or_path or not _holds_model(source) or not is_in_checkpoint(source):
        return None
    _copy_files(source, directory / BASE)
    return str((directory / BASE).resolve())


def set_base_name(model: Any, name: str) -> None:
    """Sets the name that an adapter's base model is loaded by."""
    model.get_base_model().name_or_path = name


def _save_base(network: Any, directory: Path, weights: Mapping[str, torch.Tensor] | None) -> None:
    source = Path(network.name_or_path)
    if network.name_or_path and _holds_model(source):
        try:
            # The files themselves, in the number format that they were saved in.
            return _copy_files(source, directory)
        except FileNotFoundError:
            pass  # deleted in the meantime
    start = "base_model.model."
    if weights is None:
        own = network.state_dict()
    else:
        own = {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
    own = {_base_key(key): value for key, value in own.items() if not _ADDED.search(key)}
    if not own:
        raise NotWholeError(
            f"the base model of the adapter, {network.name_or_path}, is gone, and its weights are "
            "sharded over processes: put it back, and resume from the last checkpoint with --resume"
        )
    # While it has one, transformers ignores the given state.
    quantizer = getattr(network, "hf_quantizer", None)
    network.hf_quantizer = None
    try:
        network.save_pretrained(directory, state_dict=own)
    finally:
        network.hf_quantizer = quantizer


def _base_key(key: str) -> str:
    """Returns the name in the base model of a weight that PEFT has wrapped."""
    return re.sub(r"\.(token_adapter|base_layer|original_module)(?=\.)", "", key)


def _copy_files(source: Path, directory: Path) -> None:
    """Replaces the files of a folder by those of another one, and syncs them to disk."""
    if directory.resolve() == source.resolve():
        return
    directory.mkdir(exist_ok=True)
    for file in directory.iterdir():
        file.unlink()
    # The config last: without it a folder does not count as a model.
    files = (file for file in source.iterdir() if file.is_file())
    for file in sorted(files, key=lambda file: file.name == "config.json"):
        sync_path(Path(shutil.copyfile(file, directory / file.name)))
    sync_path(directory)


def has_effect(model: Any) -> bool:
    """Returns whether a model differs, or may come to, from what it is with its adapter disabled.

    A new adapter has no effect. One that trains more than low-rank weights counts as having one:
    disabling it would leave trained biases in place.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not all(".lora_A." in name or ".lora_B." in name for name in trained):
        return True
    outputs = (p for name, p in model.named_parameters() if ".lora_B." in name)
    return any(check_each(torch.any, outputs))


def merge_adapter(model: Any, dtype: torch.dtype | None = None) -> Any:
    """Adds an adapter to the weights of its base model; each sum is rounded once.

    Args:
        model: The `peft.PeftModel`.
        dtype: Number format of the merged weights; by default unchanged.

    Returns:
        The model without adapter, with all weights trainable.

    Raises:
        ValueError: If the weights have 4 bits, which cannot hold the sum.
    """
    network = model.get_base_model()
    untie_embeddings(model)
    if getattr(network, "is_quantized", False):
        raise ValueError(
            "an adapter cannot be merged into weights of 4 bits: load the model without "
            "--load-in-4bit to merge"
        )
    if dtype is not None:
        cast_weights(network, torch.float32)
    merged = model.merge_and_unload()
    if dtype is not None:
        cast_weights(merged, dtype)
    return merged.requires_grad_(True)


def cast_weights(model: nn.Module, dtype: torch.dtype) -> None:
    """Converts a model's weights, but not its buffers, to another number format.

    `model.to` would round buffers too, such as the frequencies of rotary embeddings.
    """
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def _read_config(directory: Path) -> dict[str, Any]:
    text = (directory / ADAPTER_CONFIG_FILE).read_text(encoding="utf-8")
    return cast(dict[str, Any], json.loads(text))


def _holds_model(directory: Path) -> bool:
    return (directory / "config.json").is_file()
