"""Options that all trainers share: the optimizer, its warm-up, and where metrics go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlm_agent.config.options import Options
from vlm_agent.config.values import NonEmpty, NonNegativeFloat, NonNegativeInt, ProperFraction

OptimizerName = Literal["adamw", "adamw_8bit", "muon"]
ReporterName = Literal["tensorboard", "wandb", "trackio", "mlflow", "none"]


@dataclass(kw_only=True)
class TrainingOptions(Options):
    """Options that all trainers share.

    Args: Run
        report_to: Tools that get the metrics and sample episodes, each of which has to be
            installed; none for no tool. `metrics.jsonl` is always written.

    Args: Optimisation
        optimizer: adamw, adamw_8bit, whose moments take a quarter of the memory (requires
            bitsandbytes), or, in sft, muon for the matrices of linear layers and AdamW for the
            rest, which takes fewer steps to train a model from scratch.
        weight_decay: Decoupled weight decay, multiplied by the learning rate; biases and
            normalisation weights are left alone. At 0, AdamW is Adam.
        warmup_steps: Number of initial optimizer steps in which the learning rate rises from 0 to
            its peak; by default none in ppo, and 20 in sft, or a tenth of all steps if less.
        warmup_ratio: The same as a fraction of all optimizer steps.
    """

    report_to: NonEmpty[ReporterName] = ("tensorboard",)
    optimizer: OptimizerName = "adamw"
    weight_decay: NonNegativeFloat = 0.0
    warmup_steps: NonNegativeInt | None = None
    warmup_ratio: ProperFraction | None = None

    def __post_init__(self) -> None:
        """Refuses options that contradict each other."""
        super().__post_init__()
        if self.warmup_steps is not None and self.warmup_ratio is not None:
            raise ValueError(
                f"warmup_steps={self.warmup_steps} and warmup_ratio={self.warmup_ratio} both say "
                "how long to warm up: give one of them"
            )
        if self.optimizer == "muon" and self.weight_decay:
            raise ValueError(
                f"weight_decay={self.weight_decay:g} with optimizer='muon', which decays no "
                "weights: leave it out, or choose adamw"
            )
        if len(set(self.report_to)) < len(self.report_to):
            raise ValueError(f"report_to={self.report_to}: expected each tool once")
        if "none" in self.report_to and len(self.report_to) > 1:
            raise ValueError(f"report_to={self.report_to}: none stands alone")
