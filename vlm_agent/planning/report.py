"""A plan as text, and as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vlm_agent.planning.plan import GB, Plan, Suggestion


def plan_text(plan: Plan) -> str:
    """Returns a plan as a table, with what it assumes and whether it fits."""
    weights = ", ".join(f"{name} {_millions(count)}" for name, count in plan.weights.items())
    width = max(len(row.name) for row in plan.rows)
    lines = [
        f"weights: {weights}; trained: {_millions(plan.trained)}",
        f"prompts of {plan.prompt_tokens} tokens, replies of {plan.reply_tokens}; "
        f"{plan.steps} steps in a micro-batch, {plan.replies} replies written together",
        "",
        f"{'GB on each GPU':{width}}  {'update':>8}  {'rollout':>8}",
        *(f"{row.name:{width}}  {_gb(row.update)}  {_gb(row.rollout)}" for row in plan.rows),
        f"{'total':{width}}  {_gb(plan.update)}  {_gb(plan.rollout)}",
        "",
        f"{'fits' if plan.fits else 'does not fit'} into {plan.gpu_memory / GB:g} GB"
        + (f", {(plan.gpu_memory - plan.peak) / GB:.1f} GB are left" if plan.fits else ""),
    ]
    return "\n".join([*lines, *plan.notes])


def suggestion_text(suggestion: Suggestion) -> str:
    """Returns one line with what other options change."""
    return f"{_gb(suggestion.update)}  {_gb(suggestion.rollout)}  {suggestion.options}"


def plan_values(plan: Plan, suggested: Sequence[Suggestion]) -> dict[str, Any]:
    """Returns a plan as JSON takes it; all sizes are bytes."""
    return {
        "rows": {row.name: {"update": row.update, "rollout": row.rollout} for row in plan.rows},
        "update": plan.update,
        "rollout": plan.rollout,
        "gpu_memory": plan.gpu_memory,
        "fits": plan.fits,
        "weights": plan.weights,
        "trained": plan.trained,
        "micro_batch_steps": plan.steps,
        "replies": plan.replies,
        "prompt_tokens": plan.prompt_tokens,
        "reply_tokens": plan.reply_tokens,
        "notes": list(plan.notes),
        "suggestions": [each._asdict() for each in suggested],
    }


def _gb(size: int) -> str:
    return f"{size / GB:8.2f}"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} M"
