"""The page of a benchmark's records: means, every task with its picture, and the players."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from PIL import Image

from vlm_agent.core.environments import make_env
from vlm_agent.core.protocol import observe, task_of
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.evaluation.benchmark.tables import by_game
from vlm_agent.evaluation.benchmark.tasks import BenchmarkSet, BenchmarkTask
from vlm_agent.reporting.album import data_url
from vlm_agent.reporting.page import render

_SECTIONS = ("Means", "Tasks", "Players")
_SCRIPTS = ("logic.js", "elements.js", "summary.js", "benchmark.js")
_MEASURES = (
    "success_rate",
    "success_interval",
    "episodes",
    "seen",
    "mean_return",
    "mean_length",
    "illegal_rate",
    "perception",
)


def write_benchmark_page(
    benchmark: BenchmarkSet, records: Sequence[Mapping[str, Any]], path: str | Path
) -> Path:
    """Writes the page of some records, a file that needs no network, and returns its path.

    Args:
        benchmark: The set.
        records: Its records.
        path: File for the page.
    """
    tasks = [
        task for task in by_game(benchmark) if any(task.name in one["tasks"] for one in records)
    ]
    pictures = [data_url(_first_picture(task, benchmark.seed)) for task in tasks]
    data = {
        "title": f"Benchmark {benchmark.name}",
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": metadata.version("gym-cards"),
        "about": f"{benchmark.title} Checksum {benchmark.checksum}, seed {benchmark.seed}.",
        "quick": any(record["quick"] for record in records),
        "players": [_player(record) for record in records],
        "tasks": [_task(task, records) for task in tasks],
    }
    path = Path(path)
    path.write_text(render(data, pictures, sections=_SECTIONS, scripts=_SCRIPTS), encoding="utf-8")
    return path


def _player(record: Mapping[str, Any]) -> dict[str, Any]:
    player = record["player"]
    facts = {
        "Policy": player["policy"],
        "How it was made": record["about"],
        "Trained in": _environments(player["trained_on"]),
        "SHA-256 of the weights": player["weights"],
        "Options": _plain(player["options"]),
        "Replies": _plain(record.get("generation") or {}),
        "Played": record.get("made"),
        "Versions": _plain(record["versions"]),
    }
    return {
        "name": record["name"],
        "played": len(record["tasks"]),
        "summary": record["summary"],
        "facts": {name: value for name, value in facts.items() if value},
    }


def _task(task: BenchmarkTask, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    results = []
    for record in records:
        if (result := record["tasks"].get(task.name)) is not None:
            shown = {key: result[key] for key in _MEASURES}
            normalised = task.normalise(result["success_rate"])
            results.append({"player": record["name"], "normalised": normalised, **shown})
    return {
        "name": task.name,
        "game": task.game,
        "env": f"{task.env} {json.dumps(dict(task.env_kwargs)) if task.env_kwargs else ''}".strip(),
        "new": task.new,
        "random": task.random,
        "limit": task.limit,
        "results": results,
    }


def _first_picture(task: BenchmarkTask, seed: int) -> Image.Image:
    """Returns the first picture of the first episode."""
    env = make_env(task.env, **task.env_kwargs)
    try:
        (first,) = episode_seeds("evaluation", seed, 1)
        options = {"game": 0} if task.all_games else None
        return Image.fromarray(observe(task_of(env), *env.reset(seed=first, options=options)).image)
    finally:
        env.close()


def _environments(trained_on: Sequence[Mapping[str, Any]] | None) -> str:
    if trained_on is None:
        return "not stated"
    names = [f"{each['env']} {_plain(each['env_kwargs'])}".strip() for each in trained_on]
    return ", ".join(names) or "nothing"


def _plain(values: Mapping[str, Any]) -> str:
    """Returns values that say something as text."""
    return ", ".join(f"{name}={value}" for name, value in values.items() if value not in (None, ""))
