"""Sharded weights: what of FSDP is supported, and full tensors from shards and back.

With Accelerate's FSDP2, `torch.distributed.fsdp.fully_shard`, a parameter is a `DTensor`, of which
each process keeps a shard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn


class _Setting(NamedTuple):
    """A setting of `accelerate config` that has to have one value.

    Attributes:
        variable: Environment variable that `accelerate launch` sets.
        default: Its value if it is not set.
        needed: The value it has to have.
        line: The setting as a line of the configuration file.
        reason: Why it has to have this value.
    """

    variable: str
    default: str
    needed: str
    line: str
    reason: str


_SETTINGS = (
    _Setting("FSDP_VERSION", "1", "2", "fsdp_version: 2", "only FSDP2 is supported"),
    _Setting(
        *("FSDP_AUTO_WRAP_POLICY", "NO_WRAP", "transformer_based_wrap"),
        "fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP",
        "weights are gathered layer by layer",
    ),
    _Setting(
        *("FSDP_CPU_RAM_EFFICIENT_LOADING", "false", "false"),
        "fsdp_cpu_ram_efficient_loading: false",
        "the first process alone reads the weights anyway",
    ),
    _Setting(
        *("FSDP_OFFLOAD_PARAMS", "false", "false"),
        "fsdp_offload_params: false",
        "weights stay on the device that writes replies",
    ),
    _Setting(
        *("FSDP_ACTIVATION_CHECKPOINTING", "false", "false"),
        "fsdp_activation_checkpointing: false",
        "--gradient-checkpointing does the same",
    ),
    _Setting(
        *("FSDP_IGNORED_MODULES", "", ""), "no fsdp_ignored_modules", "all weights are sharded"
    ),
    _Setting(
        *("ACCELERATE_DYNAMO_BACKEND", "no", "no"), "no dynamo_config", "models are not compiled"
    ),
    _Setting(
        *("ACCELERATE_USE_PARALLELISM_CONFIG", "false", "false"),
        "no parallelism_config",
        "weights are sharded over all processes alike",
    ),
)


def is_requested() -> bool:
    """Returns whether Accelerate was configured for FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def check_configuration() -> None:
    """Checks that FSDP is configured in the supported way.

    Raises:
        ValueError: Naming the line of Accelerate's configuration to change.
    """
    for setting in _SETTINGS:
        found = os.environ.get(setting.variable, setting.default)
        if found.lower() != setting.needed:
            raise ValueError(
                f"Accelerate is configured for FSDP with {setting.variable}={found}: expected "
                f"{setting.line} in its configuration, because {setting.reason}"
            )


def layer_classes(network: nn.Module) -> list[str]:
    """Returns the names of a model's layer classes, whose weights are gathered together.

    Args:
        network: The Hugging Face model.

    Raises:
        ValueError: If the model does not list them, or has none that the configuration names.
    """
    existing = {type(module).__name__ for module in network.modules()}
    if named := os.environ.get("FSDP_TRANSFORMER_CLS_TO_WRAP"):
        if missing := sorted({name.strip() for name in named.split(",")} - existing):
            raise ValueError(
                f"{type(network).__name__} has no layers of class {missing[0]}, which "
                "fsdp_transformer_layer_cls_to_wrap in Accelerate's configuration names: leave it "
                "out, or correct it"
            )
        return [name.strip() for name in named.split(",")]
    listed = set(getattr(network, "_no_split_modules", None) or ())
    found = sorted(listed & existing)
    if not found:
        raise ValueError(
            f"{type(network).__name__} does not list its layer classes: name them with "
            "fsdp_transformer_layer_cls_to_wrap in Accelerate's configuration"
        )
    return found


def shard(
    module: nn.Module,
    layers: Collection[str],
    exact: nn.Module,
    *,
    reshard: bool,
    compute_dtype: torch.dtype | None,
    gradient_dtype: torch.dtype,
    ready: Callable[[nn.Module], None],
) -> None:
    """Shards a module's weights over all processes; each keeps its shards in their own format.

    All processes have to call it.

    Args:
        module: The module.
        layers: Names of the classes whose weights are gathered together; those of all other
            modules are gathered at once.
        exact: Part of the module that computes in the format of its weights.
        reshard: Whether layers are resharded after a forward pass in training.
        compute_dtype: Number format in which weights are gathered, so that all modules but `exact`
            compute in it; by default that of the weights.
        gradient_dtype: Number format in which gradients are exchanged.
        ready: Called with each module before its own weights are sharded.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Inputs keep their format, as they do in a model that was loaded in the narrower one.
    narrow = MixedPrecisionPolicy(compute_dtype, gradient_dtype, cast_forward_inputs=False)
    wide = MixedPrecisionPolicy(reduce_dtype=torch.float32)
    # The last ones first: layers inside layers before those around them.
    for part in reversed(list(module.modules())):
        if part is exact or type(part).__name__ in layers:
            ready(part)
            policy = wide if part is exact else narrow
            fully_shard(part, mp_policy=policy, reshard_after_forward=reshard)
    ready(module)
    fully_shard(module, mp_policy=narrow)


@contextmanager
def gathered(module: nn.Module, *, reshard: bool) -> Iterator[None]:
    """Gives each process a module's full weights; forward passes inside do not communicate.

    So processes may make different numbers of passes. All have to enter and leave the context.

    Args:
        module: The module that `fully_shard` was called on.
        reshard: Whether layers are resharded after a forward pass in training.
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
            # Weights of the root itself are needed again at once in a backward pass.
            part.set_reshard_after_forward(reshard and part is not root, recurse=False)


def is_sharded(value: Any) -> bool:
    """Returns whether a value is a sharded tensor, a `DTensor`."""
    return hasattr(value, "placements")


def full_tensor(value: Tensor) -> Tensor:
    """Returns the full tensor of a sharded one, any other tensor unchanged.

    All processes have to call it.
    """
    gather = getattr(value, "full_tensor", None)
    return value if gather is None else cast(Tensor, gather())


def unshard(tree: Any, *, keep: bool) -> Any:
    """Returns a tree with sharded tensors replaced by full copies on the CPU.

    All processes have to call it, with trees of the same sharded tensors.

    Args:
        tree: Nested dictionaries, lists and tuples; a tensor that occurs twice stays one tensor.
        keep: Whether this process needs the tensors; otherwise they become `None`.
    """
    known: dict[int, Tensor | None] = {}

    def visit(value: Any) -> Any:
        if is_sharded(value):
            if id(value) not in known:
                full = full_tensor(value.detach())
                known[id(value)] = full.to("cpu", copy=True) if keep else None
            return known[id(value)]
        if isinstance(value, Mapping):
            return {key: visit(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [visit(each) for each in value]
        return value

    return visit(tree)


def check_each(test: Callable[[Tensor], Tensor], values: Iterable[Tensor]) -> list[bool]:
    """Returns which tensors pass a test, whether or not they are sharded.

    All are tested, even after a failure, because processes have to communicate equally often.

    Args:
        test: Maps a tensor to a tensor of one value.
        values: The tensors.
    """
    return [bool(full_tensor(test(value))) for value in values]


def shard_like(value: Any, parameter: Any) -> Any:
    """Shards a full tensor as a parameter of its shape is sharded; returns others unchanged.

    All processes have to call it, with equal tensors.
    """
    if (
        not is_sharded(parameter)
        or is_sharded(value)
        or not isinstance(value, Tensor)
        or value.shape != parameter.shape
    ):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(
        value.to(parameter.device), parameter.device_mesh, parameter.placements
    )
