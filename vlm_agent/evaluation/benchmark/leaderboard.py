"""The leaderboard: a page of docs that is made of records."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from vlm_agent.evaluation.benchmark.record import RecordError, problems_of, summarise_tasks
from vlm_agent.evaluation.benchmark.sets import SETS
from vlm_agent.evaluation.benchmark.tables import summary_rows, task_rows
from vlm_agent.evaluation.benchmark.tasks import BenchmarkSet
from vlm_agent.evaluation.tables import markdown_lines

Record = Mapping[str, Any]
_LEFT = ("player", "task", "what is new", "trained in", "how it was made", "record")

_HEAD = """# Leaderboard

```
python benchmarks/leaderboard.py    # makes this page of the records in docs/leaderboard
```

Players of the [benchmark](evaluation/benchmark.md) on its fixed episodes: success in percent with
95% intervals, as means over the games that players may be trained on (in distribution), and over
variants that they are not trained on (out of distribution). Normalised, 0 is the random player and
1 the best possible one. A player that has not played all tasks of a mean has none.
"""
_FOOT = """
## Add yours

```
vlm-agent benchmark --policy DIR --name "My model" --about "where it is described" --out runs/mine
vlm-agent benchmark --policy DIR --verify runs/mine/My-model.json
cp runs/mine/My-model.json docs/leaderboard/
python benchmarks/leaderboard.py
```

Open a pull request with the record and this page. A test makes the page again from the records and
refuses records of quick runs, of changed environments or sets, of other episodes, and those whose
numbers do not follow from the outcomes of their episodes. A maintainer then

- reads what the player was trained in: a variant among it is marked `*` and does not count as new;
- plays a part again with `--verify`, if the weights can be had: 20 episodes of each task end as the
  record says, except where a model's rounding differs on another machine.

Some tasks are enough: the others stay blank. Several records of one name are shown as one player,
such as a model for each game. `--about` may be a link or the commands that trained the player.
"""


def leaderboard_page(records: Mapping[str, Record]) -> str:
    """Returns the page in Markdown.

    Args:
        records: Records by the names of their files.

    Raises:
        RecordError: If one of them does not belong into it, with the reasons.
    """
    wrong = [f"{name}: {each}" for name, one in records.items() for each in problems_of(one)]
    if wrong:
        raise RecordError("\n".join(wrong))
    parts = [_HEAD]
    for benchmark in SETS.values():
        files = {name: one for name, one in records.items() if one["set"] == benchmark.name}
        if files:
            parts.append(_section(benchmark, files))
    return "".join([*parts, _FOOT])


def _section(benchmark: BenchmarkSet, files: Mapping[str, Record]) -> str:
    names = dict.fromkeys(record["name"] for record in files.values())
    of_player = {
        name: {file: record for file, record in files.items() if record["name"] == name}
        for name in names
    }
    merged = [_merged(benchmark, name, group) for name, group in of_player.items()]
    merged.sort(key=_rank)
    rows = [["player", "trained in", "how it was made", "record"]]
    rows += [_about(of_player[record["name"]]) for record in merged]
    lines = [
        f"\n## {benchmark.name}\n",
        f"{benchmark.title} Checksum {benchmark.checksum}.\n",
        *_unbroken(markdown_lines(summary_rows(merged), _LEFT)),
        "",
        "`*`: not new to this player, which was trained on it.\n",
        *_unbroken(markdown_lines(task_rows(benchmark, merged), _LEFT)),
        "",
        *markdown_lines(rows, _LEFT),
    ]
    return "\n".join(lines) + "\n"


def _unbroken(lines: Sequence[str]) -> list[str]:
    """Returns lines whose intervals stay on one line in a narrow column."""
    return [
        re.sub(r"([\d.]+) \[(\S+), (\S+)\]", "\\1\u00a0[\\2,\u00a0\\3]", line) for line in lines
    ]


def _merged(benchmark: BenchmarkSet, name: str, files: Mapping[str, Record]) -> Record:
    """Returns one record of a player that has several, such as a model for each game.

    Raises:
        RecordError: If two of them hold the same task.
    """
    tasks: dict[str, Any] = {}
    for file, record in files.items():
        if twice := sorted(set(tasks) & set(record["tasks"])):
            raise RecordError(
                f"{file}: {name} has another record of {', '.join(twice)}: expected one of each "
                "task, or another name"
            )
        tasks |= record["tasks"]
    return {
        "name": name,
        "quick": False,
        "tasks": tasks,
        "summary": summarise_tasks(benchmark, tasks),
    }


def _rank(record: Record) -> tuple[float, float, int, str]:
    """Returns the order of players: the best first, and those without means after the others."""
    means = [
        record["summary"][part]["normalised"] for part in ("out_of_distribution", "in_distribution")
    ]
    out, inside = (math.inf if mean is None else -mean for mean in means)
    return out, inside, -len(record["tasks"]), record["name"]


def _about(files: Mapping[str, Record]) -> list[str]:
    records = list(files.values())
    environments: dict[str, None] = {}
    for record in records:
        trained_on = record["player"]["trained_on"]
        names = ["not stated"] if trained_on is None else [_environment(one) for one in trained_on]
        environments |= dict.fromkeys(names)
    about = dict.fromkeys(_escaped(record["about"]) for record in records)
    links = [f"[{name}](leaderboard/{name})" for name in files]
    return [
        records[0]["name"],
        ", ".join(environments) or "nothing",
        "; ".join(text for text in about if text),
        ", ".join(links),
    ]


def _environment(one: Mapping[str, Any]) -> str:
    kwargs = json.dumps(one["env_kwargs"]) if one["env_kwargs"] else ""
    text = _escaped(f"{one['env']} {kwargs}".strip()).replace("`", "'")
    return f"`{text}`"


def _escaped(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False)
