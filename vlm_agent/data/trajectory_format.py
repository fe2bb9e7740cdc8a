"""Format of recorded episodes: a folder with a file of JSON lines and pictures as PNG files.

`episodes.jsonl` holds one line per episode, written when the episode ends, so that an interrupted
run leaves whole episodes behind. `pictures` holds the pictures, named by a hash of their content:
equal pictures share a file, and a picture is stored before any line refers to it. Any JSON reader
can read them; docs/evaluation/recordings.md explains the fields.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

FORMAT = "vlm-agent-episode"
VERSION = 1
EPISODES_FILE = "episodes.jsonl"
PICTURES = "pictures"


class _Optional(TypedDict, total=False):
    messages: list[dict[str, Any]]


class StepRecord(_Optional):
    """One step in a line of `episodes.jsonl`; docs/evaluation/recordings.md explains each field."""

    pictures: list[str]
    prompt: str
    actions: list[str]
    state: dict[str, str]
    given: list[str]
    reply: str
    read: dict[str, str]
    tokens: list[int]
    token_texts: list[str]
    log_probs: list[float] | None
    action_token: int
    parsed_action: int | None
    played_action: int
    reward: float
    penalty: float
    value: float | None
    advantage: float | None


class EpisodeRecord(TypedDict):
    """One line of `episodes.jsonl`; docs/evaluation/recordings.md explains each field."""

    format: str
    version: int
    purpose: Literal["training", "evaluation"]
    policy: str
    env: str
    kwargs: dict[str, Any]
    number: int
    seed: int | None
    trained_steps: int | None
    success: bool
    total_reward: float
    length: int
    group: int | None
    steps: list[StepRecord]


class TrajectoryError(ValueError):
    """A folder of recorded episodes cannot be read."""
