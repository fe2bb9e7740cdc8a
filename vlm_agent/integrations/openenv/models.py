"""The messages between a client and a server of environments."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from openenv.core.env_server.types import Action, Observation, State
from pydantic import ConfigDict, Field

from vlm_agent.integrations.pictures import read_picture


class GameAction(Action):
    """An action's name, or a model's reply.

    A reply in JSON can be sent as it is, because other fields than `action` are allowed.
    """

    model_config = ConfigDict(extra="allow", validate_assignment=True, coerce_numbers_to_str=True)

    action: str = Field(
        description="Name of an action, or a reply whose JSON has the key `action`. A text that "
        "names none plays a random legal action."
    )


class GameObservation(Observation):
    """What an agent is given in one moment of an episode.

    `reward` is that of the last step, `None` after a reset; `done` is true when the episode has
    ended or was cut off.
    """

    image: str = Field(description="The picture, in base64.")
    image_format: str = Field(default="png", description="File format of the picture.")
    prompt: str = Field(description="Rules, goal, legal actions and the form of a reply.")
    actions: list[str] = Field(description="Names of the legal actions.")
    env: str = Field(description="Id of the environment.")
    played: str | None = Field(
        default=None, description="Name of the action that the last step played."
    )
    action_is_valid: bool | None = Field(
        default=None,
        description="Whether the last step named an action; otherwise a random one was played.",
    )
    success: bool = Field(default=False, description="Whether the episode is a success so far.")
    truncated: bool = Field(
        default=False, description="Whether the episode was cut off, such as by a time limit."
    )

    def picture(self) -> NDArray[np.uint8]:
        """Returns the picture, uint8 of shape (height, width, 3)."""
        return read_picture(self.image)


class GameState(State):
    """The episode of a session, including what an agent is not told."""

    env: str | None = Field(default=None, description="Id of the environment.")
    split: str | None = Field(default=None, description="Split of the task, if one was chosen.")
    index: int | None = Field(default=None, description="Position of the task in its split.")
    game: str | None = Field(default=None, description="Name of the game, in a split of games.")
    seed: int | None = Field(default=None, description="Random seed of the episode.")
    total_reward: float = Field(default=0.0, description="Sum of the rewards so far.")
    success: bool = Field(default=False, description="Whether the episode is a success so far.")
    fields: dict[str, str] = Field(
        default_factory=dict, description="What the picture shows, field by field."
    )
