"""One request to an OpenAI-compatible API, tried until it is answered."""

from __future__ import annotations

import email.utils
import os
import random
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from vlm_agent.config.api import ApiOptions
from vlm_agent.serving.rate_limit import Gate, Ticket

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds between tries, where the server does not say
_MOST_PATIENCE = 300.0  # seconds; a server that asks for more is asked again another day
# What passes, besides all that is wrong with a server: too slow, a conflict, too early, too many.
_PASSING = (408, 409, 425, 429)
_NO_KEY = "none"  # what a server on this machine is told where no key is set


class ApiError(ConnectionError):
    """An API does not answer, or refuses to."""


@dataclass(frozen=True)
class Answer:
    """What an API answered.

    Attributes:
        text: The reply; empty where the model refused, or a filter took it.
        prompt_tokens: Of the request; `None` where the server does not count.
        reply_tokens: Of the reply, hidden reasoning included.
    """

    text: str
    prompt_tokens: int | None
    reply_tokens: int | None


@dataclass
class Spending:
    """What has been asked and answered in a process.

    Attributes:
        requests: Sent, those that failed included.
        retries: Of them, tries after a failure.
        cached: Replies that a cache had, so that nothing was sent.
        prompt_tokens: Of the requests that were answered.
        reply_tokens: Of their replies.
    """

    requests: int = 0
    retries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0


class _TryError(Exception):
    """Why a try failed.

    Args:
        message: What happened.
        passing: Whether another try may succeed.
        wait: Seconds to wait, where the server says.
    """

    def __init__(self, message: str, *, passing: bool = True, wait: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.wait = wait


class ApiClient:
    """Sends requests within the limits, and tries again what may pass.

    The key is read from the environment, sent to the API, and told to nobody else: neither errors
    nor replies hold it, even if the server sends it back.

    Args:
        options: Where, and how.

    Attributes:
        url: Where the API is.
        spending: What was asked so far.

    Raises:
        ImportError: If `openai` is not installed.
        ValueError: If there is no key, or it is a part of the URL.
    """

    def __init__(self, options: ApiOptions) -> None:
        try:
            import openai
        except ModuleNotFoundError:
            raise ImportError(
                'models behind an API need `openai`; run: pip install "gym-cards[api]"'
            ) from None
        self._openai = openai
        self._options = options
        self._key = os.environ.get(options.api_key_variable, "")
        url = options.api_base_url or os.environ.get("OPENAI_BASE_URL") or None
        parts = urlsplit(url or "https://api.openai.com")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                f"the URL of the API at {parts.hostname} holds a name, password or query: expected "
                f"none of them; the key belongs into the variable {options.api_key_variable}"
            )
        if not self._key and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(
                f"the environment variable {options.api_key_variable} holds no key for "
                f"{parts.hostname}: set it, or name another by --api-key-variable"
            )
        self._client = openai.OpenAI(
            api_key=self._key or _NO_KEY,
            base_url=url,
            timeout=options.api_timeout,
            max_retries=0,  # tries are counted, and limited, here
        )
        self.url = str(self._client.base_url)
        self.spending = Spending()
        self._gate = Gate(options.api_requests_per_minute, options.api_tokens_per_minute)
        self._lock = threading.Lock()
        self._largest = 0
        self._random = random.Random()

    def ask(self, request: Mapping[str, Any], stop: threading.Event) -> Answer:
        """The answer to a request; waits for the limits, and between tries.

        Args:
            request: The fields of a chat completion.
            stop: Ends the waiting, since nobody waits for the answer any more.

        Raises:
            ApiError: If the API refuses the request, or has failed too often.
        """
        tries, number = self._options.api_retries + 1, 0
        while True:
            number += 1
            ticket = self._admit(request, stop)
            with self._lock:
                self.spending.requests += 1
                self.spending.retries += number > 1
            try:
                answer = self._send(request)
            except _TryError as fault:
                # From None: what it came from holds the request, and that the key.
                if not fault.passing:
                    raise ApiError(f"{self.url} refuses: {fault}") from None
                if fault.wait is not None and fault.wait > _MOST_PATIENCE:
                    raise ApiError(
                        f"{self.url}: {fault}; it asks to wait {fault.wait:.0f} seconds: give the "
                        "call again then"
                    ) from None
                if number == tries:
                    raise ApiError(f"{self.url} failed {tries} times, at last: {fault}") from None
                self._wait(number, fault, stop)
            else:
                self._count(answer, ticket)
                return answer

    def _admit(self, request: Mapping[str, Any], stop: threading.Event) -> Ticket:
        """Waits until the limits allow a request."""
        estimate = self._largest or _rough_size(request)
        while not isinstance(found := self._gate.enter(estimate), Ticket):
            if stop.wait(found):
                raise ApiError("stopped")
        return found

    def _wait(self, number: int, fault: _TryError, stop: threading.Event) -> None:
        """Waits as long as the server asks, else twice as long with each try, at random."""
        if fault.wait is not None:
            self._gate.close_for(fault.wait)  # for all requests, since it means them all
            return
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (number - 1))
        if stop.wait(wait * self._random.uniform(0.5, 1.0)):
            raise ApiError("stopped")

    def _count(self, answer: Answer, ticket: Ticket) -> None:
        read, written = answer.prompt_tokens or 0, answer.reply_tokens or 0
        with self._lock:
            self.spending.prompt_tokens += read
            self.spending.reply_tokens += written
            if read + written:
                ticket.tokens = read + written
                self._largest = max(self._largest, read + written)

    def _send(self, request: Mapping[str, Any]) -> Answer:
        openai = self._openai
        try:
            completion = self._client.chat.completions.create(**request)
        except openai.APITimeoutError:
            raise _TryError(f"no answer within {self._options.api_timeout:g} seconds") from None
        except openai.APIConnectionError as error:
            raise _TryError(
                self._told(f"the connection broke ({error.__cause__ or error})")
            ) from None
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except (openai.OpenAIError, ValueError) as error:
            raise _TryError(self._told(f"the answer makes no sense ({error})")) from None
        return self._read(completion)

    def _refusal(self, error: Any) -> _TryError:
        status = error.status_code
        message = self._told(f"HTTP {status}, {error.message}")
        passing = (status in _PASSING or status >= 500) and error.code != "insufficient_quota"
        return _TryError(message, passing=passing, wait=_retry_after(error.response.headers))

    def _read(self, completion: Any) -> Answer:
        """The answer in what the package made of the response, which may be anything."""
        try:
            content = completion.choices[0].message.content
        except (AttributeError, IndexError, KeyError, TypeError):
            content = 0
        if not isinstance(content, str | None):
            raise _TryError("the answer makes no sense: it is no chat completion")
        usage = getattr(completion, "usage", None)
        counts = [getattr(usage, f"{name}_tokens", None) for name in ("prompt", "completion")]
        read, written = (count if isinstance(count, int) else None for count in counts)
        return Answer(self._hidden(content or ""), read, written)

    def _told(self, message: str) -> str:
        """A message as a person may see it: without the key, in one line, and not too long."""
        return self._hidden(" ".join(message.split()))[:500]

    def _hidden(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (RFC 9110, 10.2.3, and OpenAI's own milliseconds)."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        if "retry-after" not in headers:
            return None
        value = headers["retry-after"]
        if value.strip().replace(".", "", 1).isdigit():
            return float(value)
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _rough_size(request: Mapping[str, Any]) -> int:
    """How many tokens a request may take, before any has told: the longest reply besides."""
    size = max(int(request.get(name, 0)) for name in ("max_tokens", "max_completion_tokens"))
    for message in request["messages"]:
        for part in message["content"]:
            size += len(part["text"]) // 3 if part["type"] == "text" else 1000
    return size
