"""The page: data and a template, combined into one HTML file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from vlm_agent.config.commands import ReportConfig
from vlm_agent.config.training.environments import env_specs
from vlm_agent.reporting.album import Album, Patch
from vlm_agent.reporting.curves import (
    changed_options,
    curves_of,
    group_name,
    group_runs,
    last_success,
    repeat_command,
)
from vlm_agent.reporting.episodes import episodes_of
from vlm_agent.reporting.sources import Sources, TrainingRun, find_sources

PAGE = "index.html"
_SCRIPTS = ("logic.js", "elements.js", "charts.js", "summary.js", "viewer.js", "main.js")
_SECTIONS = ("Summary", "Curves", "Episodes", "Configuration")


def write_report(config: ReportConfig) -> Path:
    """Writes the page, and returns its path.

    Raises:
        FileNotFoundError: If a path holds nothing to report.
        ValueError: If a file is damaged.
    """
    data, pictures = collect(find_sources(config.run), config)
    path = Path(config.out)
    if path.suffix.lower() not in (".html", ".htm"):
        path = path / PAGE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(data, pictures), encoding="utf-8")
    return path


def collect(sources: Sources, config: ReportConfig) -> tuple[dict[str, Any], list[str | Patch]]:
    """Returns everything that the page shows, as plain values, and its pictures."""
    album = Album()
    prompts: dict[str, int] = {}
    episodes: list[dict[str, Any]] = []
    recorded = 0
    for name, folder in sources.recordings.items():
        if config.episodes:
            shown, count = episodes_of(name, folder, config.episodes, album, prompts)
            episodes += shown
            recorded += count
    data = {
        "title": config.title,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "version": metadata.version("gym-cards"),
        "evaluations": sources.evaluations,
        "groups": [_group(group) for group in group_runs(sources.runs)],
        "episodes": episodes,
        "prompts": list(prompts),
        "recorded": recorded,
    }
    return data, album.pictures


def render(
    data: dict[str, Any],
    pictures: Sequence[str | Patch],
    *,
    sections: Sequence[str] = _SECTIONS,
    scripts: Sequence[str] = _SCRIPTS,
) -> str:
    """Returns the page; the data may contain any text, which is never interpreted as markup.

    Args:
        data: What the scripts draw, with the keys `title`, `made` and `version`.
        pictures: Data URLs, and patches of them.
        sections: Headings of the sections; their ids are the same in lower case.
        scripts: Files of the template, of which the last has the function `start`.
    """
    folder = resources.files("vlm_agent.reporting") / "template"

    def read(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    parts = {
        "STYLE": read("style.css"),
        "SECTIONS": "\n".join(
            f'  <section id="{name.lower()}"><h2>{name}</h2></section>' for name in sections
        ),
        "SCRIPT": "\n".join(read(name) for name in scripts),
        "PICTURES": embedded(list(pictures)),
        "DATA": embedded(data),
    }
    page = read("page.html")
    for name, text in parts.items():
        before, after = page.split(f"%{name}%")
        page = before + text + after
    return page


def embedded(value: Any) -> str:
    """Returns JSON that is safe inside a script element.

    Every "<" is escaped, so that no text can close the element or open a comment; so is everything
    beyond ASCII, including lone surrogates.
    """
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")


def _group(group: Sequence[TrainingRun]) -> dict[str, Any]:
    return {
        "name": group_name(group),
        "kind": group[0].kind,
        "env": ", ".join(s.name for s in env_specs(group[0].config.get("env"), {})),
        "curves": curves_of(group),
        "runs": [_run(run) for run in group],
    }


def _run(run: TrainingRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "steps": run.metrics[-1].get("step") if run.metrics else None,
        "success": last_success(run),
        "config": {name: json.dumps(value) for name, value in run.config.items()},
        "changed": changed_options(run),
        "command": repeat_command(run),
    }
