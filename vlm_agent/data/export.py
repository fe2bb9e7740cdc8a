"""Export of recorded episodes as fine-tuning data, for LLaVA or Hugging Face `datasets`."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlm_agent.config.commands import ExportConfig
from vlm_agent.core.prompts import Message, build_messages
from vlm_agent.data.trajectory_format import PICTURES, EpisodeRecord, StepRecord
from vlm_agent.data.trajectory_reader import find_trajectories, read_trajectories

LLAVA_FILE = "conversations.json"
_SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def export_episodes(config: ExportConfig) -> int:
    """Writes the data, and returns the number of samples.

    Raises:
        FileNotFoundError: If a folder holds no recorded episodes.
        FileExistsError: If the output directory is not empty.
        ValueError: If no step matches the options.
        ImportError: If `datasets` is needed, but not installed.
    """
    out = Path(config.out)
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty: choose another --out")
    if next(_samples(config), None) is None:
        raise ValueError(
            f"{', '.join(config.recording)}: no step is left to learn from; --episodes all also "
            "exports the steps of lost episodes"
        )
    out.mkdir(parents=True, exist_ok=True)
    return _write_datasets(config, out) if config.form == "datasets" else _write_llava(config, out)


def _samples(config: ExportConfig) -> Iterator[tuple[Path, EpisodeRecord, StepRecord, str]]:
    """Yields folder, episode, step and id of each sample."""
    for place, recording in enumerate(config.recording):
        folder = find_trajectories(recording)
        for line, episode in enumerate(read_trajectories(folder)):
            if config.episodes == "won" and not episode["success"]:
                continue
            for index, step in enumerate(episode["steps"]):
                if step["reply"] and (config.illegal or step["parsed_action"] is not None):
                    yield folder, episode, step, f"{place}-{line}-{index}"


def _pictures(folder: Path, step: StepRecord) -> list[Path]:
    # Only the file names, so that no record can point outside the folder.
    return [folder / PICTURES / Path(name).name for name in step["pictures"]]


def _messages(step: StepRecord) -> list[Message]:
    """Returns the prompt of a step and the reply to it."""
    prompt = step.get("messages") or build_messages(step["prompt"], len(step["pictures"]))
    return [*prompt, {"role": "assistant", "content": [{"type": "text", "text": step["reply"]}]}]


def _with_places(message: Message) -> str:
    """Returns the text of a message, with a line for each picture."""
    return "".join(
        "<image>\n" if part["type"] == "image" else part["text"] for part in message["content"]
    )


def _write_llava(config: ExportConfig, out: Path) -> int:
    (out / PICTURES).mkdir()
    count = 0
    # Written one by one, because all samples may not fit into memory.
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
                    {"from": _SPEAKERS[message["role"]], "value": _with_places(message)}
                    for message in _messages(step)
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
            "--form datasets needs the package `datasets`; run: pip install datasets"
        ) from None

    def rows() -> Iterator[dict[str, Any]]:
        for folder, episode, step, name in _samples(config):
            images = _pictures(folder, step)
            # A column has one type: every part has a text, which is null for pictures.
            content = [
                {
                    "role": message["role"],
                    "content": [
                        {"type": p["type"], "text": p.get("text")} for p in message["content"]
                    ],
                }
                for message in _messages(step)
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
    # The cache is deleted below, so that changed folders are always read again.
    cache = out / ".cache"
    data = datasets.Dataset.from_generator(rows, features=features, cache_dir=os.fspath(cache))
    data.save_to_disk(os.fspath(out))
    count = len(data)
    del data
    shutil.rmtree(cache)
    return count
