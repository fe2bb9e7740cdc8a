"""Weights that are spread over processes: what is not done with them, whole again, spread.

With Accelerate's FSDP of version 2, `torch.distributed.fsdp.fully_shard`, a parameter is a
`DTensor`: each process keeps a part of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

from torch import Tensor, nn

# What `accelerate launch` says by a variable, and what that is without one; what it has to be, how
# a file of `accelerate config` says so, and why.
Needed = tuple[str, str, str, str, str]
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
    ("ACCELERATE_DYNAMO_BACKEND", "no", "no", "no dynamo_config", "nothing is compiled"),
    (
        *("ACCELERATE_USE_PARALLELISM_CONFIG", "false", "false"),
        "no parallelism_config",
        "weights are spread over all processes alike",
    ),
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
    for variable, default, value, line, reason in _NEEDED:
        found = os.environ.get(variable, default)
        if found.lower() != value:
            raise ValueError(
                f"Accelerate is configured for FSDP with {variable}={found}: expected {line} in "
                f"its configuration, since {reason}"
            )
    _check_version("torch", "2.8")
    _check_version("accelerate", "1.8")


def _check_version(package: str, oldest: str) -> None:
    """Raises an ImportError if a package is too old for FSDP2."""
    from accelerate.utils import compare_versions

    if not compare_versions(package, ">=", oldest):
        raise ImportError(
            f"FSDP needs {package} {oldest} or newer, and this is {version(package)}: "
            f"pip install --upgrade {package}"
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
        if isinstance(value, DTensor):
            if id(value) not in known:
                full = whole_tensor(value.detach())
                known[id(value)] = full.cpu() if keep else None
            return known[id(value)]
        if isinstance(value, Mapping):
            return {key: visit(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [visit(each) for each in value]
        return value

    return visit(tree)


def is_sharded(value: Any) -> bool:
    """Returns whether a tensor is sharded over processes, a `DTensor`."""
    return hasattr(value, "placements")


def whole_tensor(value: Tensor) -> Tensor:
    """A tensor as a whole in each process, if it is a spread one; all processes have to ask."""
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else cast(Tensor, gather())


def all_are(test: Callable[[Tensor], Tensor], values: Iterable[Tensor]) -> list[bool]:
    """Which tensors pass a test, be they spread ones or not.

    All are asked for, since processes have to ask each other equally often; they get equal answers.

    Args:
        test: Of a tensor, with a tensor of one value.
        values: The tensors.
    """
    return [bool(whole_tensor(test(value))) for value in values]


def spread_like(value: Any, parameter: Any) -> Any:
    """A whole tensor spread as a `DTensor` of its shape is; anything else as it is.

    All processes have to ask, with equal tensors.
    """
    if (
        not is_sharded(parameter)
        or not isinstance(value, Tensor)
        or is_sharded(value)
        or value.shape != parameter.shape
    ):
        return value
    from torch.distributed.tensor import distribute_tensor

    value = value.to(parameter.device)
    return distribute_tensor(value, parameter.device_mesh, parameter.placements)
