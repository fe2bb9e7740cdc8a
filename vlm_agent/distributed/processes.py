"""Processes that train one policy together.

All of it is Accelerate's: `accelerate launch` starts the processes, each of which holds the whole
model (DDP) or a shard of it (FSDP). A process that was started by itself needs none of it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from vlm_agent.distributed import sharding, weights

T = TypeVar("T")
# How long processes wait for each other. NCCL's default is 10 minutes, and saving a large model may
# take longer.
_TIMEOUT = timedelta(hours=2)
# How long a thread of gloo gets for releasing its last exchange: far longer than it takes.
_RELEASE_SECONDS = 0.5


class Processes:
    """The processes that train one policy together; a single one unless more were launched.

    Everything that communicates must be called in all processes, in the same order.

    Attributes:
        count: Number of processes.
        rank: Index of this process, from 0.
        is_sharded: Whether each process keeps only a shard of weights, gradients and moments.

    Raises:
        ImportError: If a package is missing, or too old, for the configuration.
        ValueError: If Accelerate is configured for something that is not supported.
    """

    def __init__(self) -> None:
        # After an error no process waits: others may be waiting for this one to end.
        atexit.unregister(_leave)
        self._accelerator = _accelerator() if _is_launched() else None
        self.count = self._accelerator.num_processes if self._accelerator else 1
        self.rank = self._accelerator.process_index if self._accelerator else 0
        self.is_sharded = self._accelerator is not None and sharding.is_requested()
        self._sharded: nn.Module | None = None
        self._reshard = False

    @property
    def is_main(self) -> bool:
        """True for the process that logs and saves."""
        return self.rank == 0

    def share(self, number: int, name: str) -> int:
        """Returns the share of each process in a number of environments or steps.

        Args:
            number: Total of all processes.
            name: Option that sets it, for the error message.

        Raises:
            ValueError: If the number is not divisible by the number of processes.
        """
        if number % self.count:
            raise ValueError(
                f"{name}={number} cannot be divided among {self.count} processes: expected a "
                f"multiple of {self.count}"
            )
        return number // self.count

    # ----- the policy -------------------------------------------------------------------------

    def check_options(self, *, load_in_4bit: bool) -> None:
        """Checks that a model can be trained in these processes.

        Raises:
            ValueError: If weights are to be sharded that have 4 bits.
        """
        if self.is_sharded and load_in_4bit:
            raise ValueError(
                "weights of 4 bits cannot be sharded over processes: train without --load-in-4bit, "
                "or with DDP (`accelerate launch --multi_gpu`)"
            )

    def prepare(
        self,
        policy: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        gradient_dtype: torch.dtype = torch.float32,
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Returns the module to call for passes with gradients, and the optimizer.

        Weights that only the first process has read reach the others here.

        Args:
            policy: The `VLMPolicy` to train.
            optimizer: Optimizer of its parameters.
            gradient_dtype: Number format in which gradients are exchanged.

        Raises:
            RuntimeError: If the processes have loaded different models.
        """
        if self._accelerator is None:
            return policy, optimizer
        device = self._accelerator.device
        receives = self.any(weights.are_missing(policy))
        if receives and len(set(self.gather(weights.outline(policy)))) > 1:
            raise RuntimeError(
                "the processes have loaded different models: all have to see the same files and "
                "to have the same version of transformers"
            )
        if self.is_sharded:
            ready = partial(weights.receive, device=device) if receives else _is_ready
            return self._shard(self._accelerator, policy, optimizer, gradient_dtype, ready)
        if receives:
            weights.receive(policy, device)
        with warnings.catch_warnings():
            # Torch renamed the option that Accelerate passes on.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            module, optimizer = self._accelerator.prepare(policy, optimizer)
        if gradient_dtype == torch.bfloat16:
            from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook

            # By that name DDP refuses it outside of NCCL, although gloo can do it too.
            module.register_comm_hook(None, lambda group, bucket: bf16_compress_hook(group, bucket))
        return module, optimizer

    def _shard(
        self,
        accelerator: Any,
        policy: nn.Module,
        optimizer: torch.optim.Optimizer,
        gradient_dtype: torch.dtype,
        ready: Callable[[nn.Module], None],
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        from torch.distributed.fsdp import register_fsdp_forward_method

        names = {id(parameter): name for name, parameter in policy.named_parameters()}
        groups = [[names[id(p)] for p in group["params"]] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            group["params"] = []  # or whole weights would be kept alive
        self._reshard = accelerator.state.fsdp_plugin.reshard_after_forward
        sharding.shard(
            policy,
            sharding.layer_classes(cast(nn.Module, policy.network)),
            cast(nn.Module, policy.value_head),
            reshard=self._reshard,
            # An adapter's weights, and those of its base model, decide for themselves.
            compute_dtype=None if policy.has_adapter else cast(torch.dtype, policy.compute_dtype),
            gradient_dtype=gradient_dtype,
            ready=ready,
        )
        sharded = dict(policy.named_parameters())
        for group, own in zip(optimizer.param_groups, groups, strict=True):
            group["params"] = [sharded[name] for name in own]
        for name in ("act", "states"):
            register_fsdp_forward_method(policy, name)
        self._sharded = policy
        return policy, accelerator.prepare_optimizer(optimizer)

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Gives each process all weights inside the context, for any number of forward passes.

        Sharded weights have no gradients inside.
        """
        with contextlib.ExitStack() as stack:
            if self.is_sharded:
                stack.enter_context(torch.no_grad())
            if self._sharded is not None:
                stack.enter_context(sharding.gathered(self._sharded, reshard=self._reshard))
            yield

    def unshard(self, tree: Any) -> Any:
        """Returns a tree with sharded tensors replaced by full ones, for the main process to save.

        What the other processes get is incomplete.

        Args:
            tree: Nested dictionaries, lists and tuples.
        """
        return sharding.unshard(tree, keep=self.is_main) if self.is_sharded else tree

    # ----- gradients --------------------------------------------------------------------------

    def accumulate(
        self, module: nn.Module, parts: Sequence[T], filler: T, *, last: bool = True
    ) -> Iterator[tuple[T, bool]]:
        """Iterates over the micro-batches of one gradient; call `backward` once for each.

        Gradients are synchronised in the last pass. Sharded ones are synchronised in every pass,
        because full ones would take the memory that sharding saves; all processes then have to make
        as many passes, so those with fewer micro-batches get fillers. A process without any
        micro-batch always gets one.

        Args:
            module: The module that `prepare` returned.
            parts: Micro-batches of this process.
            filler: Any micro-batch, for passes that must not count.
            last: Whether the gradient is complete after these micro-batches.

        Yields:
            A micro-batch, and whether it counts; the loss of one that does not must be multiplied
            by 0.
        """
        passes = [(part, True) for part in parts] or [(filler, False)]
        if self.is_sharded:
            passes += [(filler, False)] * (max(self.gather(len(passes))) - len(passes))
        for number, (part, counts) in enumerate(passes, start=1):
            synchronises = self.is_sharded or (last and number == len(passes))
            if self._accelerator is None or synchronises:
                yield part, counts
            else:
                with self._accelerator.no_sync(module):
                    yield part, counts

    def zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        """Clears gradients, and frees the memory that they took unless it is needed again."""
        # With DDP they are views of what is exchanged, which stays. Without them the passes that do
        # not synchronise would sum up gradients somewhere else.
        in_place = self._accelerator is not None and not self.is_sharded
        optimizer.zero_grad(set_to_none=not in_place)

    def backward(self, loss: Tensor) -> None:
        """Runs the backward pass of this process's part of a loss summed over all processes."""
        if self._accelerator is None:
            loss.backward()
            return
        # Accelerate's modules average gradients over processes.
        self._accelerator.backward(loss * self.count)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Averages gradients over processes, as modules do, of parameters outside of any module."""
        if self.count > 1:
            for parameter in parameters:
                gradient = cast(Tensor, parameter.grad)
                torch.distributed.all_reduce(gradient)
                gradient /= self.count

    def clip(self, parameters: Sequence[nn.Parameter], max_norm: float) -> float:
        """Clips gradients to a maximum norm and returns the norm before clipping."""
        if self._accelerator is None:
            return clip_grad_norm(parameters, max_norm)
        norm = self._accelerator.clip_grad_norm_(list(parameters), max_norm)
        return float(sharding.full_tensor(norm))

    # ----- communication ----------------------------------------------------------------------

    def gather(self, value: T) -> list[T]:
        """Returns the values of all processes, ordered by rank."""
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return cast(list[T], gather_object([value]))

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Returns the sum over all processes of each value; all have the same keys."""
        rows = self.gather(dict(values))
        return {name: sum(row[name] for row in rows) for name in values}

    def any(self, value: bool) -> bool:
        """Returns whether the value is true in any process."""
        return any(self.gather(value))

    def wait(self) -> None:
        """Waits for all processes."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()

    def finish(self) -> None:
        """Waits for all at the end of a training, so that none exits while another still saves."""
        self.wait()
        if self._accelerator is not None:
            # At exit, not before: the policy may be used, and trained again.
            atexit.register(_leave)


def clip_grad_norm(parameters: Sequence[nn.Parameter], max_norm: float) -> float:
    """Clips the gradients of parameters to a maximum norm and returns the norm before clipping."""
    return torch.nn.utils.clip_grad_norm_(parameters, max_norm).item()


def _is_ready(module: nn.Module) -> None:
    """Does nothing to a module that has its weights."""


def _is_launched() -> bool:
    """Returns whether Accelerate, or a launcher that sets its variables, started this process."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or int(os.environ.get("WORLD_SIZE", 1)) > 1


def _leave() -> None:
    """Ends the threads that communicate with other processes, or waits until they are idle.

    A thread of gloo releases its last exchange a moment late, for which it needs the interpreter's
    lock, and aborts the process if Python is exiting by then. Ending the group waits for its
    threads, unless caches of sharded tensors still refer to it: they have to be given the lock.
    """
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
        time.sleep(_RELEASE_SECONDS)


def _accelerator() -> Any:
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision != "no":
        raise ValueError(
            f"Accelerate is configured with mixed_precision: {precision}, in which replies would "
            "be scored in another number format than they were sampled in: set it to 'no', and "
            "choose the format with --dtype"
        )
    if sharding.is_requested():
        sharding.check_configuration()
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true":
        raise ValueError(
            "Accelerate is configured for DeepSpeed, which is not supported: FSDP2 shards weights, "
            "gradients and optimizer states in the same way (docs/scale/fsdp.md shows how)"
        )
    # Without a critic the value head has no gradient; buffers are the same everywhere. Gradients
    # are views of what is exchanged, or they would be stored twice.
    ddp = DistributedDataParallelKwargs(
        find_unused_parameters=True, broadcast_buffers=False, gradient_as_bucket_view=True
    )
    group = InitProcessGroupKwargs(timeout=_TIMEOUT)
    accelerator = Accelerator(kwargs_handlers=[ddp, group])
    if sharding.is_requested() and not accelerator.is_fsdp2:
        raise ValueError(
            "Accelerate is configured for FSDP, which it supports on GPUs only, and there is none: "
            "use DDP (`accelerate launch --multi_gpu`)"
        )
    return accelerator
