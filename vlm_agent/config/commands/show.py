"""Options of the command show."""

from __future__ import annotations

from dataclasses import dataclass, field

from vlm_agent.config.prompt import PromptOptions
from vlm_agent.config.values import JsonObject, NonNegativeInt, PathText
from vlm_agent.core.prompt_builder import History


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
        history: How a prompt shows earlier steps: steps, their pictures and actions in one message;
            actions, their actions alone; or replies, a conversation of their prompts and the
            replies; by default as saved with the model, or else steps.
        history_length: Number of earlier steps in a prompt, which the expert plays first; by
            default as saved with the model, or else 0.
    """

    env: str
    model: PathText | None = None
    picture: PathText = "show.png"
    seed: int = 0
    env_kwargs: JsonObject = field(default_factory=dict)
    cot: bool = True
    history: History | None = None
    history_length: NonNegativeInt | None = None
