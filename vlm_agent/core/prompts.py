"""The built-in prompt, messages of a chat, and replies as they should be written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.types import Observation

THOUGHTS = "thoughts"
ACTION = "action"

Message = dict[str, Any]


@dataclass(frozen=True)
class Chat(Observation):
    """A conversation that was written elsewhere, in place of one built from an observation.

    Attributes:
        messages: Each with a role and its content, whose parts are texts and places of pictures,
            as `build_messages` returns them.
        pictures: The pictures, in the order of their places.
    """

    messages: tuple[Mapping[str, Any], ...] = ()
    pictures: tuple[NDArray[np.uint8], ...] = ()

    @property
    def images(self) -> tuple[NDArray[np.uint8], ...]:
        """The pictures of all messages."""
        return self.pictures


def build_prompt(
    observation: Observation, *, cot: bool = True, earlier_pictures: bool = True
) -> str:
    """Returns the built-in prompt: rules, goal, legal actions and the form of the reply.

    Args:
        observation: What the environment shows now.
        cot: Whether the reply reads out the state and reasons before the action.
        earlier_pictures: Whether the pictures of earlier steps come with it.
    """
    parts = [observation.task.description]
    if observation.goal is not None:
        parts.append(f"Your goal: {observation.goal}")
    if observation.history:
        parts.append(_recall(observation, pictures=earlier_pictures))
    choices = ", ".join(to_json(action) for action in observation.actions)
    parts.append(f"You can choose between {choices}.")
    parts.extend(f"The {name} is: {value}" for name, value in observation.given.items())
    parts.append(f"Answer with JSON in this form: {reply_form(observation, cot=cot)}")
    return "\n".join(parts)


def build_messages(prompt: str, images: int = 1) -> list[Message]:
    """Returns one message of the user, with the pictures before the text.

    Args:
        prompt: The text.
        images: Number of pictures.
    """
    pictures = [{"type": "image"}] * images
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": prompt}]}]


def system_message(text: str) -> Message:
    """Returns the system message with a text."""
    return {"role": "system", "content": [{"type": "text", "text": text}]}


def texts_of(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the text of each message, without its pictures."""
    return [
        "\n".join(part["text"] for part in message["content"] if part["type"] == "text")
        for message in messages
    ]


def messages_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """Returns the text of messages, for people to read; with roles if there are several."""
    texts = texts_of(messages)
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(
        f"[{message['role']}]\n{text}" for message, text in zip(messages, texts, strict=True)
    )


def plain_text(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """Returns the text of messages as `build_messages` returns them; `None` for any others."""
    text = texts_of(messages[-1:])[0] if messages else ""
    places = sum(part["type"] == "image" for message in messages for part in message["content"])
    return text if list(messages) == build_messages(text, places) else None


def build_reply(observation: Observation, action: int, thoughts: str, *, cot: bool = True) -> str:
    """Returns the reply that names an action, for demonstrations.

    Args:
        observation: What the environment shows now; the reply reads out its `fields`.
        action: Index into `observation.actions`.
        thoughts: The reasoning that leads to the action.
        cot: Whether to write the state and the reasoning.
    """
    reply: dict[str, str] = {}
    if cot:
        reply.update(observation.fields)
        reply[THOUGHTS] = thoughts
    reply[ACTION] = observation.actions[action]
    return to_json(reply)


def reply_form(observation: Observation, *, cot: bool = True) -> str:
    """Returns the JSON form of a reply, with dots for values."""
    form: dict[str, str] = {}
    if cot:
        form.update(dict.fromkeys(observation.fields, "..."))
        form[THOUGHTS] = "..."
    form[ACTION] = "..."
    return to_json(form)


def _recall(observation: Observation, *, pictures: bool) -> str:
    """Returns the last actions, and which of several pictures is the current one."""
    past = observation.history
    chosen = ", then ".join(to_json(step.action) for step in past)
    if not pictures:
        return f"Before, you chose {chosen}."
    if len(past) == 1:
        return (
            f"The first picture shows your last step, in which you chose {chosen}. The second "
            "picture shows the present."
        )
    return (
        f"The first {len(past)} pictures show your last {len(past)} steps, oldest first, in which "
        f"you chose {chosen}. The last picture shows the present."
    )


def to_json(value: Any) -> str:
    """Returns JSON with letters as they are, because replies should write what prompts name."""
    return json.dumps(value, ensure_ascii=False)


def checked_messages(messages: Any, images: int, name: str) -> list[Message]:
    """Returns messages of a prompt function, with the pictures in their places.

    Args:
        messages: What the function returned, other than a text.
        images: Number of pictures of the observation.
        name: Name of the function, for error messages.

    Raises:
        ValueError: If these are no messages, or their pictures are not as many.
    """
    result: list[Message] = []
    for message in messages if isinstance(messages, Sequence) else [messages]:
        content = message.get("content") if isinstance(message, Mapping) else None
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if (
            not isinstance(parts, Sequence)
            or not all(map(_is_part, parts))
            or "role" not in message
        ):
            raise ValueError(
                f"the prompt function {name} returned {messages!r:.200}: expected a text, or a "
                "list of messages with role and content"
            )
        result.append({"role": message["role"], "content": list(parts)})
    places = sum(part["type"] == "image" for message in result for part in message["content"])
    from_user = [message for message in result if message["role"] == "user"]
    if places == 0 and from_user:
        from_user[-1]["content"][:0] = [{"type": "image"}] * images
    elif places != images:
        raise ValueError(
            f"the prompt function {name} returned messages with {places} pictures, and the "
            f"observation has {images}: expected as many, or none and a message of the user"
        )
    return result


def _is_part(part: Any) -> bool:
    if not isinstance(part, Mapping):
        return False
    return part.get("type") == "image" or (
        part.get("type") == "text" and isinstance(part.get("text"), str)
    )
