"""Options of the command show."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import JsonObject, PathText


@dataclass
class ShowConfig(PromptOptions):
    """Prints what a model sees in an environment, and how an expert would reply.

    Args: Environment
        env: Environment id, such as gym_cards/NumberLine-v0.
        env_kwargs: Keyword arguments of the environment, as JSON.
        seed: Random seed of the episode.

    Args: Prompt and picture
        model: Directory or hub name of a model, to show the prompt in its chat template and the
            picture after its processor.
        picture: File for the picture, a PNG.
        cot: Ask for the state and reasons before the action.
    """

    env: str
    model: PathText | None = None
    picture: PathText = "show.png"
    seed: int = 0
    env_kwargs: JsonObject = field(default_factory=dict)
    cot: bool = True
