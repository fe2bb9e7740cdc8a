"""Forward passes of a Hugging Face model, and context managers for what they must not do."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from transformers import GenerationConfig as HFGenerationConfig


class PassLock:
    """Lock of a model: threads take turns, because passes hook and change its modules.

    The thread that holds it may take it again. A copy of its owner gets a lock of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[PassLock], tuple[()]]:
        return PassLock, ()


def last_positions(
    network: Any, inputs: Mapping[str, Any], keep: int, *, only_last_logits: bool = False
) -> tuple[Tensor, Tensor]:
    """Runs one pass and returns the logits and hidden states of the last positions.

    Args:
        network: The model, without PEFT's wrapper.
        inputs: Inputs of a batch that is padded on the left.
        keep: Number of positions to return.
        only_last_logits: Whether to compute the logits of the last position only.

    Returns:
        Logits of shape (batch, keep or 1, vocabulary), and the hidden states that logits are
        computed from, of shape (batch, keep, hidden size).
    """
    inputs = dict(inputs)
    accepted = inspect.signature(network.forward).parameters
    if "logits_to_keep" in accepted:
        inputs["logits_to_keep"] = keep
    own_positions = hasattr(getattr(network, "model", None), "get_rope_index")
    if "position_ids" in accepted and not own_positions:
        # Padding on the left must not shift a row's positions. Models whose positions have rows
        # and columns of a picture compute their own.
        inputs["position_ids"] = (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)
    with (
        hidden_states(network, only_last=only_last_logits) as hidden,
        gradient_checkpointing(network),
    ):
        logits = network(**inputs, use_cache=False).logits
    return logits[:, -keep:], hidden[0][:, -keep:]


@contextmanager
def hidden_states(network: Any, *, only_last: bool = False) -> Iterator[list[Tensor]]:
    """Records the input of the output embeddings in the first pass: the normed hidden states.

    Args:
        network: The model, without PEFT's wrapper.
        only_last: Whether the output embeddings then see the last position only.
    """
    hidden: list[Tensor] = []

    def record(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        if not hidden:
            hidden.append(args[0])
        # Models cut positions off. With frozen weights, torch would multiply what is not contiguous
        # row by row, with a copy of the output embeddings for each row of the batch.
        kept = args[0][:, -1:] if only_last else args[0]
        return (kept.contiguous(), *args[1:])

    handle = network.get_output_embeddings().register_forward_pre_hook(record)
    try:
        yield hidden
    finally:
        handle.remove()


class _DecoderOutput:
    """Hidden states in the place of a decoder's output, whatever class that has."""

    def __init__(self, hidden: Tensor) -> None:
        self.last_hidden_state = hidden

    def __getitem__(self, index: int) -> Tensor:
        return (self.last_hidden_state,)[index]

    def __getattr__(self, name: str) -> None:
        """Returns `None`: everything else, such as attentions, is optional."""


def logits_function(network: Any) -> Callable[[Tensor], Tensor] | None:
    """Returns the part of a model behind its decoder, from hidden states to logits.

    It is the model's own `forward` with the decoder's output given. So adapters and hooks of the
    output embeddings take part, and logits are scaled or capped as in a whole pass.

    Args:
        network: The model, without PEFT's wrapper.

    Returns:
        Maps hidden states of shape (tokens, hidden size) to logits of shape (tokens, vocabulary).
        `None` if a trial on one token shows that the model does something else between decoder and
        output embeddings, or that it cannot run without its decoder.
    """
    decoder, head = network.base_model, network.get_output_embeddings()
    # If FSDP gathers the output embeddings by themselves, all processes need equally many calls.
    if decoder is network or any(hasattr(each, "unshard") for each in head.modules()):
        return None

    def logits_of(hidden: Tensor) -> Tensor:
        ids = torch.zeros(1, len(hidden), dtype=torch.long, device=hidden.device)
        output = _DecoderOutput(hidden[None])
        with _answering(decoder, output):
            logits: Tensor = network.forward(input_ids=ids, use_cache=False).logits
        return logits[0]

    vocabulary, size = head.weight.shape
    token = torch.linspace(-1, 1, size, dtype=network.dtype, device=network.device)[None]
    try:
        with torch.no_grad(), hidden_states(network) as seen:
            found = logits_of(token)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return None
    is_split = found.shape == (1, vocabulary) and len(seen) == 1 and torch.equal(seen[0][0], token)
    return logits_of if is_split else None


@contextmanager
def _answering(module: nn.Module, output: Any) -> Iterator[None]:
    """Makes a module return a given output instead of running."""
    own = vars(module).get("forward")  # libraries set it to wrap the method of the class
    module.forward = lambda *_, **__: output
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


@contextmanager
def gradient_checkpointing(network: nn.Module) -> Iterator[None]:
    """Makes layers with gradient checkpointing use it although dropout is off.

    Layers use it in training mode only. Therefore they alone are put into that mode, not the
    modules inside them, and their own dropout probabilities are set to 0.
    """
    layers = [
        module
        for module in (network.modules() if torch.is_grad_enabled() else ())
        if getattr(module, "gradient_checkpointing", False) and not module.training
    ]
    dropout = [
        (layer, name, value)
        for layer in layers
        for name, value in vars(layer).items()
        if "drop" in name and isinstance(value, float)
    ]
    for layer, name, _ in dropout:
        setattr(layer, name, 0.0)
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
        for layer, name, value in dropout:
            setattr(layer, name, value)


@contextmanager
def computing_in(dtype: torch.dtype, network: Any, *, cache: bool) -> Iterator[None]:
    """Computes in a number format that may be narrower than that of the weights.

    Weights are then converted where they are used. By itself autocast would keep all converted
    weights until the context ends, and those of a pass with gradients until its backward pass, in
    which they are converted again here.

    Args:
        dtype: Number format of the computation.
        network: The model.
        cache: Whether to keep converted weights until the context ends, for many passes.
    """
    weight = network.get_input_embeddings().weight
    if weight.dtype == dtype:
        yield
        return
    with (
        torch.autocast(weight.device.type, dtype=dtype, cache_enabled=cache),
        torch.autograd.graph.saved_tensors_hooks(_without_conversion, _converted),
    ):
        yield


class _Converted(NamedTuple):
    """A parameter in another number format, as a backward pass needs it."""

    parameter: nn.Parameter
    dtype: torch.dtype
    size: torch.Size
    stride: tuple[int, ...]
    offset: int


def _without_conversion(tensor: Tensor) -> Tensor | _Converted:
    """Returns what to keep of a tensor that a backward pass needs: not a converted parameter."""
    whole = tensor if tensor._base is None else tensor._base
    source = whole.grad_fn
    if source is None or source.name() != "ToCopyBackward0":
        return tensor
    parameter = getattr(source.next_functions[0][0], "variable", None)
    # A tensor that is no leaf has no variable. One on another device was not just converted.
    if not isinstance(parameter, nn.Parameter) or parameter.device != tensor.device:
        return tensor
    layout = tensor.size(), tensor.stride(), cast(int, tensor.storage_offset())
    return _Converted(parameter, tensor.dtype, *layout)


def _converted(kept: Tensor | _Converted) -> Tensor:
    if isinstance(kept, Tensor):
        return kept
    whole = kept.parameter.detach().to(kept.dtype)
    return whole.as_strided(kept.size, kept.stride, kept.offset)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Turns dropout off, and restores the mode of every submodule afterwards."""
    training = [each for each in module.modules() if each.training]
    module.eval()
    try:
        yield
    finally:
        for each in training:
            each.training = True


@contextmanager
def without_generation_defaults(network: Any) -> Iterator[None]:
    """Sets a model's own generation config aside.

    A repetition penalty, for example, would change the sampling distribution without scoring
    noticing.
    """
    saved = network.generation_config
    network.generation_config = HFGenerationConfig()
    try:
        yield
    finally:
        network.generation_config = saved
