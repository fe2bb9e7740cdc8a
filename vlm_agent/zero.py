"""Training by DeepSpeed's ZeRO: moments, gradients and weights spread over processes.

Accelerate starts the engine. The optimiser's steps are made here, and not inside the backward pass
where Accelerate makes them: before a step, gradients are clipped, found not to be finite, or told
to be dropped. A parameter of stage 3 has its memory in `ds_tensor`, of which each process keeps a
part; it is empty itself but while it is needed.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from vlm_agent.sharding import ALWAYS_NEEDED, check_variables, check_version, own_part

# What a file for DeepSpeed may say: how much is exchanged at once, and when.
_PASSED_ON = frozenset(
    {
        *("steps_per_print", "wall_clock_breakdown", "zero_allow_untested_optimizer"),
        *(
            f"zero_optimization.{name}"
            for name in (
                "stage", "allgather_bucket_size", "allgather_partitions", "contiguous_gradients",
                "overlap_comm", "reduce_bucket_size", "reduce_scatter",
                "stage3_gather_16bit_weights_on_model_save", "stage3_max_live_parameters",
                "stage3_max_reuse_distance", "stage3_model_persistence_threshold",
                "stage3_param_persistence_threshold", "stage3_prefetch_bucket_size",
                "sub_group_size",
            )
        ),
    }
)  # fmt: skip
# Whose place in the file is taken by something here.
_SAID_ELSEWHERE = {
    "train_batch_size": "--minibatch-size says it",
    "train_micro_batch_size_per_gpu": "--micro-batch-size says it",
    "gradient_accumulation_steps": "--micro-batch-size says it",
    "gradient_clipping": "--max-grad-norm says it",
    "optimizer": "the trainer has its own",
    "scheduler": "--learning-rate and --final-learning-rate say it",
    "fp16": "--dtype says the number format",
    "bf16": "--dtype says the number format",
    "torch_autocast": "--dtype says the number format",
    "zero_optimization.offload_optimizer": "moments stay where gradients are",
    "zero_optimization.offload_param": "weights stay where replies are written",
    "zero_optimization.round_robin_gradients": "moments would be taken for those of other weights",
    "activation_checkpointing": "--gradient-checkpointing does the same",
}
_NEEDED = (
    (
        *("ACCELERATE_USE_CPU", "false", "false"),
        "use_cpu: false",
        "Accelerate does without it otherwise; DeepSpeed finds out by itself where no GPUs are",
    ),
    (
        *("ACCELERATE_DEEPSPEED_ZERO3_INIT", "false", "false"),
        "zero3_init_flag: false",
        "every process reads the model by itself",
    ),
    *ALWAYS_NEEDED,
)
_MOMENTS = ("exp_avg", "exp_avg_sq")


def is_asked_for() -> bool:
    """Whether Accelerate was configured for DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def check_configuration() -> None:
    """Makes sure that DeepSpeed is there, and configured as it is used here.

    Raises:
        ValueError: Naming what has to change in the configuration of Accelerate or DeepSpeed.
        ImportError: If DeepSpeed is not installed, or of a version that was not tried.
    """
    check_variables("DeepSpeed", _NEEDED)
    if find_spec("deepspeed") is None:
        raise ImportError(
            "Accelerate is configured for DeepSpeed, which is not installed; run: "
            'pip install "gym-cards[deepspeed]"'
        )
    # Parts of it are used that it may change.
    check_version("training by DeepSpeed", "deepspeed", "0.19", below="0.20")
    from accelerate.utils import DeepSpeedPlugin

    config = DeepSpeedPlugin().deepspeed_config
    stage = config["zero_optimization"].get("stage")
    if stage not in (1, 2, 3):
        raise ValueError(
            f"Accelerate is configured for DeepSpeed with zero_stage={stage}: expected zero_stage: "
            "1, 2 or 3 in its configuration; what spreads nothing is DDP (`accelerate launch "
            "--multi_gpu`)"
        )
    for key, value in _settings(config):
        if key not in _PASSED_ON:
            known = (name for name in _SAID_ELSEWHERE if f"{key}.".startswith(f"{name}."))
            reason = _SAID_ELSEWHERE.get(next(known, ""), "nothing here takes it into account")
            raise ValueError(
                f"Accelerate is configured for DeepSpeed with {key}={value}: expected a "
                f"configuration without it, since {reason}"
            )


def _settings(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """What a configuration sets, by the names of all sections; what is off is not set."""
    for name, value in config.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping):
            device, enabled = value.get("device"), value.get("enabled")
            if ("device" in value and device in (None, "none")) or enabled in (False, "auto"):
                continue
            yield from _settings(value, f"{key}.")
        elif value not in (None, False, 0, "auto") and (
            (key, value) != ("gradient_accumulation_steps", 1)
        ):
            yield key, value


def backend() -> str | None:
    """What processes exchange things by, where Accelerate would not find it: without GPUs."""
    from deepspeed.accelerator import get_accelerator

    return "gloo" if get_accelerator().device_name() == "cpu" else None


def start(accelerator: Any) -> int:
    """Completes the configuration with what is decided here.

    Args:
        accelerator: Accelerate's.

    Returns:
        ZeRO's stage.
    """
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    # Models are read whole, and replies written by each process for itself.
    unset_hf_deepspeed_config()
    # DeepSpeed's fixed sizes are for its own counters alone: passes are counted here.
    plugin = accelerator.state.deepspeed_plugin
    plugin.deepspeed_config.update(
        train_micro_batch_size_per_gpu=1, gradient_accumulation_steps=1, gradient_clipping=0.0
    )
    # Torch renames functions that DeepSpeed calls.
    warnings.filterwarnings("ignore", r"`torch\.distributed\.\w+` is deprecated", FutureWarning)
    return int(plugin.deepspeed_config["zero_optimization"]["stage"])


class ZeroOptimizer(torch.optim.Optimizer):
    """Adam with its moments spread by ZeRO; it steps when it is told to.

    Invariant: whatever is spread, groups hold the policy's own parameters, and states are whole.

    Args:
        engine: What DeepSpeed made of a policy and its optimiser.
        groups: The optimiser's groups before that.
        is_main: Whether this process keeps what `state_dict` brings together.
    """

    def __init__(self, engine: Any, groups: Sequence[dict[str, Any]], *, is_main: bool) -> None:
        super().__init__(groups, {})
        self._engine = engine
        self._zero = engine.optimizer
        self._is_main = is_main
        self._has_spread_weights = engine.zero_optimization_stage() == 3
        # Of each group: the memory of what this process steps, whether the gradient to come is
        # any, and what it is scaled by, if it is.
        self._parts = self._own_parts()
        self._used = torch.zeros(len(groups))
        self._scales: list[float | None] = [None] * len(groups)
        self._adam.state.update({part: _fresh(part) for parts in self._parts for part in parts})
        self._link()
        self._adam.register_step_pre_hook(self._scale)
        for number, group in enumerate(self.param_groups):
            for parameter in group["params"]:
                parameter.register_hook(self._noting(number))

    @property
    def _adam(self) -> torch.optim.Optimizer:
        """What makes the steps of the parts that belong to this process."""
        return self._zero.optimizer  # type: ignore[no-any-return]

    # ----- gradients --------------------------------------------------------------------------

    def accumulate(self, *, last: bool) -> None:
        """Says before a pass whether it is the last one before a step."""
        self._engine.set_gradient_accumulation_boundary(last)

    def backward(self, loss: Tensor) -> None:
        """Adds the mean over processes of a loss's gradient."""
        self._engine.backward(loss, scale_wrt_gas=False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops gradients, be they of a step that was made or not."""
        from deepspeed.utils import safe_set_local_grad

        self._zero.zero_grad()
        self._zero.averaged_gradients.clear()
        self._used.zero_()
        if self._has_spread_weights:
            # What gets no gradient next time would step along its last one.
            for group in self.param_groups:
                for each in group["params"]:
                    safe_set_local_grad(each, torch.zeros_like(each.ds_tensor))

    def clip(self, parameters: Sequence[nn.Parameter], max_norm: float) -> float:
        """Has the gradients of whole groups clipped to a norm in the next step.

        Args:
            parameters: Those of one group, or of several.
            max_norm: The norm.

        Returns:
            The norm that they have.
        """
        own = {id(parameter) for parameter in parameters}
        numbers = [n for n, each in enumerate(self.param_groups) if id(each["params"][0]) in own]
        squares = [
            torch.stack(torch._foreach_norm(gradients)).double().square().sum()
            for gradients in map(self._gradients, numbers)
        ]
        found = torch.stack([torch.stack(squares).sum(), *self._used[numbers].to(squares[0])])
        torch.distributed.all_reduce(found)
        square, *used = found.tolist()
        norm = math.sqrt(square)
        for number, is_used in zip(numbers, used, strict=True):
            # As `torch.nn.utils.clip_grad_norm_` does.
            self._scales[number] = min(max_norm / (norm + 1e-6), 1.0) if is_used else None
        return norm

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Makes the step that `clip` has prepared."""
        for own, group in zip(self.param_groups, self._adam.param_groups, strict=True):
            group.update({name: value for name, value in own.items() if name != "params"})
        self._engine.step()

    def _noting(self, number: int) -> Callable[[Tensor], None]:
        def note(gradient: Tensor) -> None:
            self._used[number] = 1.0

        return note

    def _gradients(self, number: int) -> list[Tensor]:
        """This process's part of a group's gradient."""
        found: Mapping[int, list[Tensor]] = self._zero.averaged_gradients
        if not self._has_spread_weights:
            return list(found[number])
        owners = self._zero.sub_group_to_group_id
        return [each for own, parts in found.items() if owners[own] == number for each in parts]

    def _scale(self, adam: torch.optim.Optimizer, *_: Any) -> None:
        """Clips what a step is made along.

        A group that had no gradient at all has zeros by now. It is left out, as Adam does where
        nothing is spread, which would otherwise move it by its momentum.
        """
        scales = {
            part: scale
            for parts, scale in zip(self._parts, self._scales, strict=True)
            for part in parts
        }
        for group in adam.param_groups:
            for part in group["params"]:
                if (scale := scales[part]) is None:
                    part.grad = None
                else:
                    part.grad.mul_(scale)

    # ----- moments ----------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state of an ordinary Adam; moments are `None` but in the main process.

        All processes have to ask.
        """
        from deepspeed.utils import safe_get_full_optimizer_state

        def whole(parameter: nn.Parameter, name: str) -> Tensor | None:
            value = safe_get_full_optimizer_state(parameter, name)
            return value.cpu() if self._is_main else None

        states = [
            {
                "step": self._adam.state[parts[0]]["step"].clone(),
                **{name: whole(parameter, name) for name in _MOMENTS},
            }
            for parts, group in zip(self._parts, self.param_groups, strict=True)
            for parameter in group["params"]
        ]
        return {**super().state_dict(), "state": dict(enumerate(states))}

    @torch.no_grad()
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, with equal parameters.

        It may be of an Adam by itself, which has no state of what had no gradient yet.
        """
        from deepspeed.utils import safe_set_full_optimizer_state, safe_set_local_optimizer_state

        saved = zip(self.param_groups, state_dict["param_groups"], self._parts, strict=True)
        for group, as_it_was, parts in saved:
            states = [state_dict["state"].get(number) for number in as_it_was["params"]]
            step = max((float(state["step"]) for state in states if state), default=0.0)
            for part in parts:
                self._adam.state[part]["step"].fill_(step)
            for state, parameter in zip(states, group["params"], strict=True):
                shape = getattr(parameter, "ds_shape", parameter.shape)
                for name in _MOMENTS:
                    value = state[name] if state else torch.zeros(shape)
                    value = value.to(parameter.device)
                    if self._has_spread_weights:
                        safe_set_local_optimizer_state(parameter, own_part(value, parameter), name)
                    else:
                        safe_set_full_optimizer_state(parameter, value, name)
            group.update({name: as_it_was[name] for name in as_it_was if name != "params"})

    def _own_parts(self) -> list[list[Tensor]]:
        if not self._has_spread_weights:
            return [[part] for part in self._zero.single_partition_of_fp32_groups]
        parts: list[list[Tensor]] = [[] for _ in self.param_groups]
        for number, part in enumerate(self._zero.fp32_partitioned_groups_flat):
            parts[self._zero.sub_group_to_group_id[number]].append(part)
        return parts

    def _link(self) -> None:
        """Tells parameters where their moments are, which they are otherwise told after a step."""
        if not self._has_spread_weights:
            from deepspeed.utils import lazy_init_hp_params_optimizer_state

            for parameters, (part,) in zip(self._zero.bit16_groups, self._parts, strict=True):
                lazy_init_hp_params_optimizer_state(parameters, part, self._adam.state)

    # ----- weights ----------------------------------------------------------------------------

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Inside, weights of stage 3 are whole, and passes without gradients exchange none.

        All processes have to enter and to leave.
        """
        import deepspeed

        spreading = self._zero.parameter_offload
        parameters = list(self._engine.module.parameters())
        for parameter in parameters:
            parameter.ds_active_sub_modules.clear()
        # They would let go of what a layer has used.
        spreading.destroy()
        spreading.forward_hooks.clear()
        spreading.backward_hooks.clear()
        try:
            with deepspeed.zero.GatheredParameters(parameters):
                yield
        finally:
            spreading.setup_zero_stage3_hooks()


def _fresh(part: Tensor) -> dict[str, Tensor]:
    """The state of Adam before its first step."""
    return {"step": torch.tensor(0.0), **{name: torch.zeros_like(part) for name in _MOMENTS}}
