"""Limits on requests and tokens per minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_MINUTE = 60.0


@dataclass
class Ticket:
    """A request that was admitted.

    Attributes:
        time: Time of admission in seconds.
        tokens: Number of tokens: an estimate, to be replaced when the true number is known.
    """

    time: float
    tokens: int


class Gate:
    """Admits requests within limits on requests and tokens in any minute.

    Args:
        requests_per_minute: Maximum number of requests; `None` for no limit.
        tokens_per_minute: Maximum number of tokens; `None` for no limit. A single request above it
            is admitted if nothing else was sent for a minute.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests_per_minute
        self._tokens = tokens_per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: deque[Ticket] = deque()
        self._closed_until = -float("inf")

    def enter(self, tokens: int) -> Ticket | float:
        """Admits a request, or returns the seconds to wait before asking again.

        Args:
            tokens: Estimated number of tokens.
        """
        with self._lock:
            now = self._clock()
            while self._sent and self._sent[0].time <= now - _MINUTE:
                self._sent.popleft()
            free = max(self._closed_until, self._free(tokens))
            if free > now:
                return free - now
            ticket = Ticket(now, tokens)
            self._sent.append(ticket)
            return ticket

    def close_for(self, seconds: float) -> None:
        """Admits nothing for some time."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)

    def _free(self, tokens: int) -> float:
        """Returns the time at which a request fits, if nothing else is sent until then."""
        sent = self._sent
        free = -float("inf")
        if self._requests is not None and len(sent) >= self._requests:
            free = sent[len(sent) - self._requests].time + _MINUTE
        if self._tokens is not None:
            taken = sum(ticket.tokens for ticket in sent)
            for ticket in sent:
                if taken + tokens <= self._tokens:
                    break
                taken -= ticket.tokens
                free = max(free, ticket.time + _MINUTE)
        return free
