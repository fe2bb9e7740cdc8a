"""Conversion of OpenAI chat-completion requests to chats, and of replies to responses."""

from __future__ import annotations

import base64
import binascii
import io
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.core.prompts import Chat, system_message
from vlm_agent.core.types import Reply, Task

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_MAX_PIXELS = 4096 * 4096
_ROLES = ("system", "user", "assistant")
# Fields that would change the reply, so they must not be ignored silently.
_UNSUPPORTED = (
    "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "modalities", "presence_penalty", "response_format", "stop", "stream", "tool_choice", "tools",
    "top_logprobs",
)  # fmt: skip


class RequestError(Exception):
    """A request that cannot be answered.

    Args:
        message: What is wrong, and what was expected.
        status: HTTP status code.
        param: Field of the request that is wrong.
        code: The API's name of the mistake.
    """

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """Returns the body of the response."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return {"error": error}


@dataclass(frozen=True)
class Question:
    """Chat to reply to, as a request asks for it.

    Attributes:
        chat: Messages with their pictures.
        generation_config: Settings for generating the reply.
        seed: Random seed of sampling; `None` for an unpredictable one.
    """

    chat: Chat
    generation_config: GenerationConfig
    seed: int | None


def read_question(body: Any, model: str, generation_config: GenerationConfig) -> Question:
    """Reads a request.

    Args:
        body: JSON of the request.
        model: Name of the model that is served.
        generation_config: Settings that apply unless the request sets them.

    Raises:
        RequestError: If it is not a valid request, or uses unsupported features.
    """
    if not isinstance(body, dict):
        raise RequestError("expected a JSON object with `model` and `messages`")
    if body.get("model") != model:
        raise RequestError(
            f"there is no model {body.get('model')!r} here: expected {model!r}",
            status=404,
            param="model",
            code="model_not_found",
        )
    for name in _UNSUPPORTED:
        if body.get(name) not in (None, False, 0, [], {}, "none"):
            raise RequestError(f"`{name}` is not supported: leave it out", param=name)
    if body.get("n") not in (None, 1):
        raise RequestError(f"n={body['n']!r}: expected 1", param="n")
    seed = _number(body, "seed", int)
    chat = _read_chat(body.get("messages"))
    if generation_config.system_prompt and chat.messages[0]["role"] != "system":
        own = system_message(generation_config.system_prompt)
        chat = replace(chat, messages=(own, *chat.messages))
    return Question(chat, _settings(body, generation_config), seed)


@dataclass(frozen=True)
class Answer:
    """Reply of a policy to a question.

    Attributes:
        reply: The reply.
        prompt_tokens: Number of tokens of the question, including pictures.
        ended: Whether the model ended the reply itself.
    """

    reply: Reply
    prompt_tokens: int
    ended: bool


def write_answer(model: str, answer: Answer) -> dict[str, Any]:
    """Returns the body of the response.

    Args:
        model: Name of the model.
        answer: Its answer.
    """
    count, prompt_tokens = len(answer.reply.tokens), answer.prompt_tokens
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.reply.text, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop" if answer.ended else "length",
    }
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": count,
            "total_tokens": prompt_tokens + count,
        },
    }


def _settings(body: Mapping[str, Any], generation_config: GenerationConfig) -> GenerationConfig:
    limit = _number(body, "max_completion_tokens", int)
    given = {
        "temperature": _number(body, "temperature", float),
        "top_p": _number(body, "top_p", float),
        "max_new_tokens": _number(body, "max_tokens", int) if limit is None else limit,
    }
    known: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    try:
        return replace(generation_config, **known)
    except ValueError as error:
        raise RequestError(str(error)) from error


def _number(body: Mapping[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    allowed = (int,) if kind is int else (int, float)
    if value is not None and (isinstance(value, bool) or not isinstance(value, allowed)):
        raise RequestError(f"{name}={value!r}: expected a number", param=name)
    return value if value is None else kind(value)


def _read_chat(messages: Any) -> Chat:
    if not isinstance(messages, list) or not messages:
        raise RequestError("expected a list of at least one message", param="messages")
    chat: list[dict[str, Any]] = []
    pictures: list[NDArray[np.uint8]] = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise RequestError(
                f"{place} has role {role!r}: expected one of {', '.join(_ROLES)}", param=place
            )
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise RequestError(f"{place}: expected text or a list of parts", param=place)
        chat.append({"role": role, "content": [_read_part(p, place, pictures) for p in parts]})
    if not pictures:
        raise RequestError(
            "expected at least one picture: this model acts on pictures", param="messages"
        )
    return Chat(pictures[-1], Task("", ()), (), messages=tuple(chat), pictures=tuple(pictures))


def _read_part(part: Any, place: str, pictures: list[NDArray[np.uint8]]) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind == "image_url" and isinstance(part.get("image_url"), dict):
        pictures.append(_read_picture(part["image_url"].get("url"), place))
        return {"type": "image"}
    raise RequestError(
        f"{place} has a part of type {kind!r}: expected text, or image_url with a data URL",
        param=place,
    )


def _read_picture(url: Any, place: str) -> NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
        # URLs are not fetched: clients must not be able to send requests from this machine.
        raise RequestError(f"{place}: expected a picture as data:image/png;base64,…", param=place)
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(data, validate=True)), formats=_FORMATS
        ) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise RequestError(
                    f"{place}: a picture of {image.width} x {image.height} pixels is too large: "
                    f"expected at most {_MAX_PIXELS} pixels",
                    param=place,
                )
            return np.asarray(image.convert("RGB"))
    except (binascii.Error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise RequestError(
            f"{place}: the picture cannot be read ({error}): expected {', '.join(_FORMATS)}",
            param=place,
        ) from error
