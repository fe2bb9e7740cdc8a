"""Figures of docs/results.md: learning curves with the range of the seeds as a band."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.results.experiments import GAMES, LAMBDA_GAMES, LAMBDAS
from benchmarks.results.records import Records
from benchmarks.results.tables import LIMITS, lambda_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Points24 is trained on hands that can be solved.
_LIMITS_IN_TRAINING = {**LIMITS, "Points24": 100.0}
_COLOURS = ("#2a6fbb", "#c0392b")


def save_figures(records: Records, folder: Path) -> list[Path]:
    """Saves the figures for which there are records, and returns their files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, draw in (("results_learning", _learning), ("results_lambda", _lambdas)):
        path = folder / f"{name}.png"
        if draw(records, path):
            made.append(path)
    return made


def _learning(records: Records, path: Path) -> bool:
    """Success while training, with and without chain of thought: a panel per game."""
    from matplotlib.figure import Figure

    kinds = (("ppo", "with thought"), ("no-cot/ppo", "without"))
    shown = [game for game in GAMES if records.curves(f"{game}/ppo/*")]
    if not shown:
        return False
    figure = Figure(figsize=(3.4 * len(shown), 3.2), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, game in zip(panels, shown, strict=True):
        for (kind, label), colour in zip(kinds, _COLOURS, strict=True):
            _band(panel, records.curves(f"{game}/{kind}/*"), label, colour)
        panel.axhline(_LIMITS_IN_TRAINING[game], color="#777777", linewidth=0.8, linestyle="--")
        panel.set(title=game, xlabel="environment steps", ylim=(0, 103))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("success in training, %")
    panels[0].legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=110)
    return True


def _lambdas(records: Records, path: Path) -> bool:
    """Success while training by λ: a panel per game, a line per value."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = [
        game
        for game in LAMBDA_GAMES
        if any(records.curves(f"{game}/lambda-{value:g}/*") for value in LAMBDAS)
    ]
    if not shown:
        return False
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(LAMBDAS)))
    figure = Figure(figsize=(5.2 * len(shown), 3.6), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for panel, game in zip(panels, shown, strict=True):
        for value, colour in zip(LAMBDAS, colours, strict=True):
            curves = records.curves(f"{game}/{lambda_run(value)}/*")
            _band(panel, curves, f"λ = {value:g}", mpl.colors.to_hex(colour))
        panel.set(title=game, xlabel="environment steps", ylim=(0, 103))
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("success in training, %")
    panels[-1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    figure.savefig(path, dpi=110)
    return True


def _band(panel: Axes, curves: Sequence[dict[str, list[float]]], label: str, colour: str) -> None:
    """Draws the mean of curves, and their range behind it."""
    if not curves:
        return
    length = min(len(curve["step"]) for curve in curves)
    steps = curves[0]["step"][:length]
    success = [curve["rollout/success_rate"][:length] for curve in curves]
    rates = 100 * np.array(success, float)  # not known, None, becomes NaN
    panel.plot(steps, rates.mean(axis=0), color=colour, label=label, linewidth=1.5)
    panel.fill_between(steps, rates.min(axis=0), rates.max(axis=0), color=colour, alpha=0.15)
