"""What the paths given to a report hold: training runs, evaluations and recorded episodes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlm_agent.core.json_lines import read_json_lines
from vlm_agent.core.run_directory import CONFIG_FILE, METRICS_FILE, TRAJECTORIES
from vlm_agent.data.trajectory_format import EPISODES_FILE

# Keys that a record of an evaluation has, and nothing else that lies in a directory of runs.
_EVALUATION_KEYS = {"env", "policy", "episodes", "success_rate", "success_interval"}


@dataclass
class TrainingRun:
    """A directory that `vlm-agent sft` or `vlm-agent ppo` wrote.

    Attributes:
        name: Its path, as short as tells it from the others.
        path: Where it lies.
        config: Its options.
        metrics: What it logged, one dictionary each time.
    """

    name: str
    path: Path
    config: dict[str, Any]
    metrics: list[dict[str, Any]]

    @property
    def kind(self) -> str:
        """The command that wrote it, "ppo" or "sft"."""
        return "ppo" if "total_steps" in self.config else "sft"


@dataclass
class Sources:
    """Everything that was found.

    Attributes:
        runs: Training runs.
        evaluations: Records of evaluations.
        recordings: Folders of recorded episodes, by name.
    """

    runs: list[TrainingRun] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    recordings: dict[str, Path] = field(default_factory=dict)


def find_sources(paths: Sequence[str | Path]) -> Sources:
    """Looks through files and directories, and the directories in them.

    Args:
        paths: Directories of runs, folders of recorded episodes, files of evaluations, or
            directories that hold any of them.

    Raises:
        FileNotFoundError: If a path does not exist, or holds nothing to report on.
    """
    folders: list[Path] = []
    files: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist: expected a run, or records of `eval`")
        before = len(folders) + len(files)
        for folder in _folders(path) if path.is_dir() else ():
            if (folder / CONFIG_FILE).is_file() or (folder / EPISODES_FILE).is_file():
                folders.append(folder)
            files += [f for f in sorted(folder.glob("*.json*")) if _evaluations(f)]
        if path.is_file() and _evaluations(path):
            files.append(path)
        if len(folders) + len(files) == before:
            raise FileNotFoundError(
                f"{path} holds nothing to report on: expected the directory of a run, a folder of "
                "recorded episodes, or records that `vlm-agent eval --json FILE` wrote"
            )
    folders = list(dict.fromkeys(folder.resolve() for folder in folders))
    owners = [f.parent if f.name == TRAJECTORIES else f for f in folders]
    names = dict(zip(folders, _short_names(owners), strict=True))
    sources = Sources()
    for folder in folders:
        if (folder / CONFIG_FILE).is_file():
            sources.runs.append(_read_run(folder, names[folder]))
        else:
            sources.recordings[names[folder]] = folder
    for file in dict.fromkeys(file.resolve() for file in files):
        sources.evaluations += _evaluations(file)
    return sources


def _folders(path: Path) -> Iterator[Path]:
    """A directory and those in it, but for the many pictures of recorded episodes."""
    for folder, inner, _ in os.walk(path):
        inner[:] = sorted(set(inner) - {"pictures", "tensorboard"})
        yield Path(folder)


def _read_run(folder: Path, name: str) -> TrainingRun:
    try:
        config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{folder / CONFIG_FILE} is no JSON ({error}): is it cut short?") from None
    path = folder / METRICS_FILE
    metrics = [value for _, value in read_json_lines(path)] if path.is_file() else []
    return TrainingRun(name, folder, config, metrics)


def _evaluations(path: Path) -> list[dict[str, Any]]:
    """The records in a file: JSON lines, or the summary that a demo leaves; else none."""
    if path.name in (EPISODES_FILE, METRICS_FILE):
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    if '"success_interval"' not in text:  # a model's tokenizer, for one, takes long to parse
        return []
    try:
        whole = json.loads(text)
        values = [whole, *whole.values()] if isinstance(whole, dict) else [whole]
    except json.JSONDecodeError:
        if path.suffix != ".jsonl":
            return []
        values = [value for _, value in read_json_lines(path)]
    return [v for v in values if isinstance(v, dict) and set(v) >= _EVALUATION_KEYS]


def _short_names(folders: Sequence[Path]) -> list[str]:
    """Paths from the directory that all of them lie in."""
    parents = {folder.parent for folder in folders}
    if not parents:
        return []
    common = Path(os.path.commonpath([str(parent) for parent in parents]))
    return [folder.relative_to(common).as_posix() for folder in folders]
