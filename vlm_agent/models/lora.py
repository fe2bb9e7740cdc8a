"""Low-rank adapters on a vision-language model: which layers get one, saving and reading them.

An adapter is saved in PEFT's own format, beside the name of the model that it belongs to, so
`peft.PeftModel.from_pretrained` reads it too.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from vlm_agent.config.model import ModelOptions, Part
from vlm_agent.core.disk import sync_path
from vlm_agent.core.errors import NotWholeError
from vlm_agent.core.run_directory import BASE, is_in_checkpoint, run_of
from vlm_agent.distributed.sharding import all_are

ADAPTER_CONFIG_FILE = "adapter_config.json"
_ADAPTER_FILE = "adapter_model.safetensors"
# What libraries call the modules between a vision tower and a language model that they keep
# inside the tower.
_PROJECTOR_WORDS = ("merger", "projector", "connector")


def add_adapter(model: Any, options: ModelOptions) -> Any:
    """Puts a new adapter on every linear layer of the parts that `options` names.

    Its output is 0 at first, so that the model stays what it was; its weights are float32. All
    other weights are frozen, so a part without linear layers, such as Gemma 3's projector, does
    not learn.

    Returns:
        The `peft.PeftModel` around the model.

    Raises:
        ValueError: If there is no linear layer in any of the parts.
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
        torch.manual_seed(0)
        return get_peft_model(model, config)


def linear_layers(model: Any) -> dict[Part, list[str]]:
    """The names of a model's linear layers, but for the output embeddings, part by part."""
    language = _names_inside(model, model.get_decoder())
    vision = _names_inside(model, model.get_encoder(modality="image"))
    output = model.get_output_embeddings()
    parts: dict[Part, list[str]] = {"vision": [], "projector": [], "language": []}
    for name, module in model.named_modules():
        # What attention modules of torch itself hold is used without being called.
        hidden = isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear)
        if module is output or hidden or not isinstance(module, nn.Linear):
            continue
        if name in language:
            parts["language"].append(name)
        elif name in vision and not _is_of_projector(name):
            parts["vision"].append(name)
        else:
            parts["projector"].append(name)
    return parts


def _is_of_projector(name: str) -> bool:
    """Whether a module inside a vision tower is of the projector, by its name in the model."""
    return any(word in name for word in _PROJECTOR_WORDS)


def _names_inside(model: nn.Module, part: nn.Module) -> Collection[str]:
    """The names in a model of all modules of a part; none where the part is the model itself."""
    if part is model or part is getattr(model, "model", None):
        return ()
    inside = {id(module) for module in part.modules()}
    return {name for name, module in model.named_modules() if id(module) in inside}


def is_adapter(directory: Path) -> bool:
    """Whether a directory holds an adapter."""
    return (directory / ADAPTER_CONFIG_FILE).is_file()


def base_of(directory: Path) -> str:
    """The directory or hub name of the model that an adapter belongs to.

    Raises:
        FileNotFoundError: If it was a directory that is gone.
    """
    if _is_model(directory / BASE):
        return str(directory / BASE)
    name = str(_config_of(directory).get("base_model_name_or_path"))
    if is_path(name) and not _is_model(Path(name)):
        if is_in_checkpoint(directory) and _is_model(kept := run_of(directory.parent) / BASE):
            return str(kept)  # moved with the run
        raise FileNotFoundError(
            f"{directory} holds an adapter of the model in {name}, which is not there: put it "
            f"back, or write its new place into base_model_name_or_path of {ADAPTER_CONFIG_FILE}"
        )
    return name


def is_path(name: str) -> bool:
    """Whether a name can only be a path, never that of a model on a hub.

    A hub's names have at most two words. Where the first one is a folder here, the second was
    meant to be in it: nothing that may lie here is asked for elsewhere.
    """
    path = Path(name)
    return (
        path.is_absolute()
        or name.startswith((".", "~"))
        or len(path.parts) > 2
        or (len(path.parts) == 2 and path.parent.is_dir())
    )


def load_adapter(model: Any, directory: Path, *, trainable: bool) -> Any:
    """Puts a saved adapter on its model, with float32 weights, read from safetensors only.

    Returns:
        The `peft.PeftModel` around the model.

    Raises:
        FileNotFoundError: If the directory holds no weights in safetensors. PEFT alone would then
            read a pickle, or ask a hub for a model of the directory's name.
        ValueError: If it is no low-rank adapter.
    """
    from peft import PeftModel

    if not (directory / _ADAPTER_FILE).is_file():
        raise FileNotFoundError(
            f"{directory} holds an {ADAPTER_CONFIG_FILE} but no {_ADAPTER_FILE}: copy that file "
            "too; weights that were pickled (adapter_model.bin) are not read, so save them anew "
            "with safetensors"
        )
    kind = _config_of(directory).get("peft_type")
    if kind != "LORA":
        raise ValueError(f"{directory} holds an adapter of type {kind!r}: expected 'LORA'")
    return PeftModel.from_pretrained(model, str(directory), is_trainable=trainable)


def save_adapter(
    model: Any, directory: Path, weights: Mapping[str, torch.Tensor] | None = None
) -> None:
    """Writes the adapter, and the model that it lies on only where no name leads to that.

    Args:
        model: The `peft.PeftModel`.
        directory: Where to.
        weights: What to write in place of the model's own weights, by the names of its
            `state_dict`; those under the adapter only if no name led to them.

    Raises:
        NotWholeError: If they are left out, and no name leads to them any more.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    config = copy.copy(model.peft_config[model.active_adapter])
    config.inference_mode = True
    network = model.get_base_model()
    config.base_model_name_or_path = name_of_base(model)
    if config.base_model_name_or_path is None:
        base = directory / BASE
        _save_base(network, base, weights)
        config.base_model_name_or_path = str(base.resolve())
    found = get_peft_model_state_dict(model, weights, save_embedding_layers=False)
    found = {name: value.contiguous() for name, value in found.items()}
    save_file(found, directory / _ADAPTER_FILE, {"format": "pt"})
    config.save_pretrained(str(directory))


def name_of_base(model: Any) -> str | None:
    """A name that the model under an adapter can be loaded by; `None` where there is none.

    What a checkpoint holds has none, whichever run it is of: it goes with the checkpoint, which the
    run's next one may push out.
    """
    name = model.get_base_model().name_or_path
    if name and _is_model(Path(name)):
        # In full, since an adapter may be read from anywhere.
        return None if is_in_checkpoint(Path(name)) else str(Path(name).resolve())
    if name and not Path(name).is_absolute() and not Path(name).exists():
        return str(name)  # of a hub
    return None


def keep_base(model: Any, directory: Path) -> str | None:
    """Copies the model under an adapter out of a checkpoint, in the number format that it has.

    Args:
        model: The `peft.PeftModel`.
        directory: Where `base/` is to be.

    Returns:
        A name that leads to the copy, for `rename_base`; `None` where the model lies in no
        checkpoint.
    """
    network = model.get_base_model()
    source = Path(network.name_or_path)
    if not network.name_or_path or not _is_model(source) or not is_in_checkpoint(source):
        return None
    _copy_files(source, directory / BASE)
    return str((directory / BASE).resolve())


def rename_base(model: Any, name: str) -> None:
    """Has an adapter's model loaded by another name from now on."""
    model.get_base_model().name_or_path = name


def _save_base(network: Any, directory: Path, weights: Mapping[str, torch.Tensor] | None) -> None:
    """Writes the model under an adapter without it."""
    source = Path(network.name_or_path)
    if network.name_or_path and _is_model(source):
        try:
            # As its name would lead to it, in the number format that it was saved in.
            return _copy_files(source, directory)
        except FileNotFoundError:
            pass  # it went meanwhile
    start = "base_model.model."
    if weights is None:
        own = network.state_dict()
    else:
        own = {n.removeprefix(start): w for n, w in weights.items() if n.startswith(start)}
    own = {
        key.replace(".base_layer.", "."): value for key, value in own.items() if ".lora_" not in key
    }
    if not own:
        raise NotWholeError(
            f"the model in {network.name_or_path}, which the adapter belongs to, is gone, and its "
            "weights are spread over processes: put it back, and go on from the last checkpoint "
            "with --resume"
        )
    # While it has one, transformers writes its own state in place of what it is given.
    quantizer = getattr(network, "hf_quantizer", None)
    network.hf_quantizer = None
    try:
        network.save_pretrained(directory, state_dict=own)
    finally:
        network.hf_quantizer = quantizer


def _copy_files(source: Path, directory: Path) -> None:
    """Makes a folder hold the files that another one holds, all of them on the disk."""
    if directory.resolve() == source.resolve():
        return
    directory.mkdir(exist_ok=True)
    for file in directory.iterdir():
        file.unlink()
    # The config last, without which no folder counts as a model's.
    files = (file for file in source.iterdir() if file.is_file())
    for file in sorted(files, key=lambda file: file.name == "config.json"):
        sync_path(Path(shutil.copyfile(file, directory / file.name)))
    sync_path(directory)


def has_effect(model: Any) -> bool:
    """Whether an adapter changes its model: a new one does not."""
    lifted = (p for name, p in model.named_parameters() if ".lora_B." in name)
    return any(all_are(torch.any, lifted))


def merge(model: Any, dtype: torch.dtype | None = None) -> Any:
    """Adds an adapter to the weights that it lies on; each sum is rounded once.

    Args:
        model: The `peft.PeftModel`.
        dtype: What the merged weights are kept in; by default each in its own format.

    Returns:
        The model without adapter, its weights all to be trained.

    Raises:
        ValueError: If the weights have 4 bits, which cannot hold the sum.
    """
    network = model.get_base_model()
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
    """Gives a model's weights another number format, and leaves its buffers alone.

    `model.to` would round those too, such as the frequencies that positions are told by.
    """
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def _config_of(directory: Path) -> dict[str, Any]:
    text = (directory / ADAPTER_CONFIG_FILE).read_text(encoding="utf-8")
    return cast(dict[str, Any], json.loads(text))


def _is_model(directory: Path) -> bool:
    return (directory / "config.json").is_file()
