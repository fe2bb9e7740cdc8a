"""Callbacks of a user: they see a training, may stop it, and change its environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlm_agent.config.training.environments import EnvSpec
from vlm_agent.core.checks import check_kind, plain_kwargs, plain_number

if TYPE_CHECKING:
    from vlm_agent.config.sft import SFTConfig
    from vlm_agent.models.policy import VLMPolicy
    from vlm_agent.rollout.buffer import Rollout
    from vlm_agent.training.ppo_config import PPOConfig


class Training:
    """A training as callbacks see it.

    Args:
        config: The options of the run.
        policy: The policy that is trained.
        envs: The environments.
        total: Number of steps of the whole training.
        may_change: Whether its environments may be changed.

    Attributes:
        config: The options of the run.
        policy: The policy that is trained; leave its weights alone.
        directory: Directory of the run.
        total: Number of steps of the whole training: environment steps, or demonstrations of `sft`.
        step: Number of steps so far.
        updates: Number of updates so far; of `sft`, of optimizer steps.
        metrics: Row of the last update, as it is logged.
        environments: The environments, with their present keyword arguments and weights.
        stopped: Why the training was stopped; `None` while it goes on.
    """

    def __init__(
        self,
        config: PPOConfig | SFTConfig,
        policy: VLMPolicy,
        envs: Sequence[EnvSpec],
        total: int,
        *,
        may_change: bool,
    ) -> None:
        self.config = config
        self.policy = policy
        self.directory = Path(config.out)
        self.environments = tuple(envs)
        self.total = total
        self.step = self.updates = 0
        self.metrics: dict[str, float | None] = {}
        self._row: dict[str, float | None] = {}
        self.stopped: str | None = None
        self._may_change = may_change

    def stop(self, reason: str = "a callback stopped it") -> None:
        """Ends the training after this update, with a checkpoint and the policy saved."""
        self.stopped = self.stopped or reason

    def log(self, metrics: Mapping[str, float | None]) -> None:
        """Adds metrics to the row of this update.

        That is the one that just ended; where a rollout has just ended, or the row is written
        already, as in `on_checkpoint`, it is the next one.

        Args:
            metrics: Numbers by name, also of NumPy and torch; `None` for what was not measured.

        Raises:
            ValueError: If one of them is logged already, or is no number.
        """
        check_kind("metrics", metrics, Mapping, "names and their numbers")
        if known := sorted(metrics.keys() & {*self._row, "step"}):
            raise ValueError(f"{', '.join(known)} is logged already: choose other names")
        self._row.update((name, plain_number(name, value)) for name, value in metrics.items())

    def begin_row(self, metrics: Mapping[str, float | None]) -> None:
        """Begins the row of an update that ended; it has what was logged since the last row.

        Args:
            metrics: Metrics of the update.

        Raises:
            ValueError: If a callback logged one of its names.
        """
        logged, self._row = self._row, dict(metrics)
        self.metrics = self._row
        self.log(logged)

    def end_row(self) -> dict[str, float | None]:
        """Returns the row of the update; what is logged from now on is of the next one."""
        self._row = {}
        return self.metrics

    def set_env_kwargs(self, label: str, **kwargs: Any) -> None:
        """Changes keyword arguments of an environment, from the next rollout on.

        It is made again wherever it is played, and its episodes in progress are dropped. Nothing
        happens if the arguments are those that it has.

        Args:
            label: Its label, as in metrics; see `EnvSpec.label`.
            kwargs: The arguments to change; the others stay.

        Raises:
            ValueError: If there is no such environment, an argument is nothing that JSON can hold,
                or in fine-tuning.
        """
        self._check_changes()
        known = [spec.label for spec in self.environments]
        if label not in known:
            raise ValueError(f"no environment {label!r}: expected one of {', '.join(known)}")
        kwargs = plain_kwargs(kwargs)
        self.environments = tuple(
            replace(spec, kwargs={**spec.kwargs, **kwargs}) if spec.label == label else spec
            for spec in self.environments
        )

    def set_env_weights(self, *weights: float) -> None:
        """Changes the weights of the environments, from the next rollout on.

        Where another environment is played then, the episode in progress is dropped.

        Raises:
            ValueError: If there are more or fewer weights than environments, or one is not above 0;
                or in fine-tuning.
        """
        self._check_changes()
        if len(weights) != len(self.environments) or not all(each > 0 for each in weights):
            raise ValueError(
                f"weights {list(weights)} for {len(self.environments)} environments: expected one "
                "above 0 for each"
            )
        self.environments = tuple(
            replace(spec, weight=float(weight))
            for spec, weight in zip(self.environments, weights, strict=True)
        )

    def _check_changes(self) -> None:
        if not self._may_change:
            raise ValueError(
                "the environments of a fine-tuning cannot be changed: its demonstrations are "
                "prepared ahead; train in stages, each with --model of the one before"
            )


class Callback:
    """Base class of callbacks; override the methods that you need.

    In several processes only those of the first are called, and what they decide holds for all.
    An object that is not of this class may be a callback too, with any of these methods.
    """

    def on_train_start(self, training: Training) -> None:
        """Called before the first rollout or step, also of a resumed run."""

    def on_rollout_end(self, training: Training, rollout: Rollout) -> None:
        """Called after each rollout, before its update; not in fine-tuning."""

    def on_evaluate(self, training: Training, metrics: Mapping[str, float | None]) -> None:
        """Called after each evaluation, with its metrics."""

    def on_update_end(self, training: Training) -> None:
        """Called after each update, before its metrics are logged."""

    def on_checkpoint(self, training: Training) -> None:
        """Called once a checkpoint has been copied; a thread may still be writing it."""

    def on_train_end(self, training: Training) -> None:
        """Called after the last update; not after an error or an interrupt."""

    def state_dict(self) -> Mapping[str, Any]:
        """Returns what checkpoints store of the callback: plain values, tensors and arrays."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, in a resumed run."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


def check_callbacks(callbacks: Sequence[Any]) -> None:
    """Checks that objects are callbacks.

    Raises:
        ValueError: If they are no list, or one has none of the methods, or one whose name nothing
            calls.
    """
    check_kind("callbacks", callbacks, (list, tuple), "a list of callbacks")
    for each in callbacks:
        found = [name for name in dir(each) if name.startswith("on_")]
        unknown = [name for name in found if name not in HOOKS]
        if unknown or not found or isinstance(each, type):
            what = f"has {', '.join(unknown)}" if unknown else "is no callback"
            raise ValueError(f"{each!r} {what}: expected an object with some of {', '.join(HOOKS)}")
