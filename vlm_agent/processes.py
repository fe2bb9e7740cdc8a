"""Training in several processes: what they share out, and what they have to agree on.

All of it is Accelerate's: `accelerate launch` starts the processes, each of which holds the whole
model (DDP). In a process that was started by itself nothing of it runs.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from vlm_agent.policy import VLMPolicy
from vlm_agent.steps import clip_grad_norm

T = TypeVar("T")


class Processes:
    """The processes that train one policy together; one where nothing has started more.

    Attributes:
        count: How many there are.
        rank: The number of this one, from 0.

    Raises:
        ValueError: If Accelerate was configured for what is not done here.
    """

    def __init__(self) -> None:
        self._accelerator = _accelerator() if _is_launched() else None
        self.count = self._accelerator.num_processes if self._accelerator else 1
        self.rank = self._accelerator.process_index if self._accelerator else 0

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
        with warnings.catch_warnings():
            # Torch renames the option that Accelerate passes on.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            module, optimizer = self._accelerator.prepare(policy, optimizer)
        return module, optimizer

    def accumulating(self, module: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Inside, gradients add up in each process; those of all are put together in the last."""
        if self._accelerator is None or last:
            return contextlib.nullcontext()
        return cast(AbstractContextManager[Any], self._accelerator.no_sync(module))

    def backward(self, loss: Tensor) -> None:
        """The backward pass of a part of a sum over all processes."""
        if self._accelerator is None:
            loss.backward()
        else:
            # Accelerate's modules take the mean over processes.
            self._accelerator.backward(loss * self.count)

    def clip(self, parameters: Sequence[nn.Parameter], max_norm: float) -> float:
        """Clips gradients to a norm, and gives the one that they had."""
        if self._accelerator is None:
            return clip_grad_norm(parameters, max_norm)
        return float(self._accelerator.clip_grad_norm_(list(parameters), max_norm))

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


def _is_launched() -> bool:
    """Whether Accelerate, or anything else that sets what it reads, has started this process."""
    return "ACCELERATE_MIXED_PRECISION" in os.environ or int(os.environ.get("WORLD_SIZE", 1)) > 1


def _accelerator() -> Any:
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision != "no":
        raise ValueError(
            f"Accelerate is configured with mixed_precision: {precision}, in which replies would "
            "be scored in another number format than they were sampled in: set it to 'no', and "
            "choose the format by --dtype"
        )
    for name, variable in (
        ("FSDP", "ACCELERATE_USE_FSDP"),
        ("DeepSpeed", "ACCELERATE_USE_DEEPSPEED"),
    ):
        if os.environ.get(variable, "false").lower() == "true":
            raise ValueError(
                f"Accelerate is configured for {name}, with which nothing is trained here yet: use "
                "DDP (`accelerate launch --multi_gpu`), and --lora or --load-in-4bit where the "
                "model is too large for one GPU"
            )
    # Without a critic the value head has no gradient; buffers are the same everywhere.
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    return Accelerator(kwargs_handlers=[ddp])
