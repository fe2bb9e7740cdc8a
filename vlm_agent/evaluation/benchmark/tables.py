"""Tables of a benchmark's records, as text and in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vlm_agent.evaluation.benchmark.tasks import BenchmarkSet, BenchmarkTask
from vlm_agent.evaluation.tables import column_lines, markdown_lines

Record = Mapping[str, Any]
_LEFT = ("player", "task", "what is new")
_NOTE = (
    "Success in percent with 95% intervals; normalised: 0 is the random player, 1 the limit. A "
    "mean needs all of its tasks. *: not new to this player, which was trained on it."
)
_QUICK = "Quick runs, of a few episodes of each task: no results."


def text_report(benchmark: BenchmarkSet, records: Sequence[Record]) -> str:
    """Returns the tables of records in columns: their means, then every task."""
    parts = [
        column_lines(summary_rows(records)),
        column_lines(task_rows(benchmark, records)),
        [*_quick(records), _NOTE],
    ]
    return "\n\n".join("\n".join(part) for part in parts)


def markdown_report(benchmark: BenchmarkSet, records: Sequence[Record]) -> str:
    """Returns the same in Markdown, and the details of each record."""
    lines = [
        f"# {benchmark.name}",
        "",
        *markdown_lines(summary_rows(records), _LEFT),
        "",
        *markdown_lines(task_rows(benchmark, records), _LEFT),
        "",
        *_quick(records),
        _NOTE.replace("*", "\\*"),
    ]
    for record in records:
        lines += ["", f"## {record['name']}", ""]
        lines += markdown_lines(detail_rows(benchmark, record), _LEFT)
    return "\n".join(lines) + "\n"


def summary_rows(records: Sequence[Record]) -> list[list[str]]:
    """Returns the head and a row for each record: its means."""
    head = ["player", "tasks", "in distribution", "normalised", "out of distribution", "normalised"]
    rows = [head]
    for record in records:
        row = [record["name"], _count(record)]
        for part in ("in_distribution", "out_of_distribution"):
            means = record["summary"][part]
            row += [
                interval_text(means["success"], means["success_interval"]),
                interval_text(means["normalised"], means["normalised_interval"], scale=1),
            ]
        rows.append(row)
    return rows


def task_rows(benchmark: BenchmarkSet, records: Sequence[Record]) -> list[list[str]]:
    """Returns the head and a row for each task that any record holds: success of every player."""
    rows = [["task", "what is new", "limit", *(record["name"] for record in records)]]
    for task in by_game(benchmark):
        cells = [success_text(record["tasks"].get(task.name)) for record in records]
        if any(cells):
            rows.append([task.name, task.new, f"{100 * task.limit:.1f}", *cells])
    return rows


def detail_rows(benchmark: BenchmarkSet, record: Record) -> list[list[str]]:
    """Returns the head and a row for each task of a record, with all measures."""
    columns: dict[str, Callable[[BenchmarkTask, Record], str]] = {
        "task": lambda task, result: task.name,
        "episodes": lambda task, result: str(result["episodes"]),
        "success": lambda task, result: success_text(result),
        "normalised": lambda task, result: f"{task.normalise(result['success_rate']):.2f}",
        "return": lambda task, result: f"{result['mean_return']:.2f}",
        "length": lambda task, result: f"{result['mean_length']:.1f}",
        "illegal": lambda task, result: _number(result["illegal_rate"], ".1%"),
        "perception": lambda task, result: _number(result["perception"], ".1%"),
        "tokens/step": lambda task, result: _number(result["tokens_per_step"], ".1f"),
        "s/step": lambda task, result: _number(result["seconds_per_step"], ".2g"),
        "cost": lambda task, result: _number(result["cost"], ".4g"),
    }
    rows = [list(columns)]
    for task in by_game(benchmark):
        if (result := record["tasks"].get(task.name)) is not None:
            rows.append([cell(task, result) for cell in columns.values()])
    return rows


def by_game(benchmark: BenchmarkSet) -> list[BenchmarkTask]:
    """Returns the tasks of a set, each game's variants after it."""
    return sorted(benchmark.tasks, key=lambda task: benchmark.games.index(task.game))


def success_text(result: Record | None) -> str:
    """Returns the success rate of a task's entry with its interval; empty without one."""
    if result is None:
        return ""
    text = interval_text(result["success_rate"], result["success_interval"])
    return f"{text}{'*' if result['seen'] else ''}"


def interval_text(
    value: float | None, interval: Sequence[float] | None, *, scale: float = 100
) -> str:
    """Returns a value and its interval, such as "97.5 [94.3, 98.9]"; empty for `None`.

    Args:
        value: The value.
        interval: Its ends.
        scale: Factor of all three; with 1 they have two decimals.
    """
    if value is None or interval is None:
        return ""
    form = ".1f" if scale == 100 else ".2f"
    middle, low, high = (_plain(scale * number, form) for number in (value, *interval))
    return f"{middle} [{low}, {high}]"


def _plain(number: float, form: str) -> str:
    """Formats a number; one that rounds to zero has no sign."""
    text = format(number, form)
    return text.removeprefix("-") if float(text) == 0 else text


def _count(record: Record) -> str:
    parts = record["summary"].values()
    total = sum(part["of"] for part in parts)
    return f"{len(record['tasks'])} of {total}"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _quick(records: Sequence[Record]) -> list[str]:
    return [_QUICK, ""] if any(record["quick"] for record in records) else []
