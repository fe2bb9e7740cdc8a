"""Options of the command serve."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from vlm_agent.config.model import LoadOptions
from vlm_agent.config.values import Bounds, PathText, Positional, PositiveInt


@dataclass
class ServeConfig(LoadOptions):
    """Serves a policy through the OpenAI chat-completions API, on this machine only.

    Args: Server
        policy: Directory of a policy, or a model's name on a hub.
        port: Port on 127.0.0.1; 0 takes a free one.
        name: The model's name in requests; by default the last part of the policy's path.
        batch_size: Maximum number of requests in a batch.
    """

    policy: Positional[PathText]
    port: Annotated[int, Bounds(0, 2**16 - 1)] = 8000
    name: str | None = None
    batch_size: PositiveInt = 16

    def __post_init__(self) -> None:
        """Derives the name if none is given."""
        super().__post_init__()
        if self.name is None:
            self.name = Path(self.policy).name
