"""Recorded episodes -> what the page's viewer shows, with every picture once."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_agent.parsing import same_value
from vlm_agent.report.curves import natural
from vlm_agent.trajectories import EpisodeRecord, StepRecord, read_trajectories


class Album:
    """Pictures as data URLs, each one once.

    Attributes:
        urls: The pictures; steps name them by their places in this list.
    """

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._places: dict[Path, int] = {}

    def add(self, path: Path) -> int | None:
        """The place of a picture; `None` if its file is gone, or lies outside of its folder."""
        if path not in self._places:
            if not path.is_file():
                return None
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            self._places[path] = len(self.urls)
            self.urls.append(f"data:image/png;base64,{data}")
        return self._places[path]


def episodes_of(
    name: str, folder: Path, most: int, album: Album
) -> tuple[list[dict[str, Any]], int]:
    """The episodes of a folder that the page shows, and how many it holds.

    Args:
        name: What the page calls the folder.
        folder: Where `episodes.jsonl` lies.
        most: How many to show of each policy in each environment, evenly spread over training.
        album: Where pictures go.
    """
    players: dict[tuple[str, str], int] = {}
    for episode in read_trajectories(folder):
        key = (episode["policy"], episode["env"])
        players[key] = players.get(key, 0) + 1
    chosen = {key: set(_spread(count, most)) for key, count in players.items()}
    seen = dict.fromkeys(players, 0)
    shown = []
    # Read a second time instead of kept: a folder may be larger than the memory.
    for episode in read_trajectories(folder):
        key = (episode["policy"], episode["env"])
        if seen[key] in chosen[key]:
            shown.append(_episode(name, folder, episode, album))
        seen[key] += 1
    shown.sort(key=lambda one: (natural(one["policy"]), one["trained"] or 0, one["number"]))
    return shown, sum(players.values())


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the first `count` numbers, evenly spread, the last one among them."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count - 1]
    return [round(i * (count - 1) / (most - 1)) for i in range(most)]


def _episode(name: str, folder: Path, episode: EpisodeRecord, album: Album) -> dict[str, Any]:
    steps = episode["steps"]
    return {
        "source": name,
        "policy": name if episode["purpose"] == "training" else episode["policy"],
        "env": episode["env"],
        "kwargs": episode["kwargs"],
        "purpose": episode["purpose"],
        "number": episode["number"],
        "seed": None if episode["seed"] is None else str(episode["seed"]),
        "trained": episode["trained_steps"],
        "won": episode["success"],
        "illegal": sum(step["parsed_action"] is None for step in steps),
        "total": _finite(episode["total_reward"]),
        "steps": [_step(folder, step, album) for step in steps],
    }


def _step(folder: Path, step: StepRecord, album: Album) -> dict[str, Any]:
    pictures = folder / "pictures"
    return {
        # The name alone, so that no line leads out of the folder.
        "pictures": [album.add(pictures / Path(path).name) for path in step["pictures"]],
        "prompt": step["prompt"],
        "reply": step["reply"],
        "texts": step["token_texts"],
        "logp": _numbers(step["log_probs"]),
        "action_token": step["action_token"],
        "parsed": _name_of(step["parsed_action"], step["actions"]),
        "played": _name_of(step["played_action"], step["actions"]),
        "reward": _finite(step["reward"]),
        "penalty": _finite(step["penalty"]),
        "value": _finite(step["value"]),
        "advantage": _finite(step["advantage"]),
        "fields": _fields(step),
    }


def _fields(step: StepRecord) -> list[dict[str, Any]]:
    """Every field of the state: its value, what was read, and whether that is right."""
    rows = []
    for name, value in step["state"].items():
        read = step["read"].get(name)
        told = name in step["given"]
        right = None if told or read is None else same_value(read, value)
        rows.append({"name": name, "value": value, "read": read, "told": told, "right": right})
    return rows


def _name_of(action: int | None, actions: Sequence[str]) -> str | None:
    if action is None:
        return None
    return actions[action] if 0 <= action < len(actions) else str(action)


def _numbers(values: Sequence[float] | None) -> list[float] | None:
    return None if values is None else [round(max(float(v), -99.0), 3) for v in values]


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 5)
