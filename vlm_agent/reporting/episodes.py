"""Recorded episodes -> what the page's viewer shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlm_agent.core.parsing import same_value
from vlm_agent.data.trajectory_format import EpisodeRecord, StepRecord
from vlm_agent.data.trajectory_reader import read_trajectories
from vlm_agent.reporting.album import Album
from vlm_agent.reporting.curves import natural


def episodes_of(
    name: str, folder: Path, most: int, album: Album, prompts: dict[str, int]
) -> tuple[list[dict[str, Any]], int]:
    """The episodes of a folder that the page shows, and how many it holds.

    Args:
        name: What the page calls the folder.
        folder: Where `episodes.jsonl` lies.
        most: How many to show of each policy in each environment, evenly spread over training.
        album: Where pictures go.
        prompts: Where prompts go, each once, with its place among them.
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
            shown.append(_episode(name, folder, episode, album, prompts))
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


def _episode(
    name: str, folder: Path, episode: EpisodeRecord, album: Album, prompts: dict[str, int]
) -> dict[str, Any]:
    steps = episode["steps"]
    album.turn_over()
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
        "steps": [_step(folder, step, album, prompts) for step in steps],
    }


def _step(folder: Path, step: StepRecord, album: Album, prompts: dict[str, int]) -> dict[str, Any]:
    pictures = folder / "pictures"
    return {
        # The name alone, so that no line leads out of the folder.
        "pictures": [album.add(pictures / Path(path).name) for path in step["pictures"]],
        "prompt": prompts.setdefault(step["prompt"], len(prompts)),
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
