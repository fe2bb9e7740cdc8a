"""Options of the command play."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from vlm_agent.config.model import LoadOptions
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import (
    JsonObject,
    NonNegativeFloat,
    Positional,
    PositiveFloat,
    PositiveInt,
)
from vlm_agent.core.run_directory import CONFIG_FILE


@dataclass
class PlayConfig(LoadOptions, PromptOptions):
    """Shows a policy playing in a window: picture, prompt, thought, reply, action and reward.

    Args: Episodes
        run: Directory of a policy, or the word random or expert.
        env: Environment id; by default the environment that the run was trained in.
        env_kwargs: Keyword arguments of the environment, as JSON; by default those of the run if
            the environment is the run's.
        episodes: Number of episodes to play.
        seed: Random seed of episodes, sampling and random actions.
        temperature: Sampling temperature of a model; 0 is greedy; by default that of training.

    Args: Window
        seconds: Seconds for which each step is shown.
        paused: Start paused, and move from step to step by key.
    """

    run: Positional[str]
    env: str | None = None
    env_kwargs: JsonObject = field(default_factory=dict)
    episodes: PositiveInt = 1000
    seed: int = 0
    temperature: NonNegativeFloat | None = None
    seconds: PositiveFloat = 1.5
    paused: bool = False

    def __post_init__(self) -> None:
        """Looks up the run's environment if none is given."""
        super().__post_init__()
        if self.env is None:
            path = Path(self.run) / CONFIG_FILE
            if not path.is_file():
                raise ValueError(f"{self.run} does not name an environment: give one with --env")
            options = json.loads(path.read_text(encoding="utf-8"))
            if options["env"] is None:
                raise ValueError(f"{self.run} was trained without an environment: give an --env")
            self.env = str(options["env"])
            self.env_kwargs = self.env_kwargs or dict(options.get("env_kwargs", {}))
