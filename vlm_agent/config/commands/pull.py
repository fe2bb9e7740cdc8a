"""Options of the command pull."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from vlm_agent.config.options import Options
from vlm_agent.config.values import PathText, Positional


@dataclass
class PullConfig(Options):
    """Downloads a policy from the Hugging Face hub into a directory.

    Only weights in safetensors and files of plain values are downloaded: no pickles and no code.

    Args: Pull
        name: Name on the hub, such as USER/NAME.
        out: Directory for the policy, empty or new; by default the last part of the name.
        revision: Branch, tag or commit; by default main.
    """

    name: Positional[str]
    out: Positional[PathText] | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        """Derives the directory if none is given."""
        super().__post_init__()
        if self.out is None:
            self.out = PurePosixPath(self.name).name
