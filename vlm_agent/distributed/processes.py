"""Training in several processes: what they share out, and what they have to agree on.

All of it is Accelerate's: `accelerate launch` starts the processes, each of which holds the whole
model (DDP), or a part of it (FSDP). In a process that was started by itself nothing of it runs.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor, nn

from vlm_agent.distributed import sharding

if TYPE_CHECKING:
    from vlm_agent.models.policy import VLMPolicy

T = TypeVar("T")
# How long processes wait for one of them. By default NCCL ends them after 10 minutes, and writing a
# large model may take longer.
_PATIENCE = timedelta(hours=2)


class Processes:
    """The processes that train one policy together; one where nothing has started more.

    Attributes:
        count: How many there are.
        rank: The number of this one, from 0.
        is_sharded: Whether each keeps a part of the weights alone, gradients and moments with them.

    Raises:
        ImportError: If a package is missing, or too old, for what is configured.
        ValueError: If Accelerate was configured for what is not done here.
    """

    def __init__(self) -> None:
        # After an error nothing is waited for: others may be waiting for this process to end.
        atexit.unregister(_leave)
        self._accelerator = _accelerator() if _is_launched() else None
        self.count = self._accelerator.num_processes if self._accelerator else 1
        self.rank = self._accelerator.process_index if self._accelerator else 0
        self.is_sharded = self._accelerator is not None and sharding.is_asked_for()
        self._sharded: nn.Module | None = None
        self._reshard = False

    @property
    def is_main(self) -> bool:
        """Whether this is the process that logs and saves."""
        return self.rank == 0

    def share(self, number: int, name: str) -> int:
        """What each process gets of a number of things.

        Args:
            number: Of all together.
            name: The option that says it.

        Raises:
            ValueError: If it cannot be shared out evenly.
        """
        if number % self.count:
            raise ValueError(
                f"{name}={number} cannot be shared out among {self.count} processes: expected a "
                f"multiple of {self.count}"
            )
        return number // self.count

    # ----- the policy -------------------------------------------------------------------------

    def prepare(
        self, policy: VLMPolicy, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """What trains the policy in all processes: a module to call, and its optimiser."""
        if self._accelerator is None:
            return policy, optimizer
        if self.is_sharded:
            return self._shard(self._accelerator, policy, optimizer)
        with warnings.catch_warnings():
            # Torch renames the option that Accelerate passes on.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            module, optimizer = self._accelerator.prepare(policy, optimizer)
        return module, optimizer

    def _shard(
        self, accelerator: Any, policy: VLMPolicy, optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        from torch.distributed.fsdp import register_fsdp_forward_method

        plugin = accelerator.state.fsdp_plugin
        if "FSDP_TRANSFORMER_CLS_TO_WRAP" not in os.environ:
            # Of this model, whatever was trained in this process before.
            plugin.transformer_cls_names_to_wrap = sharding.layer_classes(policy.network)
        module, optimizer = accelerator.prepare(policy, optimizer)
        for name in ("act", "states"):
            register_fsdp_forward_method(module, name)
        self._sharded, self._reshard = module, plugin.reshard_after_forward
        return module, optimizer

    def check_options(self, *, load_in_4bit: bool) -> None:
        """Makes sure that a model can be trained in these processes.

        Raises:
            ValueError: If its weights have 4 bits and are to be spread.
        """
        if self.is_sharded and load_in_4bit:
            raise ValueError(
                "weights of 4 bits are not spread over processes: train without --load-in-4bit, or "
                "with DDP (`accelerate launch --multi_gpu`)"
            )

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Inside, each process has all weights, and runs the model as often as it likes.

        Without gradients; all processes have to enter and to leave.
        """
        with contextlib.ExitStack() as stack:
            if self.is_sharded:
                stack.enter_context(torch.no_grad())
            if self._sharded is not None:
                stack.enter_context(sharding.gathered(self._sharded, reshard=self._reshard))
            yield

    def whole(self, tree: Any) -> Any:
        """What a tree holds, with what was spread over processes whole, for the main one to save.

        All processes have to ask; what the others get is of no use.
        """
        return sharding.whole(tree, keep=self.is_main) if self.is_sharded else tree

    def passes(self, own: int) -> int:
        """How many passes with gradients each process has to make, if this one needs some.

        Spread weights are brought together, and gradients to be spread are exchanged, in every
        pass, so that all have to make as many.
        """
        return max(self.gather(own)) if self.is_sharded else own

    def accumulating(self, module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Inside, gradients add up in each process; those of all are put together in the last.

        Spread ones are put together in every pass: whole, they would take the memory that
        spreading them saves.
        """
        if self._accelerator is None or self.is_sharded or last:
            return contextlib.nullcontext()
        return cast(AbstractContextManager[Any], self._accelerator.no_sync(module))

    def backward(self, loss: Tensor) -> None:
        """The backward pass of a part of a sum over all processes."""
        if self._accelerator is None:
            loss.backward()
            return
        # Accelerate's modules take the mean over processes.
        self._accelerator.backward(loss * self.count)

    def clip(self, parameters: Sequence[nn.Parameter], max_norm: float) -> float:
        """Clips gradients to a norm, and gives the one that they had."""
        if self._accelerator is None:
            return clip_grad_norm(parameters, max_norm)
        norm = self._accelerator.clip_grad_norm_(list(parameters), max_norm)
        return float(sharding.whole_tensor(norm))

    # ----- what is agreed on ------------------------------------------------------------------

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in their order."""
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return cast(list[T], gather_object([value]))

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """The sums over all processes of values under the same names."""
        rows = self.gather(dict(values))
        return {name: sum(row[name] for row in rows) for name in values}

    def any(self, value: bool) -> bool:
        """Whether it is so in any process."""
        return any(self.gather(value))

    def wait(self) -> None:
        """Waits for all."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()

    def finish(self) -> None:
        """Waits for all at the end of a training, so that none stops while another still saves."""
        self.wait()
        if self._accelerator is not None:
            # When Python ends, and not before: what was trained may be used, and trained again.
            atexit.register(_leave)


def _is_launched() -> bool:
    """Whether Accelerate, or anything else that sets what it reads, has started this process."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or int(os.environ.get("WORLD_SIZE", 1)) > 1


def _leave() -> None:
    """Ends the threads that exchange things with other processes.

    One of gloo's lets go of the last exchange a moment after it was made, and aborts the process if
    Python is ending by then.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _accelerator() -> Any:
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision != "no":
        raise ValueError(
            f"Accelerate is configured with mixed_precision: {precision}, in which replies would "
            "be scored in another number format than they were sampled in: set it to 'no', and "
            "choose the format by --dtype"
        )
    if sharding.is_asked_for():
        sharding.check_configuration()
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        raise ValueError(
            "Accelerate is configured for DeepSpeed, which is not supported: FSDP2 shards weights, "
            "gradients and optimizer states in the same way (docs/scale/fsdp.md shows how)"
        )
    # Without a critic the value head has no gradient; buffers are the same everywhere.
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    group = InitProcessGroupKwargs(timeout=_PATIENCE)
    accelerator = Accelerator(kwargs_handlers=[ddp, group])
    if sharding.is_asked_for() and not accelerator.is_fsdp2:
        raise ValueError(
            "Accelerate is configured for FSDP, which it does on GPUs alone, and there is none: "
            "use DDP (`accelerate launch --multi_gpu`)"
        )
    return accelerator


def clip_grad_norm(parameters: Sequence[nn.Parameter], max_norm: float) -> float:
    """Clips the gradients of parameters to a norm, and gives the one that they had."""
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm).item()
