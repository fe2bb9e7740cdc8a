"""How a policy writes its replies, and the file that says so beside a saved policy."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

Parser = Literal["json", "published"]

_FILE = "policy.json"


@dataclass(frozen=True)
class GenerationConfig:
    """How a policy writes its replies; saved with it.

    Attributes:
        cot: Whether it reads out the state and reasons before it acts.
        temperature: Of sampling and of log-probabilities alike; 0 is greedy, to act only.
        max_new_tokens: The longest reply, in tokens, the closing one included.
        top_k: How many of the likeliest tokens may be written; 0 for all.
        top_p: Of those, the fewest likeliest that together hold this probability may be written.
        history_length: How many steps of the episode, pictures and actions, its prompts recall.
        parser: Rule by which its replies are parsed: json, or published, that of the paper's code.
    """

    cot: bool = True
    temperature: float = 0.2
    max_new_tokens: int = 256
    top_k: int = 0
    top_p: float = 1.0
    history_length: int = 0
    parser: Parser = "json"

    def __post_init__(self) -> None:
        """Refuses settings out of range."""
        if self.temperature < 0:
            raise ValueError(f"temperature {self.temperature} is negative: expected 0 or above")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens {self.max_new_tokens}: expected at least 1")
        if self.top_k < 0:
            raise ValueError(f"top_k {self.top_k} is negative: expected 0 or above")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p {self.top_p}: expected above 0, and at most 1")
        if self.history_length < 0:
            raise ValueError(
                f"history_length {self.history_length} is negative: expected 0 or above"
            )

    def save(self, directory: Path) -> None:
        """Writes them into a directory."""
        (directory / _FILE).write_text(json.dumps(vars(self), indent=2) + "\n")

    @classmethod
    def load(cls, directory: Path) -> GenerationConfig:
        """Reads those of a saved policy; the defaults where a directory holds none.

        Raises:
            ValueError: If the file has settings that this version does not know.
        """
        path = directory / _FILE
        if not path.is_file():
            return cls()
        saved = json.loads(path.read_text(encoding="utf-8"))
        unknown = set(saved) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"{path} has unknown keys {sorted(unknown)}: is it of another version?"
            )
        return cls(**saved)
