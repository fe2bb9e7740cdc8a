"""Recorded episodes -> fine-tuning data: LLaVA's conversations, or a data set of Hugging Face."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm_agent.config.tools import ExportConfig
from vlm_agent.core.prompts import build_messages
from vlm_agent.data.trajectory_format import PICTURES, EpisodeRecord, StepRecord
from vlm_agent.data.trajectory_reader import find_trajectories, read_trajectories

LLAVA_FILE = "conversations.json"


def export_episodes(config: ExportConfig) -> int:
    """Writes the data and returns how many samples it holds.

    Raises:
        FileNotFoundError: If a folder holds no recorded episodes.
        FileExistsError: If the directory holds anything already.
        ValueError: If no step is left to learn from.
        ImportError: If `datasets` is asked for and not installed.
    """
    out = Path(config.out)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: choose another --out")
    if next(_samples(config), None) is None:
        raise ValueError(
            f"{', '.join(config.recording)}: no step is left to learn from; with --episodes all, "
            "those of episodes that were lost are kept too"
        )
    out.mkdir(parents=True, exist_ok=True)
    return _write_datasets(config, out) if config.form == "datasets" else _write_llava(config, out)


def _samples(config: ExportConfig) -> Iterator[tuple[Path, EpisodeRecord, StepRecord, str]]:
    """Folder, episode, step and an id for each sample."""
    for place, recording in enumerate(config.recording):
        folder = find_trajectories(recording)
        for line, episode in enumerate(read_trajectories(folder)):
            if config.episodes == "won" and not episode["success"]:
                continue
            for index, step in enumerate(episode["steps"]):
                if step["reply"] and (config.illegal or step["parsed_action"] is not None):
                    yield folder, episode, step, f"{place}-{line}-{index}"


def _pictures(folder: Path, step: StepRecord) -> list[Path]:
    # By their names alone, so that no line leads out of the folder.
    return [folder / PICTURES / Path(name).name for name in step["pictures"]]


def _write_llava(config: ExportConfig, out: Path) -> int:
    (out / PICTURES).mkdir()
    count = 0
    # A list as large as the recording is never held: items are written as they are made.
    with (out / LLAVA_FILE).open("w", encoding="utf-8") as file:
        for folder, episode, step, name in _samples(config):
            images = []
            for path in _pictures(folder, step):
                target = out / PICTURES / path.name
                if not target.exists():
                    shutil.copyfile(path, target)
                images.append(f"{PICTURES}/{path.name}")
            sample = {
                "id": name,
                "image": images[0] if len(images) == 1 else images,
                "conversations": [
                    {"from": "human", "value": "<image>\n" * len(images) + step["prompt"]},
                    {"from": "gpt", "value": step["reply"]},
                ],
                "env": episode["env"],
            }
            file.write((",\n" if count else "[\n") + json.dumps(sample))
            count += 1
        file.write("\n]\n")
    return count


def _write_datasets(config: ExportConfig, out: Path) -> int:
    try:
        import datasets
    except ModuleNotFoundError:
        out.rmdir()
        raise ImportError(
            "--form datasets needs Hugging Face's `datasets`; run: pip install datasets"
        ) from None

    def rows() -> Iterator[dict[str, Any]]:
        for folder, episode, step, name in _samples(config):
            images = _pictures(folder, step)
            messages = [
                *build_messages(step["prompt"], len(images)),
                {"role": "assistant", "content": [{"type": "text", "text": step["reply"]}]},
            ]
            # One type a column: every part has a text, which is none for a picture.
            content = [
                {
                    "role": message["role"],
                    "content": [
                        {"type": p["type"], "text": p.get("text")} for p in message["content"]
                    ],
                }
                for message in messages
            ]
            pictures = [{"bytes": path.read_bytes(), "path": None} for path in images]
            yield {"id": name, "env": episode["env"], "images": pictures, "messages": content}

    text = datasets.Value("string")
    features = datasets.Features(
        {
            "id": text,
            "env": text,
            "images": datasets.List(datasets.Image()),
            "messages": datasets.List(
                {"role": text, "content": datasets.List({"type": text, "text": text})}
            ),
        }
    )
    # Made anew each time, from what lies in the folders now: the cache goes with the directory.
    cache = out / ".cache"
    data = datasets.Dataset.from_generator(rows, features=features, cache_dir=os.fspath(cache))
    data.save_to_disk(os.fspath(out))
    count = len(data)
    del data
    shutil.rmtree(cache)
    return count
