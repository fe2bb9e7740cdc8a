"""Loading a vision-language model from a directory or the hub, for acting or for training."""

from __future__ import annotations

import importlib.util
import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers import GenerationConfig as HFGenerationConfig
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME
from transformers.utils.hub import cached_file
from transformers.utils.peft_utils import find_adapter_config_file

from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.distributed.processes import Processes
from vlm_agent.models import lora
from vlm_agent.models.inputs.processors import (
    has_processor,
    load_processor,
    untrusted_code_error,
)
from vlm_agent.models.places import asking_hub

# Held while a policy is loaded. Meanwhile transformers replaces torch's default number format and
# initialisers: a model that another thread builds would be left without some of its weights.
LOADING = threading.Lock()
# Where a module keeps its parameters, buffers and submodules.
_REGISTERED = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True)
class LoadedModel:
    """A model and its processor.

    Attributes:
        model: The model, on a GPU if there is one, or on the meta device while its weights are
            missing; a `peft.PeftModel` if it has an adapter.
        processor: Its processor.
        compute_dtype: Number format of computations, which may be narrower than that of weights.
    """

    model: Any
    processor: Any
    compute_dtype: torch.dtype


@contextmanager
def reporting_damage(name: str | Path) -> Iterator[None]:
    """Turns errors of damaged files into one `ValueError`, and makes others name the model too."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise  # a RuntimeError too, but the files are fine
    except (SafetensorError, RuntimeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is damaged, or of another version: {error}") from error
    except OSError as error:
        if str(name) not in str(error):
            error.add_note(f"{name} could not be loaded")
        raise


def load_model(name: str, options: LoadOptions, processes: Processes | None = None) -> LoadedModel:
    """Loads a model, its adapter if it has one, and its processor.

    Args:
        name: Directory or hub name, as `find_model` returns it. Weights are read from safetensors
            only.
        options: Options; with `ModelOptions` the model is prepared for training.
        processes: Those that will train the model, all of which load it. Only the first reads the
            weights of the model itself; `Processes.prepare` gives them to the others.

    Raises:
        FileNotFoundError: If the base model of an adapter is gone.
        ImportError: If a package is missing that the model or the options need.
        ValueError: If the model comes with its own code, which is not trusted.
    """
    directory = Path(name)
    base = lora.find_base(directory) if lora.is_adapter(directory) else name
    with nullcontext() if base == name else asking_hub(base):
        return _load_on_base(name, base, options, processes)


def _load_on_base(
    name: str, base: str, options: LoadOptions, processes: Processes | None
) -> LoadedModel:
    directory = Path(name)
    has_adapter = lora.is_adapter(directory)
    training = options if isinstance(options, ModelOptions) else None
    trains_all = training is not None and not training.lora
    # Absolute, to tell the model's directory from a hub name even after it was deleted.
    base = str(Path(base).resolve()) if Path(base).is_dir() else base
    # Merging needs the values of all weights.
    waits = processes is not None and not processes.is_main and not (has_adapter and trains_all)
    # Weights to shard are moved to the device layer by layer, which need not hold all of them.
    on_host = processes is not None and processes.is_sharded
    device = torch.device("cpu") if on_host else _device()
    # Weights that are all trained are read as they were saved, whatever the model computes in.
    dtype = "auto" if trains_all else options.dtype
    model = _load_weights(base, options, dtype, device, waits=waits)
    compute_dtype = model.get_input_embeddings().weight.dtype
    if trains_all:
        if options.dtype != "auto":
            compute_dtype = getattr(torch, options.dtype)
        model.float()  # before merging an adapter, whose small changes bfloat16 would round away
    if training is not None and compute_dtype == torch.float16:
        # A float16 checkpoint under "auto": its gradients would vanish.
        compute_dtype = torch.bfloat16
        if not trains_all:
            lora.cast_weights(model, compute_dtype)
    if has_adapter:
        with warnings.catch_warnings():
            if model.device.type == "meta":
                warnings.filterwarnings("ignore", ".*copying from a non-meta parameter")
            model = lora.load_adapter(
                model, directory, trainable=training is not None and training.lora
            )
        if trains_all:
            model = lora.merge_adapter(model)
    elif training is not None and training.lora:
        model = lora.add_adapter(model, training)
    if training is not None and training.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    # PEFT itself saves an adapter without the processor, which is then that of the base model.
    source = base if has_adapter and not has_processor(directory) else name
    processor = load_processor(source, model.config, trust_remote_code=options.trust_remote_code)
    return LoadedModel(model, processor, compute_dtype)


def _load_weights(
    name: str, options: LoadOptions, dtype: str, device: torch.device, *, waits: bool
) -> Any:
    """Loads a model without its adapter.

    Args:
        name: Directory or hub name.
        options: Options.
        dtype: Number format of the weights, or auto.
        device: Device of the weights.
        waits: Whether another process gives this one the weights, so that it need not read them.
    """
    if find_adapter_config_file(name) is not None:
        # transformers would load it without the checks of `lora.load_adapter`.
        raise ValueError(f"{name} is an adapter itself: merge it, and use the merged model")
    _check_index(name)
    try:
        if waits and not options.load_in_4bit:
            empty = build_empty(name, dtype, options)
            if empty is not None:
                return empty
        return _read_weights(name, options, dtype, device)
    except ValueError as error:
        if (refused := untrusted_code_error(error, name)) is None:
            raise
        raise refused from error


def _read_weights(name: str, options: LoadOptions, dtype: str, device: torch.device) -> Any:
    if options.load_in_4bit and dtype == "auto":
        dtype = "bfloat16"
    arguments: dict[str, Any] = {
        "dtype": dtype if dtype == "auto" else getattr(torch, dtype),
        "use_safetensors": True,
        "trust_remote_code": options.trust_remote_code,
        "device_map": {"": device},  # each weight is read onto it, without a copy of all elsewhere
        **_attention(options),
    }
    if options.load_in_4bit:
        arguments["quantization_config"] = _four_bits(arguments["dtype"])
    model: Any = AutoModelForImageTextToText.from_pretrained(name, **arguments)
    for module in model.modules() if options.load_in_4bit else ():
        # On some CPUs bitsandbytes would pack weights for inference, which is irreversible.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _attention(options: LoadOptions) -> dict[str, str]:
    chosen = options.attn_implementation
    return {} if chosen == "auto" else {"attn_implementation": chosen}


def _device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    # By its number, because the threads that read weights have a current device of their own.
    return torch.device("cuda", torch.cuda.current_device())


def build_empty(name: str, dtype: str, options: LoadOptions | None = None) -> Any:
    """Builds a model whose weights have shapes and number formats, but no values.

    Args:
        name: Directory or hub name.
        dtype: Number format of the weights; auto is that of the model's config.
        options: How the model is loaded otherwise; by default in the usual way.

    Returns:
        The model on the meta device, or `None` if it cannot be built there: if it computes while it
        is built, has tensors that are neither parameters nor buffers, to which nothing could give
        their values, or if only its weights tell their format.
    """
    options = options or LoadOptions()
    config = AutoConfig.from_pretrained(name, trust_remote_code=options.trust_remote_code)
    found = config.dtype if dtype == "auto" else getattr(torch, dtype)
    if found is None:
        return None
    try:
        with torch.device("meta"):
            model: Any = AutoModelForImageTextToText.from_config(
                config,
                dtype=found,
                trust_remote_code=options.trust_remote_code,
                **_attention(options),
            )
    except (NotImplementedError, RuntimeError):
        return None  # a tensor without values was asked for them
    known = {id(each) for each in (*model.parameters(), *model.buffers())}
    for module in model.modules():
        own = {key: value for key, value in vars(module).items() if key not in _REGISTERED}
        for value in tree_leaves(own):
            if isinstance(value, torch.Tensor) and id(value) not in known:
                return None
    # A model whose weights are read gets it from this file.
    with suppress(OSError):
        model.generation_config = HFGenerationConfig.from_pretrained(name)
    return model.eval()


def _check_index(name: str) -> None:
    """Raises a ValueError if a model's index of weights lists pickles, which transformers reads."""
    index = cached_file(name, SAFE_WEIGHTS_INDEX_NAME, _raise_exceptions_for_missing_entries=False)
    if index is None:
        return
    listed = json.loads(Path(index).read_text(encoding="utf-8")).get("weight_map", {})
    if wrong := sorted({file for file in listed.values() if not file.endswith(".safetensors")}):
        raise ValueError(
            f"{name}: {SAFE_WEIGHTS_INDEX_NAME} names {wrong[0]}: expected safetensors only, "
            "because pickled weights are not read; save the model again with safetensors"
        )


def _four_bits(dtype: torch.dtype) -> Any:
    """Returns 4-bit NormalFloat with double quantisation (QLoRA, Dettmers et al. 2023)."""
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise ImportError(
            "loading in 4 bits needs bitsandbytes, which is not installed: pip install bitsandbytes"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
