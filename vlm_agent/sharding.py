"""Weights that are spread over processes: what is not done with them, whole again, spread.

With Accelerate's FSDP of version 2, `torch.distributed.fsdp.fully_shard`, a parameter is a
`DTensor`: each process keeps a part of it. With stage 3 of DeepSpeed's ZeRO it is empty, and its
`ds_tensor` is what the process keeps, flat and filled up to equal parts.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, cast

import torch
from torch import Tensor, nn

# What `accelerate launch` says by a variable, and what that is without one; what it has to be, how
# a file of `accelerate config` says so, and why.
Needed = tuple[str, str, str, str, str]
ALWAYS_NEEDED: tuple[Needed, ...] = (
    ("ACCELERATE_DYNAMO_BACKEND", "no", "no", "no dynamo_config", "nothing is compiled"),
    (
        *("ACCELERATE_USE_PARALLELISM_CONFIG", "false", "false"),
        "no parallelism_config",
        "weights are spread over all processes alike",
    ),
)
_NEEDED: tuple[Needed, ...] = (
    ("FSDP_VERSION", "1", "2", "fsdp_version: 2", "the first FSDP is not used"),
    (
        *("FSDP_AUTO_WRAP_POLICY", "NO_WRAP", "transformer_based_wrap"),
        "fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP",
        "weights are brought together layer by layer",
    ),
    (
        *("FSDP_CPU_RAM_EFFICIENT_LOADING", "false", "false"),
        "fsdp_cpu_ram_efficient_loading: false",
        "every process reads the model by itself",
    ),
    (
        *("FSDP_OFFLOAD_PARAMS", "false", "false"),
        "fsdp_offload_params: false",
        "weights stay where replies are written",
    ),
    (
        *("FSDP_ACTIVATION_CHECKPOINTING", "false", "false"),
        "fsdp_activation_checkpointing: false",
        "--gradient-checkpointing does the same",
    ),
    ("FSDP_IGNORED_MODULES", "", "", "no fsdp_ignored_modules", "all that is trained is spread"),
    *ALWAYS_NEEDED,
)


def is_asked_for() -> bool:
    """Whether Accelerate was configured for FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def check_configuration() -> None:
    """Makes sure that FSDP is configured as it is used here.

    Raises:
        ValueError: Naming the line of Accelerate's configuration that has to change.
        ImportError: If torch or Accelerate is too old for it.
    """
    check_variables("FSDP", _NEEDED)
    check_version("FSDP", "torch", "2.8")
    check_version("FSDP", "accelerate", "1.8")


def check_variables(what: str, needed: Iterable[Needed]) -> None:
    """Makes sure that Accelerate's variables are as they have to be.

    Args:
        what: It is configured for.
        needed: The variables.

    Raises:
        ValueError: Naming the line of Accelerate's configuration that has to change.
    """
    for variable, default, value, line, reason in needed:
        found = os.environ.get(variable, default)
        if found.lower() != value:
            raise ValueError(
                f"Accelerate is configured for {what} with {variable}={found}: expected {line} in "
                f"its configuration, since {reason}"
            )


def check_version(what: str, package: str, oldest: str, below: str | None = None) -> None:
    """Makes sure that a package is new enough for something, and not too new.

    Raises:
        ImportError: If it is not.
    """
    from accelerate.utils import compare_versions

    if not compare_versions(package, ">=", oldest):
        raise ImportError(
            f"{what} needs {package} {oldest} or newer, and this is {version(package)}: "
            f"pip install --upgrade {package}"
        )
    if below is not None and not compare_versions(package, "<", below):
        raise ImportError(
            f"{what} needs {package} older than {below}, and this is {version(package)}: "
            f'pip install "{package}<{below}"'
        )


def layer_classes(network: nn.Module) -> list[str]:
    """The names of the classes whose weights are brought together at once: a model's layers.

    Args:
        network: The Hugging Face model.

    Raises:
        ValueError: If the model does not tell.
    """
    listed = set(getattr(network, "_no_split_modules", None) or ())
    found = sorted(listed & {type(module).__name__ for module in network.modules()})
    if not found:
        raise ValueError(
            f"{type(network).__name__} does not tell its layers: name their classes by "
            "fsdp_transformer_layer_cls_to_wrap in Accelerate's configuration"
        )
    return found


@contextmanager
def gathered(module: nn.Module, *, reshard: bool) -> Iterator[None]:
    """Inside, a module's weights are whole in each process, and its forward passes exchange none.

    So each process may make as many passes as it likes. All processes have to enter and to leave.

    Args:
        module: What `fully_shard` was called on.
        reshard: Whether weights of layers are spread again after a forward pass in training.
    """
    from torch.distributed.fsdp import FSDPModule

    parts = [each for each in module.modules() if isinstance(each, FSDPModule)]
    root = cast(FSDPModule, module)
    root.set_reshard_after_forward(False)
    for part in parts:
        part.unshard()
    try:
        yield
    finally:
        for part in parts:
            part.reshard()
            # What is left to the root alone is needed again at once in a backward pass.
            part.set_reshard_after_forward(reshard and part is not root, recurse=False)


@dataclass(frozen=True)
class Part:
    """What this process keeps of something of a parameter's shape, under stage 3 of ZeRO.

    Attributes:
        kept: Flat, and filled up to the size of the others' parts.
        parameter: The parameter.
    """

    kept: Tensor
    parameter: Any

    def whole(self) -> Tensor:
        """All of it; all processes have to ask."""
        parts = [torch.empty_like(self.kept) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, self.kept.contiguous())
        return torch.cat(parts)[: self.parameter.ds_numel].view(self.parameter.ds_shape)


def memory_of(parameter: Any) -> Tensor:
    """What this process keeps of a parameter, to be read and written in place."""
    if not hasattr(parameter, "ds_tensor"):
        return cast(Tensor, parameter)
    # One that is whole for now would be taken for true, whatever is written into its memory.
    parameter.partition()
    return cast(Tensor, parameter.ds_tensor)


def part_of(kept: Tensor, parameter: Any) -> Tensor | Part:
    """What `whole` makes whole of what `memory_of` a parameter once held."""
    return Part(kept, parameter) if hasattr(parameter, "ds_tensor") else kept


def whole(tree: Any, *, keep: bool) -> Any:
    """Nested dictionaries, lists and tuples with spread tensors made whole, on the CPU.

    All processes have to ask, with trees that hold the same spread tensors.

    Args:
        tree: What holds them; two that are one stay one.
        keep: Whether this process needs them; else they are `None` in what is returned.
    """
    from torch.distributed.tensor import DTensor

    known: dict[int, Tensor | None] = {}

    def visit(value: Any) -> Any:
        if isinstance(value, (DTensor, Part)) or hasattr(value, "ds_tensor"):
            if id(value) not in known:
                full = whole_tensor(value.detach() if isinstance(value, DTensor) else value)
                known[id(value)] = full.cpu() if keep else None
            return known[id(value)]
        if isinstance(value, Mapping):
            return {key: visit(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [visit(each) for each in value]
        return value

    return visit(tree)


def whole_tensor(value: Tensor | Part) -> Tensor:
    """A tensor as a whole in each process, if it is a spread one; all processes have to ask."""
    if isinstance(value, Part):
        return value.whole()
    if hasattr(value, "ds_tensor"):
        return Part(value.ds_tensor.detach(), value).whole()
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else cast(Tensor, gather())


def all_are(test: Callable[[Tensor], Tensor], values: Iterable[Tensor]) -> list[bool]:
    """Which tensors pass a test, be they spread ones or not.

    All are asked for, since processes have to ask each other equally often; they get equal answers.

    Args:
        test: Of a tensor, with a tensor of one value.
        values: The tensors.
    """
    return [
        bool(whole_tensor(test(whole_tensor(v) if hasattr(v, "ds_tensor") else v))) for v in values
    ]


def spread_like(value: Any, parameter: Any) -> Any:
    """A whole tensor spread as a `DTensor` of its shape is; anything else as it is.

    All processes have to ask, with equal tensors.
    """
    if (
        not hasattr(parameter, "placements")
        or not isinstance(value, Tensor)
        or hasattr(value, "placements")
        or value.shape != parameter.shape
    ):
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(parameter.device)
    return distribute_tensor(value, parameter.device_mesh, parameter.placements)


def own_part(value: Tensor, parameter: Any) -> Tensor:
    """What this process keeps of a whole tensor, as of a parameter; anything else as it is."""
    if not hasattr(parameter, "ds_tensor"):
        return cast(Tensor, spread_like(value, parameter))
    size = parameter.ds_tensor.numel()
    if value.shape != parameter.ds_shape or value.shape == parameter.ds_tensor.shape:
        return value
    own = value.flatten()[size * torch.distributed.get_rank() :][:size]
    return nn.functional.pad(own, (0, size - own.numel())).to(parameter.device)
