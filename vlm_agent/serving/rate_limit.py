"""How much may be sent in a minute."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_MINUTE = 60.0


@dataclass
class Ticket:
    """A request that was let through.

    Attributes:
        time: When.
        tokens: How many it takes: estimated at first, and set to what it took when that is known.
    """

    time: float
    tokens: int


class Gate:
    """Lets requests through, no more of them and of their tokens in any minute than is allowed.

    Args:
        requests_per_minute: Most requests; `None` for no limit.
        tokens_per_minute: Most tokens; `None` for no limit. A single request of more is let through
            when nothing else was sent for a minute.
        clock: The time in seconds.
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
        """Lets a request through, or says how many seconds it has to wait before it asks again.

        Args:
            tokens: How many it is likely to take.
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
        """Lets nothing through for some time, as the other side asked."""
        with self._lock:
            self._closed_until = max(self._closed_until, self._clock() + seconds)

    def _free(self, tokens: int) -> float:
        """When there is room for a request, if nothing else is sent until then."""
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
