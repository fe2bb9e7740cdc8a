"""Client of an OpenAI-compatible API, with rate limits and retries."""

from __future__ import annotations

import asyncio
import email.utils
import functools
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

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds between attempts, unless the server says
_MAX_RETRY_AFTER = 300.0  # seconds; if a server asks for more, the request fails
# Retried, like all server errors: request timeout, conflict, too early, too many requests.
_RETRIED = (408, 409, 425, 429)
_NO_KEY = "none"  # sent to a server on this machine if no key is set


class ApiError(ConnectionError):
    """An API cannot be reached, or rejects a request."""


@dataclass(frozen=True)
class Answer:
    """Answer of an API.

    Attributes:
        text: The reply; empty if the model refused, or a filter removed it.
        prompt_tokens: Number of tokens of the request; `None` if the server does not report it.
        reply_tokens: Number of tokens of the reply, including hidden reasoning, or `None`.
    """

    text: str
    prompt_tokens: int | None
    reply_tokens: int | None


@dataclass
class Spending:
    """Requests and tokens of a client so far.

    Attributes:
        requests: Number of requests sent, including those that failed.
        retries: Number of these that repeat a failed request.
        cached: Number of replies taken from the cache, for which nothing was sent.
        prompt_tokens: Number of tokens of the requests that were answered.
        reply_tokens: Number of tokens of their replies.
    """

    requests: int = 0
    retries: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    reply_tokens: int = 0


class _AttemptError(Exception):
    """An attempt to send a request failed.

    Args:
        message: What happened.
        temporary: Whether another attempt may succeed.
        wait: Seconds to wait, if the server says.
    """

    def __init__(self, message: str, *, temporary: bool = True, wait: float | None = None) -> None:
        super().__init__(message)
        self.temporary = temporary
        self.wait = wait


class ApiClient:
    """Sends requests within rate limits, and retries those that failed temporarily.

    The key is read from the environment and sent to the API only: neither errors nor replies
    contain it, even if the server sends it back.

    Args:
        options: Address, key, limits and retries.

    Attributes:
        url: Base URL of the API.
        spending: Requests and tokens so far.

    Raises:
        ImportError: If `openai` is not installed.
        ValueError: If there is no key, or the URL contains one.
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
                f"the URL of the API at {parts.hostname} contains a user name, password or query: "
                f"expected none; put the key into the environment variable "
                f"{options.api_key_variable}"
            )
        if not self._key and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(
                f"the environment variable {options.api_key_variable} holds no key for "
                f"{parts.hostname}: set it, or name another by --api-key-variable"
            )
        # Once: threads that ask for the first time at once could get one each.
        self._loop = _event_loop()
        self._client = openai.AsyncOpenAI(
            api_key=self._key or _NO_KEY,
            base_url=url,
            timeout=options.api_timeout,
            max_retries=0,  # this class retries, and counts
        )
        self.url = str(self._client.base_url)
        self.spending = Spending()
        self._gate = Gate(options.api_requests_per_minute, options.api_tokens_per_minute)
        self._lock = threading.Lock()
        self._largest = 0
        self._random = random.Random()

    def ask(self, request: Mapping[str, Any], stop: threading.Event) -> Answer:
        """Returns the answer to a request; waits for rate limits and between attempts.

        Args:
            request: Fields of a chat completion.
            stop: Ends the waiting when the answer is no longer needed.

        Raises:
            ApiError: If the API rejects the request, or all attempts failed.
        """
        attempts, number = self._options.api_retries + 1, 0
        while True:
            number += 1
            ticket = self._admit(request, stop)
            with self._lock:
                self.spending.requests += 1
                self.spending.retries += number > 1
            try:
                answer = self._send(request)
            except _AttemptError as fault:
                # From None, because its cause holds the request and therefore the key.
                if not fault.temporary:
                    raise ApiError(f"{self.url} rejects the request: {fault}") from None
                if fault.wait is not None and fault.wait > _MAX_RETRY_AFTER:
                    raise ApiError(
                        f"{self.url}: {fault}; it asks to wait {fault.wait:.0f} seconds: try again "
                        "after that"
                    ) from None
                if number == attempts:
                    raise ApiError(
                        f"{self.url} failed {attempts} times, the last time: {fault}"
                    ) from None
                self._wait(number, fault, stop)
            else:
                self._count(answer, ticket)
                return answer

    def _admit(self, request: Mapping[str, Any], stop: threading.Event) -> Ticket:
        """Waits until the rate limits allow a request."""
        estimate = self._largest or _rough_size(request)
        while not isinstance(found := self._gate.enter(estimate), Ticket):
            if stop.wait(found):
                raise ApiError("stopped")
        return found

    def _wait(self, number: int, fault: _AttemptError, stop: threading.Event) -> None:
        """Waits as long as the server asks, else with exponential backoff and jitter.

        A server that asks for too little would use up all retries in no time: its wait is taken at
        its word once, and is the shortest one from then on.
        """
        if fault.wait is not None:
            self._gate.close_for(fault.wait)  # applies to all requests
            if number == 1:
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
            completion = self._complete(request)
        except (TimeoutError, openai.APITimeoutError):
            raise _AttemptError(f"no answer within {self._options.api_timeout:g} seconds") from None
        except openai.APIConnectionError as error:
            raise _AttemptError(
                self._clean(f"the connection broke ({error.__cause__ or error})")
            ) from None
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except (openai.OpenAIError, ValueError) as error:
            raise _AttemptError(self._clean(f"the answer is invalid ({error})")) from None
        return self._read(completion)

    def _complete(self, request: Mapping[str, Any]) -> Any:
        """Returns the response as `openai` parses it.

        The timeout bounds the whole request, while that of `openai` bounds each read: a server that
        sends a little now and then would never reach it.
        """
        call = self._client.chat.completions.create(**request)
        bounded = asyncio.wait_for(call, self._options.api_timeout)
        return asyncio.run_coroutine_threadsafe(bounded, self._loop).result()

    def _refusal(self, error: Any) -> _AttemptError:
        status = error.status_code
        message = self._clean(f"HTTP {status}, {error.message}")
        temporary = (status in _RETRIED or status >= 500) and error.code != "insufficient_quota"
        return _AttemptError(
            message, temporary=temporary, wait=_retry_after(error.response.headers)
        )

    def _read(self, completion: Any) -> Answer:
        """Returns the answer in the response as `openai` parsed it, which may be anything.

        No content is an empty reply: a model may spend all of its tokens on reasoning.
        """
        if told := getattr(completion, "error", None):  # some answer so with status 200
            message = told.get("message", told) if isinstance(told, dict) else told
            raise _AttemptError(self._clean(f"the answer is an error ({message})"))
        try:
            content = _text(completion.choices[0].message.content)
        except (AttributeError, IndexError, KeyError, TypeError):
            content = 0
        if not isinstance(content, str | None):
            raise _AttemptError("the answer is invalid: it is not a chat completion")
        usage = getattr(completion, "usage", None)
        counts = [getattr(usage, f"{name}_tokens", None) for name in ("prompt", "completion")]
        read, written = (count if isinstance(count, int) else None for count in counts)
        return Answer(self._without_key(content or ""), read, written)

    def _clean(self, message: str) -> str:
        """Returns a message without the key, on one line, and shortened."""
        return self._without_key(" ".join(message.split()))[:500]

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


@functools.cache
def _event_loop() -> asyncio.AbstractEventLoop:
    """Returns the event loop that sends all requests, in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="api", daemon=True).start()
    return loop


def _text(content: Any) -> Any:
    """Returns the text of content that is a list of parts; any other unchanged."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part["type"] == "text")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds that a server asks to wait (RFC 9110, 10.2.3, or `retry-after-ms`).

    Only a number above 0 says how long: zero, NaN and a date in the past are `None`.
    """
    try:
        if "retry-after-ms" in headers:
            wait = float(headers["retry-after-ms"]) / 1000
        elif "retry-after" not in headers:
            return None
        elif (value := headers["retry-after"].strip()).replace(".", "", 1).isdigit():
            wait = float(value)
        else:
            wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return None
    return wait if wait > 0 else None


def _rough_size(request: Mapping[str, Any]) -> int:
    """Estimates the tokens of a request and its reply, before any answer has reported them."""
    size = max(int(request.get(name, 0)) for name in ("max_tokens", "max_completion_tokens"))
    for message in request["messages"]:
        for part in message["content"]:
            size += len(part["text"]) // 3 if part["type"] == "text" else 1000
    return size
