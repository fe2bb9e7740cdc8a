"""Conversion of OpenAI chat-completion requests to chats, and of replies to responses."""

from __future__ import annotations

import base64
import binascii
import io
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.config.generation import GenerationConfig
from vlm_agent.config.values import (
    Bounds,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFraction,
    convert,
)
from vlm_agent.core.prompts import Chat, system_message
from vlm_agent.core.types import Reply, Task

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_MAX_PIXELS = 4096 * 4096
_MOST_SHOWN = 60  # characters of a value in a message
# Developer messages are the newer name of system messages.
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
# Fields that are read, and fields that say nothing about the reply.
_READ = (
    "model", "messages", "max_completion_tokens", "max_tokens", "seed", "temperature", "top_k",
    "top_p",
)  # fmt: skip
_IGNORED = (
    "metadata", "parallel_tool_calls", "prompt_cache_key", "prompt_cache_retention",
    "safety_identifier", "service_tier", "store", "stream_options", "user",
)  # fmt: skip
# Values that ask for what is done anyway. Any other field would change the reply, so that it must
# not be ignored silently.
_WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "add_generation_prompt": (True,),
    "best_of": (1,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none", "auto"),
    "functions": ([],),
    "ignore_eos": (False,),
    "length_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "min_p": (0,),
    "min_tokens": (0,),
    "modalities": (["text"],),
    "n": (1,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "response_format": ({"type": "text"},),
    "skip_special_tokens": (True,),
    "stop": ([],),
    "stop_token_ids": ([],),
    "stream": (False,),
    "tool_choice": ("none", "auto"),
    "tools": ([],),
    "top_logprobs": (0,),
    "use_beam_search": (False,),
}
# Far outside of what anybody samples with; closer to 0, logits overflow.
_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 1e-3, 1e3


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


def read_question(
    body: Any, model: str, generation_config: GenerationConfig, longest: int
) -> Question:
    """Reads a request.

    Args:
        body: JSON of the request.
        model: Name of the model that is served.
        generation_config: Settings that apply unless the request sets them.
        longest: The largest number of tokens that a reply may be allowed.

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
    for name, value in body.items():
        _check_field(name, value)
    seed = _number(body, "seed", int, NonNegativeInt)
    chat = _read_chat(body.get("messages"))
    if generation_config.system_prompt and chat.messages[0]["role"] != "system":
        own = system_message(generation_config.system_prompt)
        chat = replace(chat, messages=(own, *chat.messages))
    return Question(chat, _settings(body, generation_config, longest), seed)


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


def _check_field(name: str, value: Any) -> None:
    """Makes sure that a field is read, or changes nothing."""
    if value is None or name in _READ or name in _IGNORED:
        return
    same = _WITHOUT_EFFECT.get(name, ())
    if any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in same):
        return
    if name == "n":
        raise RequestError(f"n={_short(value)}: expected 1", param="n")
    raise RequestError(f"`{name}` is not supported: leave it out", param=name)


def _settings(
    body: Mapping[str, Any], generation_config: GenerationConfig, longest: int
) -> GenerationConfig:
    temperature = _number(body, "temperature", float, NonNegativeFloat)
    if temperature and not _LOWEST_TEMPERATURE <= temperature <= _HIGHEST_TEMPERATURE:
        raise RequestError(
            f"temperature={temperature}: expected 0, or a number from {_LOWEST_TEMPERATURE} to "
            f"{_HIGHEST_TEMPERATURE}",
            param="temperature",
        )
    top_k = body.get("top_k")
    if top_k == -1:  # what other servers call all tokens
        body = {**body, "top_k": 0}
    length = Annotated[int, Bounds(1, longest)]
    limits = (_number(body, name, int, length) for name in ("max_completion_tokens", "max_tokens"))
    given = {
        "temperature": temperature,
        "top_p": _number(body, "top_p", float, PositiveFraction),
        "top_k": _number(body, "top_k", int, NonNegativeInt),
        "max_new_tokens": next((limit for limit in limits if limit is not None), None),
    }
    return generation_config.with_changes(**given)


def _number(body: Mapping[str, Any], name: str, kind: type, hint: Any) -> Any:
    """Returns a field that holds a number, or `None`.

    Raises:
        RequestError: If it holds anything else, or a number that the hint does not allow.
    """
    value = body.get(name)
    if value is None:
        return None
    allowed = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        expected = "a whole number" if kind is int else "a number"
        raise RequestError(f"{name}={_short(value)}: expected {expected}", param=name)
    try:
        return convert(value, hint)
    except ValueError as error:
        _, _, expected = str(error).partition(": ")
        raise RequestError(f"{name}={_short(value)}: {expected}", param=name) from None


def _short(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # a number with more digits than Python writes
        return "a number of many digits"
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _read_chat(messages: Any) -> Chat:
    if not isinstance(messages, list) or not messages:
        raise RequestError("expected a list of at least one message", param="messages")
    chat: list[dict[str, Any]] = []
    pictures: list[NDArray[np.uint8]] = []
    for number, message in enumerate(messages):
        place = f"messages[{number}]"
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise RequestError(
                f"{place} has role {_short(role)}: expected one of {', '.join(_ROLES)}",
                param=place,
            )
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise RequestError(f"{place}: expected text or a list of parts", param=place)
        chat.append(
            {"role": _ROLES[role], "content": [_read_part(p, place, pictures) for p in parts]}
        )
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
    head = head.lower()
    if not (head.startswith("data:image/") and head.endswith(";base64") and comma):
        # URLs are not fetched: clients must not be able to send requests from this machine.
        raise RequestError(f"{place}: expected a picture as data:image/png;base64,…", param=place)
    try:
        # Encoders break lines.
        content = base64.b64decode("".join(data.split()), validate=True)
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise RequestError(
                    f"{place}: a picture of {image.width} x {image.height} pixels is too large: "
                    f"expected at most {_MAX_PIXELS} pixels",
                    param=place,
                )
            return np.asarray(image.convert("RGB"))
    except (
        binascii.Error,
        Image.DecompressionBombError,
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
    ) as error:
        raise RequestError(
            f"{place}: the picture cannot be read ({error}): expected {', '.join(_FORMATS)}",
            param=place,
        ) from error
