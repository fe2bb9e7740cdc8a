"""Optimizer steps: parameter groups, learning rates, clipping, and a guard against NaN."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from vlm_agent.config.trainer import TrainingOptions
from vlm_agent.distributed.processes import Processes, clip_grad_norm
from vlm_agent.distributed.sharding import check_each, shard_like
from vlm_agent.training.optimization.muon import muon_for

if TYPE_CHECKING:
    from vlm_agent.models.policy import VLMPolicy
    from vlm_agent.training.ppo_config import PPOConfig

# A single batch may overflow; this many in a row have a lasting cause.
_PATIENCE = 5


class NotFiniteError(ArithmeticError, ValueError):
    """Losses or gradients were not finite in too many steps in a row."""


class OptimizerStep:
    """Clips gradients and takes optimizer steps, except along gradients that are not finite.

    A step along a gradient with NaN or infinity would turn every weight it reaches into NaN. It is
    skipped and counted instead, and the weights do not change.

    Args:
        clipped: Groups of parameters by the name of their gradient norm, each clipped separately.
            Together they are all trained parameters.
        max_norm: Maximum norm of each group's gradient.
        clip: Clips the gradients of parameters to a maximum norm and returns the norm before.
    """

    def __init__(
        self,
        clipped: Mapping[str, Sequence[nn.Parameter]],
        max_norm: float,
        clip: Callable[[Sequence[nn.Parameter], float], float] = clip_grad_norm,
    ) -> None:
        self.clipped = clipped
        self._clip = clip
        self._max_norm = max_norm
        self._in_a_row = 0

    def step(
        self, optimizer: torch.optim.Optimizer, losses: Mapping[str, float]
    ) -> dict[str, float] | None:
        """Takes a step along the current gradients.

        Args:
            optimizer: Optimizer of the parameters.
            losses: The losses that the gradients belong to, by name.

        Returns:
            The norms before clipping, or `None` if the step was skipped.

        Raises:
            NotFiniteError: If too many steps in a row were skipped.
        """
        norms = {
            name: self._clip(parameters, self._max_norm)
            for name, parameters in self.clipped.items()
        }
        wrong = [
            f"{name} is {value}"
            for name, value in {**losses, **norms}.items()
            if not math.isfinite(value)
        ]
        if not wrong:
            self._in_a_row = 0
            optimizer.step()
            return norms
        optimizer.zero_grad()
        self._in_a_row += 1
        if self._in_a_row == _PATIENCE:
            raise NotFiniteError(self._diagnosis(wrong))
        return None

    def state_dict(self) -> dict[str, int]:
        """Returns the number of steps in a row that were skipped."""
        return {"in_a_row": self._in_a_row}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Continues where `state_dict` was taken."""
        self._in_a_row = state["in_a_row"]

    def _diagnosis(self, wrong: Sequence[str]) -> str:
        start = f"{_PATIENCE} optimizer steps in a row were skipped: {', '.join(wrong)}. "
        weights = [each for group in self.clipped.values() for each in group]
        if not all(check_each(lambda each: torch.isfinite(each).all(), weights)):
            return start + (
                "The weights themselves hold NaN or infinity: start from a model without"
            )
        return start + (
            "The weights are still finite. If training has diverged, lower --learning-rate or use "
            "--dtype float32; otherwise check the rewards and pictures of the environment"
        )


class SavedOptimizer:
    """Wraps an optimizer so that all keys of its state are strings, as JSON requires.

    Args:
        optimizer: The optimizer.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    def state_dict(self) -> dict[str, Any]:
        """Returns the optimizer's state."""
        state = self._optimizer.state_dict()
        return {**state, "state": {str(number): each for number, each in state["state"].items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, with equal parameters.

        If the parameters are sharded, all processes must call it.
        """
        parameters = [p for group in self._optimizer.param_groups for p in group["params"]]
        moments = {
            int(number): {
                name: shard_like(value, parameters[int(number)]) for name, value in each.items()
            }
            for number, each in state["state"].items()
        }
        self._optimizer.load_state_dict({**state, "state": moments})


class CosineSchedule:
    """Cosine from each parameter group's peak learning rate down to a fraction of it.

    Args:
        end: Final learning rate as a fraction of the peak.
        warmup: Fraction of the training, below 1, in which the learning rate first rises linearly
            from 0 to its peak; the cosine takes the rest.
    """

    def __init__(self, end: float, warmup: float = 0.0) -> None:
        self._end = end
        self._warmup = warmup

    def apply(self, optimizer: torch.optim.Optimizer, progress: float) -> None:
        """Sets the learning rates.

        Args:
            optimizer: Optimizer whose parameter groups have a `peak`.
            progress: Fraction of the training that is done.
        """
        if progress < self._warmup:
            share = progress / self._warmup
        else:
            fallen = (min(progress, 1.0) - self._warmup) / (1 - self._warmup)
            share = 0.5 * (1.0 + math.cos(math.pi * fallen)) * (1 - self._end) + self._end
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * share


def warmup_steps(config: TrainingOptions, total: int, usual: int = 0) -> int:
    """Returns the number of optimizer steps in which the learning rate rises.

    Args:
        config: The options.
        total: Number of all optimizer steps.
        usual: Number of steps if the options do not say.

    Raises:
        ValueError: If they are not fewer than all steps.
    """
    if config.warmup_ratio is not None:
        return min(math.ceil(config.warmup_ratio * total), total - 1)
    steps = usual if config.warmup_steps is None else config.warmup_steps
    if steps >= max(total, 1):
        raise ValueError(
            f"warmup_steps={steps}, and the training has {total} optimizer steps: expected fewer, "
            "or a warmup_ratio"
        )
    return steps


def check_optimizer(config: TrainingOptions, processes: Processes) -> None:
    """Checks that the optimizer can be made, before anything slow is done.

    Raises:
        ImportError: If its package is not installed.
        ValueError: If weights are sharded, and its moments could not be.
    """
    if config.optimizer == "muon" and processes.is_sharded:
        raise ValueError(
            "optimizer='muon' needs whole matrices, and each process has a shard of them: choose "
            "adamw, or train with DDP (`accelerate launch --multi_gpu`)"
        )
    if config.optimizer != "adamw_8bit":
        return
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ImportError(
            "optimizer='adamw_8bit' needs bitsandbytes, which is not installed: "
            "pip install bitsandbytes"
        )
    if processes.is_sharded:
        raise ValueError(
            "optimizer='adamw_8bit' with sharded weights (FSDP): blocks of moments in 8 bits "
            "cannot be sharded; expected optimizer='adamw', or DDP"
        )


def make_optimizer(
    groups: Sequence[Mapping[str, Any]],
    config: TrainingOptions,
    learning_rate: float,
    epsilon: float = 1e-8,
    network: nn.Module | None = None,
) -> torch.optim.Optimizer:
    """Makes the optimizer of parameter groups.

    Args:
        groups: Parameter groups; with weight decay, each is split into one that decays, of
            matrices, and one that does not, of biases and normalisation weights.
        config: The options.
        learning_rate: Learning rate of groups without one.
        epsilon: Adam's ε.
        network: The model whose hidden layers Muon is for.
    """
    if config.optimizer == "muon" and network is not None:
        return muon_for(network, [p for group in groups for p in group["params"]], learning_rate)
    if config.weight_decay:
        groups = [part for group in groups for part in _decaying(group, config.weight_decay)]
    kind: Any = torch.optim.AdamW
    if config.optimizer == "adamw_8bit":
        kind = importlib.import_module("bitsandbytes.optim").AdamW8bit
    optimizer: torch.optim.Optimizer = kind(
        [dict(group) for group in groups], lr=learning_rate, eps=epsilon, weight_decay=0.0
    )
    return optimizer


def _decaying(group: Mapping[str, Any], decay: float) -> list[dict[str, Any]]:
    """Returns a group's matrices with weight decay and its vectors without."""
    parts = {decay: [p for p in group["params"] if p.ndim > 1]}
    parts[0.0] = [p for p in group["params"] if p.ndim <= 1]
    return [
        {**group, "params": params, "weight_decay": share}
        for share, params in parts.items()
        if params
    ]


def value_learning_rate(config: PPOConfig) -> float:
    """Returns the value head's learning rate: by default the model's."""
    own = config.value_learning_rate
    return config.learning_rate if own is None else own


def parameter_groups(policy: VLMPolicy, config: PPOConfig) -> list[dict[str, Any]]:
    """Returns the optimizer's parameter groups, with peak learning rates: model and value head."""
    model, head = _trained(policy)
    return [
        {"params": model, "peak": config.learning_rate},
        {"params": head, "peak": value_learning_rate(config)},
    ]


def clipped_together(policy: VLMPolicy, config: PPOConfig) -> dict[str, list[nn.Parameter]]:
    """Returns groups of parameters to clip separately, by the name of the logged norm.

    If the value's gradient stays in its head, the head has a norm of its own: with a shared one,
    large rewards would shrink the model's gradient.
    """
    model, head = _trained(policy)
    if not config.has_critic or not config.stop_value_gradient:
        return {"gradient_norm": [*model, *head]}
    return {"gradient_norm": model, "value_gradient_norm": head}


def _trained(policy: VLMPolicy) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Returns the trained parameters of the model, and those of the value head."""
    head = list(policy.value_head.parameters())
    known = {id(parameter) for parameter in head}
    model = [p for p in policy.parameters() if p.requires_grad and id(p) not in known]
    return model, head
