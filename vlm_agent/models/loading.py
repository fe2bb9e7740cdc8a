"""Reading a vision-language model from a directory or a hub, to act with or to be trained."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from transformers import AutoModelForImageTextToText
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME
from transformers.utils.hub import cached_file
from transformers.utils.peft_utils import find_adapter_config_file

from vlm_agent.config.model import LoadOptions, ModelOptions
from vlm_agent.models import lora
from vlm_agent.models.inputs.processors import holds_processor, load_processor, of_untrusted_code


@dataclass(frozen=True)
class LoadedModel:
    """A model that was read.

    Attributes:
        model: It, on a GPU where there is one; a `peft.PeftModel` if it has an adapter.
        processor: Its processor.
        compute_dtype: What it computes in, which may be narrower than what its weights are kept in.
    """

    model: Any
    processor: Any
    compute_dtype: torch.dtype


def load_model(name: str, options: LoadOptions) -> LoadedModel:
    """Reads a model, its adapter if it has one, and its processor.

    Args:
        name: A directory or a hub name. Weights are read from safetensors only.
        options: How. With `ModelOptions` the model is made ready for training.

    Raises:
        FileNotFoundError: If a directory is named that holds no model.
        ImportError: If a package is missing that the model or the options need.
        ValueError: If the model brings code of its own, and it is not to be trusted.
    """
    directory = Path(name)
    adapter = lora.is_adapter(directory)
    check_name(name)
    training = options if isinstance(options, ModelOptions) else None
    all_weights = training is not None and not training.lora
    base = lora.base_of(directory) if adapter else name
    # In full, so that a model knows its directory from a hub name even when that is gone.
    base = str(Path(base).resolve()) if Path(base).is_dir() else base
    # Weights that are all trained are read as they were saved, whatever the model computes in.
    model = _read_weights(base, options, "auto" if all_weights else options.dtype)
    compute_dtype = model.get_input_embeddings().weight.dtype
    if all_weights:
        if options.dtype != "auto":
            compute_dtype = getattr(torch, options.dtype)
        model.float()  # before an adapter is merged, whose small changes bfloat16 would round away
    if training is not None and compute_dtype == torch.float16:
        # A float16 checkpoint under "auto": its gradients would vanish.
        compute_dtype = torch.bfloat16
        if not all_weights:
            lora.cast_weights(model, compute_dtype)
    if adapter:
        model = lora.load_adapter(
            model, directory, trainable=training is not None and training.lora
        )
        if all_weights:
            model = lora.merge(model)
    elif training is not None and training.lora:
        model = lora.add_adapter(model, training)
    if training is not None and training.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    # PEFT itself saves an adapter without the processor, which is then that of the model.
    source = base if adapter and not holds_processor(directory) else name
    processor = load_processor(source, model.config, trust_remote_code=options.trust_remote_code)
    return LoadedModel(model, processor, compute_dtype)


def fetch_adapter(name: str) -> str:
    """A directory for the name of an adapter on a hub; any other name as it is.

    The adapter is fetched without its pickled weights, which are never read.

    Args:
        name: A directory or a hub name.
    """
    if Path(name).is_dir() or lora.is_path(name) or find_adapter_config_file(name) is None:
        return name
    # Beside weights, only what tells of the policy and its processor: no code.
    patterns = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model"]
    return snapshot_download(name, allow_patterns=patterns)


def check_name(name: str) -> None:
    """Refuses names that cannot be a model's, before a hub is asked.

    Raises:
        FileNotFoundError: Saying what was expected.
    """
    directory = Path(name)
    if directory.is_dir():
        if not lora.is_adapter(directory) and not (directory / "config.json").is_file():
            raise FileNotFoundError(
                f"{directory} holds no config.json: expected a directory that `VLMPolicy.save` or "
                "`save_pretrained` wrote"
            )
    elif lora.is_path(name):
        raise FileNotFoundError(
            f"no directory {name}: expected a saved policy or a model, or a name on a hub, whose "
            "first word must be no folder here"
        )


def _read_weights(name: str, options: LoadOptions, dtype: str) -> Any:
    if find_adapter_config_file(name) is not None:
        # It would be read without the checks of `lora.load_adapter`.
        raise ValueError(f"{name} is an adapter itself: merge it, and name the merged model")
    _check_index(name)
    if options.load_in_4bit and dtype == "auto":
        dtype = "bfloat16"
    arguments: dict[str, Any] = {
        "dtype": dtype if dtype == "auto" else getattr(torch, dtype),
        "use_safetensors": True,
        "trust_remote_code": options.trust_remote_code,
    }
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if options.load_in_4bit:
        arguments["quantization_config"] = _four_bits(arguments["dtype"])
        arguments["device_map"] = {"": device}
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(name, **arguments)
    except ValueError as error:
        if (refused := of_untrusted_code(error, name)) is None:
            raise
        raise refused from error
    if not options.load_in_4bit:
        return model.to(device)
    for module in model.modules():
        # On some CPUs bitsandbytes would pack weights for acting, which cannot be undone to train.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def _check_index(name: str) -> None:
    """Makes sure that what lists the files of a model's weights names no pickle.

    Raises:
        ValueError: If it does; transformers alone would read it.
    """
    index = cached_file(name, SAFE_WEIGHTS_INDEX_NAME, _raise_exceptions_for_missing_entries=False)
    if index is None:
        return
    listed = json.loads(Path(index).read_text(encoding="utf-8")).get("weight_map", {})
    if wrong := sorted({file for file in listed.values() if not file.endswith(".safetensors")}):
        raise ValueError(
            f"{name}: {SAFE_WEIGHTS_INDEX_NAME} names {wrong[0]}: expected safetensors alone, "
            "since no pickled weights are read; save the model anew with safetensors"
        )


def _four_bits(dtype: torch.dtype) -> Any:
    """NormalFloat of 4 bits, its constants quantised too (QLoRA, Dettmers et al. 2023)."""
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
