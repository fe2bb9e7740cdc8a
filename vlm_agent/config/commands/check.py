"""Options of the command check."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import JsonObject, PathText, PositiveInt


@dataclass
class CheckConfig(PromptOptions):
    """Tries out an environment: lists all that is wrong, and shows what an agent will be given.

    Random actions and the environment's experts play a few episodes; these are repeated with the
    same seeds and played in a batch. The exit status is 1 if anything is wrong.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.
        episodes: Number of episodes of each kind of player.
        seed: Random seed of the episodes.

    Args: Prompt and picture
        picture: File for the first picture, a PNG.
        cot: Ask for the state and reasons before the action.
    """

    env: str
    env_kwargs: JsonObject = field(default_factory=dict)
    episodes: PositiveInt = 3
    seed: int = 0
    picture: PathText | None = None
    cot: bool = True
