"""Plots: success while training, comparisons of policies, and episodes step by step."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlm_agent.core.run_directory import read_metrics
from vlm_agent.evaluation.play import Step
from vlm_agent.evaluation.record import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _RED, _GREY = "#2a6fbb", "#c0392b", "#777777"
_MAX_TEXT = 2000  # characters of a reply, because the height of a picture is limited


def save_success_curve(
    run: str | Path, before: Evaluation, after: Evaluation, path: str | Path
) -> None:
    """Plots the success rate over environment steps, during training and evaluated around it.

    Args:
        run: Directory of a PPO run.
        before: Evaluation of the policy that the run started from.
        after: Evaluation of the policy that it ended with.
        path: File for the plot.
    """
    from matplotlib.figure import Figure

    metrics = [m for m in read_metrics(run) if m["rollout/success_rate"] is not None]
    steps = [m["step"] for m in metrics]
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(
        steps,
        [m["rollout/success_rate"] for m in metrics],
        color=_BLUE,
        marker="o",
        markersize=3,
        label="in training, at its temperature",
    )
    for step, evaluation, name in ((0, before, "before"), (steps[-1], after, "after")):
        low, high = evaluation.success_interval
        rate = evaluation.success_rate
        axes.errorbar(
            [step],
            [rate],
            # Rounding may put an end of the interval on the wrong side of a rate of 0 or 1.
            yerr=[[max(0.0, rate - low)], [max(0.0, high - rate)]],
            color=_RED,
            marker="s",
            capsize=4,
            linestyle="none",
            label=None if step else f"evaluated, {evaluation.episodes} episodes, 95% interval",
        )
        axes.annotate(
            f"{name}: {rate:.1%}",
            (step, rate),
            xytext=(8 if step == 0 else -8, -14),
            textcoords="offset points",
            ha="left" if step == 0 else "right",
            color=_RED,
        )
    axes.set(
        title=f"{after.env}: success while training by reward",
        xlabel="environment steps",
        ylabel="success rate",
        ylim=(0, 1.03),
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(path, dpi=150)


def check_picture_file(path: str | Path) -> None:
    """Makes sure that a file name ends in a format that plots can be saved in.

    Raises:
        ValueError: If it does not; names the formats.
    """
    from matplotlib.figure import Figure

    formats = sorted(Figure().canvas.get_supported_filetypes())
    if Path(path).suffix.removeprefix(".").lower() not in formats:
        raise ValueError(f"{path}: expected a name that ends in one of {', '.join(formats)}")


def save_comparison(evaluations: Sequence[Evaluation], path: str | Path) -> None:
    """Plots success rates with intervals: a panel per environment, a line per policy.

    Args:
        evaluations: At least one.
        path: File for the plot, in a format that `check_picture_file` accepts.
    """
    from matplotlib.figure import Figure

    envs = list(dict.fromkeys(one.env for one in evaluations))
    policies = list(dict.fromkeys(one.policy for one in evaluations))
    names = [_shortened(policy) for policy in policies]
    columns = min(3, len(envs))
    rows = -(-len(envs) // columns)
    size = (0.085 * max(map(len, names)) + 3.2 * columns + 0.4, rows * (0.8 + 0.36 * len(names)))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True, sharex=True)
    panels = list(grid.flat)
    for panel in panels[len(envs) :]:
        panel.axis("off")
    for panel, env in zip(panels, envs, strict=False):
        for one in (one for one in evaluations if one.env == env):
            low, high = one.success_interval
            rate = one.success_rate
            panel.errorbar(
                [rate],
                [policies.index(one.policy)],
                xerr=[[max(0.0, rate - low)], [max(0.0, high - rate)]],
                color=_BLUE,
                marker="o" if one.seed is not None else "D",
                markerfacecolor=_BLUE if one.seed is not None else "white",
                capsize=3,
                linestyle="none",
            )
        panel.set_title(env.removesuffix("-v0"), fontsize=10)
        panel.set(xlim=(-0.03, 1.03), ylim=(len(policies) - 0.5, -0.5))
        panel.set_yticks(range(len(policies)), names, fontsize=9)
        panel.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"], fontsize=8)
        panel.tick_params(labelbottom=True)
        panel.grid(axis="x", alpha=0.3)
    note = "; hollow: episodes of its own" if any(one.seed is None for one in evaluations) else ""
    figure.supxlabel(f"success, with its 95% Wilson interval{note}", fontsize=9)
    figure.savefig(path, dpi=150)


def _shortened(name: str, limit: int = 28) -> str:
    """Returns the end of a long name, which distinguishes runs."""
    return name if len(name) <= limit else f"…{name[1 - limit :]}"


def save_episode(steps: Sequence[Step], title: str, path: str | Path, limit: int = 6) -> None:
    """Plots an episode: each step's picture, reply, action and reward, from left to right.

    Args:
        steps: The steps of one episode, in order.
        title: Title of the plot.
        path: File for the plot.
        limit: Maximum number of steps to show; the title says how many there were.
    """
    from matplotlib.figure import Figure

    shown = steps[:limit]
    replies = [textwrap.fill(_drawable(step.reply.text), 38) or "(no reply)" for step in shown]
    lines = max(reply.count("\n") + 1 for reply in replies)
    heights = [2.9, 0.16 * lines]
    width = max(2.9 * len(shown), 5.4)  # of which the title needs as much
    figure = Figure(figsize=(width, sum(heights) + 0.9), layout="constrained")
    total = sum(step.reward for step in steps)
    outcome = "success" if steps[-1].is_success else "no success"
    length = "1 step" if len(steps) == 1 else f"{len(steps)} steps"
    length += f", the first {limit} shown" if len(steps) > limit else ""
    figure.suptitle(f"{title}: {outcome}, return {total:g}, {length}", fontsize=11)
    grid = figure.subplots(2, len(shown), squeeze=False, height_ratios=heights)
    for column, (step, reply) in enumerate(zip(shown, replies, strict=True)):
        _draw_picture(grid[0][column], step)
        text = grid[1][column]
        text.axis("off")
        text.text(
            0, 1, reply, va="top", fontsize=7.5, family="monospace", parse_math=False,
            transform=text.transAxes,
        )  # fmt: skip
    figure.savefig(path, dpi=110)


def _drawable(text: str) -> str:
    """Returns the start of a text, without what fonts cannot draw, such as lone surrogates."""
    shown = text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]} …"
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in shown)


def _draw_picture(axes: Axes, step: Step) -> None:
    axes.imshow(step.observation.image)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(_GREY)
    name = step.observation.actions[step.action]
    how = "plays" if step.reply.action is not None else "no action; random:"
    colour = _RED if step.reward < 0 else _BLUE
    axes.set_title(f"{how}  {name}     reward {step.reward:g}", fontsize=9, color=colour)
