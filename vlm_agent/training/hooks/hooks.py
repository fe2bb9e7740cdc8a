"""What a trainer calls between updates: evaluation, callbacks, and their decisions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from vlm_agent.config.sft import SFTConfig
from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.distributed.processes import Processes
from vlm_agent.models.gathered_policy import GatheredPolicy
from vlm_agent.rollout.buffer import Rollout
from vlm_agent.training.hooks.callback import Training, check_callbacks
from vlm_agent.training.hooks.evaluation import PeriodicEvaluation
from vlm_agent.training.hooks.rounding import rounding_note
from vlm_agent.training.ppo_config import PPOConfig
from vlm_agent.training.saving.checkpoint_manager import Saved

PART = "hooks"


class Hooks:
    """Evaluates and calls callbacks between updates, and says whether training goes on.

    All methods must be called in all processes. Callbacks are called in the main one.

    Args:
        config: The options.
        policy: The policy that is trained.
        envs: The environments of the training.
        total: Number of steps of the whole training.
        processes: The processes that train together.
        callbacks: The callbacks.
        num_envs: Number of episodes of an evaluation that each process plays in parallel.
        change: Changes the environments; `None` where that is not possible.

    Attributes:
        training: What callbacks see.
    """

    def __init__(
        self,
        config: SFTConfig | PPOConfig,
        policy: GatheredPolicy,
        envs: Sequence[EnvSpec],
        total: int,
        processes: Processes,
        *,
        callbacks: Sequence[Any] = (),
        num_envs: int,
        change: Callable[[Sequence[EnvSpec]], None] | None = None,
    ) -> None:
        self.training = Training(config, policy.policy, envs, total, may_change=change is not None)
        self._callbacks = list(callbacks)
        self._processes = processes
        self._change = change
        self._evaluation = (
            PeriodicEvaluation(config, policy, envs, processes, num_envs)
            if config.eval_every
            else None
        )

    @property
    def parts(self) -> dict[str, Hooks]:
        """The part of a checkpoint that holds their state, if they have any."""
        return {PART: self} if self._callbacks or self._evaluation is not None else {}

    @property
    def goes_on(self) -> bool:
        """True until the training has all its steps, or was stopped."""
        return self.training.step < self.training.total and self.training.stopped is None

    def started(self, step: int, updates: int, *, extended: bool = False) -> None:
        """Begins or continues a training.

        Args:
            step: Steps so far.
            updates: Updates so far.
            extended: Whether the run was made longer, so that it goes on although it was stopped.
        """
        self.training.step, self.training.updates = step, updates
        if (step == 0 or extended) and self._processes.is_main:
            note = rounding_note(self.training.config, self.training.total)
            if note is not None:
                tqdm.write(note, file=sys.stderr)
        if extended:
            self.training.stopped = None
            if self._evaluation is not None:
                self._evaluation.extended()
        self._call("on_train_start")
        self._decide()

    def rollout_ended(self, rollout: Rollout) -> None:
        """Shows callbacks a rollout."""
        self._call("on_rollout_end", rollout)

    def updated(self, step: int, updates: int, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluates if it is time, and calls the callbacks.

        Args:
            step: Steps so far.
            updates: Updates so far.
            metrics: Metrics of the update.

        Returns:
            All metrics to log.
        """
        training = self.training
        before, training.step, training.updates = training.step, step, updates
        training.begin_row(metrics)
        if self._evaluation is not None:
            last = step >= training.total
            if self._evaluation.is_due(before, step, last=last):
                found = self._evaluation.evaluate(step)
                training.log(found)
                self._call("on_evaluate", found)
                if self._evaluation.is_over:
                    patience = training.config.early_stopping_patience
                    training.stop(f"no improvement in {patience} evaluations")
            else:
                training.log(self._evaluation.unmeasured())
        self._call("on_update_end")
        self._decide()
        if training.stopped is not None and step < training.total and self._processes.is_main:
            tqdm.write(f"stopping after {step} steps: {training.stopped}", file=sys.stderr)
        return training.end_row()

    def checkpointed(self, written: bool) -> None:
        """Tells callbacks of a checkpoint, if one is being written."""
        if written:
            self._call("on_checkpoint")

    def ended(self) -> None:
        """Tells callbacks that the training is over."""
        self._call("on_train_end")

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of evaluation and callbacks."""
        return {
            "stopped": self.training.stopped,
            "evaluation": self._evaluation and self._evaluation.state_dict(),
            "environments": [[dict(e.kwargs), e.weight] for e in self.training.environments],
            "callbacks": [[_kind(each), _state(each)] for each in self._callbacks],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, with callbacks of the same kinds."""
        self.training.stopped = state["stopped"]
        if self._evaluation is not None:
            self._evaluation.load_state_dict(state["evaluation"])
        self.training.environments = _changed(self.training.environments, state["environments"])
        if self._callbacks and self._change is not None:
            self._change(self.training.environments)
        for callback, (_, saved) in zip(self._callbacks, state["callbacks"], strict=True):
            if saved:
                callback.load_state_dict(saved)

    def _call(self, hook: str, *arguments: Any) -> None:
        if self._processes.is_main:
            for callback in self._callbacks:
                if (method := getattr(callback, hook, None)) is not None:
                    method(self.training, *arguments)

    def _decide(self) -> None:
        """Makes what the callbacks of the main process decided hold in all processes."""
        if not self._callbacks:
            return
        training = self.training
        told = training.stopped, [[dict(e.kwargs), e.weight] for e in training.environments]
        training.stopped, changes = self._processes.gather(told)[0]
        training.environments = _changed(training.environments, changes)
        if self._change is not None:
            self._change(training.environments)


def check_given_again(saved: Saved[Any], callbacks: Sequence[Any]) -> None:
    """Checks that a run is resumed with the callbacks that it was trained with.

    Raises:
        ValueError: If their classes are others, or one is no callback.
    """
    check_callbacks(callbacks)
    found = saved.state["parts"].get(PART, {}).get("callbacks", [])
    then, now = [kind for kind, _ in found], [_kind(each) for each in callbacks]
    if then != now:
        raise ValueError(
            f"the run was trained with the callbacks {', '.join(then) or 'none'}, and "
            f"{', '.join(now) or 'none'} are given: expected the same, in their order; resume it "
            "in Python with callbacks="
        )


def _changed(envs: Sequence[EnvSpec], changes: Sequence[Any]) -> tuple[EnvSpec, ...]:
    return tuple(
        replace(spec, kwargs=kwargs, weight=weight)
        for spec, (kwargs, weight) in zip(envs, changes, strict=True)
    )


def _kind(callback: Any) -> str:
    return type(callback).__name__


def _state(callback: Any) -> Any:
    method = getattr(callback, "state_dict", None)
    return None if method is None else method()
