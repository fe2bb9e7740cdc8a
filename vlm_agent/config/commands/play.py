"""Options of the command play."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from vlm_agent.config.model import LoadOptions
from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.training.environments import env_specs
from vlm_agent.config.values import (
    JsonObject,
    NonNegativeFloat,
    PathText,
    Positional,
    PositiveFloat,
    PositiveInt,
)
from vlm_agent.core.run_directory import CONFIG_FILE, policy_place, run_behind


@dataclass
class PlayConfig(LoadOptions, PromptOptions):
    """Shows a policy playing in a window: picture, prompt, thought, reply, action and reward.

    Args: Episodes
        env: Environment id; by default the environment that the policy was trained in, or the
            first of them.
        policy: Directory of a policy, the name of one in the package, or the word random or expert.
        env_kwargs: Keyword arguments of the environment, as JSON; by default those of the policy's
            training if it was trained in the environment.
        episodes: Number of episodes to play.
        seed: Random seed of episodes, sampling and random actions.
        temperature: Sampling temperature of a model; 0 is greedy; by default that of training.

    Args: Window
        seconds: Seconds for which each step is shown.
        paused: Start paused, and move from step to step by key.
    """

    policy: PathText
    env: Positional[str] | None = None
    env_kwargs: JsonObject = field(default_factory=dict)
    episodes: PositiveInt = 1000
    seed: int = 0
    temperature: NonNegativeFloat | None = None
    seconds: PositiveFloat = 1.5
    paused: bool = False

    def __post_init__(self) -> None:
        """Looks up the environment that the policy was trained in if none is given."""
        super().__post_init__()
        path = run_behind(policy_place(self.policy)) / CONFIG_FILE
        trained = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if self.env is None and "env" not in trained:
            raise ValueError(
                f"{self.policy} does not name an environment: give one, as in vlm-agent play "
                f"gym_cards/NumberLine-v0 --policy {self.policy}"
            )
        if self.env is None and trained["env"] is None:
            raise ValueError(f"{self.policy} was trained without an environment: give one")
        for spec in env_specs(trained.get("env"), trained.get("env_kwargs", {})):
            if self.env in (None, spec.name):
                self.env = spec.name
                self.env_kwargs = self.env_kwargs or dict(spec.kwargs)
                break
