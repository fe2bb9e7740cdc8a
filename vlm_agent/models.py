"""Reading a vision-language model from a directory or a hub, to act with or to be trained."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from vlm_agent import lora
from vlm_agent.model_options import LoadOptions, ModelOptions
from vlm_agent.processors import load_processor


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
    base = lora.base_of(directory) if adapter else name
    # In full, so that a model knows its directory from a hub name even when that is gone.
    model = _read_weights(str(Path(base).resolve()) if Path(base).is_dir() else base, options)
    compute_dtype = model.get_input_embeddings().weight.dtype
    if training is not None and compute_dtype == torch.float16:
        # A float16 checkpoint under "auto": its gradients would vanish.
        compute_dtype = torch.bfloat16
        model.to(compute_dtype)
    if adapter:
        model = lora.load_adapter(
            model, directory, trainable=training is not None and training.lora
        )
        if training is not None and not training.lora:
            model = lora.merge(model)
    elif training is not None and training.lora:
        model = lora.add_adapter(model, training)
    if training is not None and not training.lora:
        model.float()
    if training is not None and training.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    processor = load_processor(name, model.config, trust_remote_code=options.trust_remote_code)
    return LoadedModel(model, processor, compute_dtype)


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
    elif directory.is_absolute() or len(directory.parts) > 2:
        raise FileNotFoundError(f"no directory {name}: expected a saved policy or a model")


def _read_weights(name: str, options: LoadOptions) -> Any:
    dtype = options.dtype
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
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError(
            f"{name} brings Python code of its own, which was not run: add --trust-remote-code if "
            "you trust its authors"
        ) from error
    if not options.load_in_4bit:
        return model.to(device)
    for module in model.modules():
        # On some CPUs bitsandbytes would pack weights for acting, which cannot be undone to train.
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


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
