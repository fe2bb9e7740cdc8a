"""Tools that follow a training: TensorBoard, Weights & Biases, Trackio and MLflow, or your own."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence

from vlm_agent.core.checks import check_kind
from vlm_agent.training.reporters.base import Reporter, SampleStep, sample_steps
from vlm_agent.training.reporters.group import ReporterGroup

__all__ = ["Reporter", "ReporterGroup", "SampleStep", "make_reporters", "sample_steps"]

# What each tool needs, and the class of its reporter; the tool's own name is what pip installs.
_REPORTERS = {
    "tensorboard": (("tensorboard",), "TensorBoardReporter"),
    "wandb": (("wandb",), "WandbReporter"),
    "trackio": (("trackio",), "TrackioReporter"),
    "mlflow": (("mlflow", "pandas"), "MlflowReporter"),  # its tables are made by pandas
}


def make_reporters(names: Sequence[str], own: Sequence[Reporter] = ()) -> list[Reporter]:
    """Makes the reporters of tools, which do nothing before they are started.

    Args:
        names: Names of the tools, as in `--report-to`.
        own: Reporters that were made elsewhere, which are added.

    Raises:
        ImportError: If a tool is not installed; names what to install.
        ValueError: If one of `own` is no reporter.
    """
    expected = "a list of Reporter objects; names of tools are for the option `report_to`"
    check_kind("reporters", own, (list, tuple), expected)
    if any(not hasattr(each, "start") for each in own):
        raise ValueError(f"reporters={own!r:.80}: expected {expected}")
    made: list[Reporter] = []
    for name in names:
        if name == "none":
            continue
        modules, kind = _REPORTERS[name]
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            raise ImportError(
                f"report_to={name} needs {missing[0]}, which is not installed: pip install {name}"
            )
        module = importlib.import_module(f"vlm_agent.training.reporters.{name}")
        made.append(getattr(module, kind)())
    return [*made, *own]
