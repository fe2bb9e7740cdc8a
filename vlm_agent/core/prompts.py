"""Task and state -> what a vision-language model is told, and the reply that it should write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.types import Observation

THOUGHTS = "thoughts"
ACTION = "action"


@dataclass(frozen=True)
class Chat(Observation):
    """A conversation that was written elsewhere, in place of one made of an observation.

    Attributes:
        messages: Each with a role and its content, the parts of which are texts and places of
            pictures, as `build_messages` makes them.
        pictures: The pictures, in the order of their places.
    """

    messages: tuple[Mapping[str, Any], ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()

    @property
    def images(self) -> tuple[NDArray[np.uint8], ...]:
        """The pictures of all messages."""
        return self.pictures


def build_prompt(observation: Observation, *, cot: bool = True) -> str:
    """The text that goes with the picture: rules, goal, legal actions and the form of the reply.

    Args:
        observation: What the environment shows now; of a chat, all that was said, as JSON.
        cot: Whether the reply reads out the state and reasons before it acts.
    """
    if isinstance(observation, Chat):
        return json.dumps(observation.messages, ensure_ascii=False)
    parts = [observation.task.description]
    if observation.goal is not None:
        parts.append(f"Your goal: {observation.goal}")
    if observation.history:
        parts.append(_recall(observation))
    choices = ", ".join(_quoted(action) for action in observation.actions)
    parts.append(f"You can choose between {choices}.")
    parts.extend(f"The {name} is: {value}" for name, value in observation.given.items())
    form: dict[str, str] = {}
    if cot:
        form.update(dict.fromkeys(observation.state, "..."))
        form[THOUGHTS] = "..."
    form[ACTION] = "..."
    parts.append(f"Answer with JSON in this form: {_quoted(form)}")
    return "\n".join(parts)


def _recall(observation: Observation) -> str:
    """Tells which of several pictures is the present one, and what was done in the others."""
    past = observation.history
    chosen = ", then ".join(_quoted(moment.action) for moment in past)
    if len(past) == 1:
        return (
            f"The first picture shows your last step, in which you chose {chosen}. The second "
            "picture shows the present."
        )
    return (
        f"The first {len(past)} pictures show your last {len(past)} steps, oldest first, in which "
        f"you chose {chosen}. The last picture shows the present."
    )


def build_chat(observation: Observation, *, cot: bool = True) -> list[dict[str, Any]]:
    """The chat that a model is given for an observation.

    Args:
        observation: What the environment shows now, or a chat.
        cot: Whether the reply reads out the state and reasons before it acts.
    """
    if isinstance(observation, Chat):
        return [dict(message) for message in observation.messages]
    return build_messages(build_prompt(observation, cot=cot), len(observation.images))


def build_messages(prompt: str, images: int = 1) -> list[dict[str, Any]]:
    """The chat that a model is given: one message of the user, the pictures before the text.

    Args:
        prompt: The text.
        images: How many pictures there are.
    """
    pictures = [{"type": "image"}] * images
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": prompt}]}]


def build_reply(observation: Observation, action: int, thoughts: str, *, cot: bool = True) -> str:
    """The reply that names an action, as a demonstration shows it.

    Args:
        observation: What the environment shows now; its state is read out.
        action: Index into `observation.actions`.
        thoughts: The reasoning that leads to the action.
        cot: Whether to write the state and the reasoning.
    """
    reply: dict[str, str] = {}
    if cot:
        reply.update(observation.state)
        reply[THOUGHTS] = thoughts
    reply[ACTION] = observation.actions[action]
    return _quoted(reply)


def _quoted(value: str | dict[str, str]) -> str:
    """JSON with letters as they are: what a prompt names is what a reply should write."""
    return json.dumps(value, ensure_ascii=False)
