"""Batches of demonstrations that a thread prepares ahead of the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, Literal, Protocol

from vlm_agent.core.types import Demonstration
from vlm_agent.data.conversation_dataset import Sample

Batch = Sequence[Demonstration | Sample]

Wanted = Literal["pictures", "texts", "openings"]
"""What a batch is made for: "pictures" to look at all of it, "texts" at all but its pictures, and
"openings" at texts of the first steps of episodes alone, which continue nothing."""


class DemonstrationSource(Protocol):
    """Demonstrations in batches, and a state to continue from."""

    def batches(self, wanted: Iterable[Wanted]) -> Iterator[Batch]:
        """Yields a batch for each value, which says what of it will be looked at."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Returns the state after the last batch."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a state."""
        ...


class Prefetcher:
    """Prepares batches of a source in a thread, ahead of their use.

    The batches are those of the source, in its order, and the state that is saved is that after
    the last batch that was used.

    Args:
        source: The source; nothing else may use it while `batches` runs.
        ahead: Number of batches that are prepared and kept ahead; 0 for no thread.

    Attributes:
        waited: Seconds that the last batch was waited for.
    """

    def __init__(self, source: DemonstrationSource, ahead: int) -> None:
        self.waited = 0.0
        self._source = source
        self._ahead = ahead
        self._state: dict[str, Any] | None = None

    def batches(self, wanted: Iterable[Wanted]) -> Generator[Batch, None, None]:
        """Yields the batches of the source; close it (`contextlib.closing`) to end the thread.

        Args:
            wanted: For each batch, what of it will be looked at.

        Raises:
            Exception: Whatever the source raises.
        """
        started = time.perf_counter()
        if self._ahead == 0:
            for batch in self._source.batches(wanted):
                self.waited = time.perf_counter() - started
                yield batch
                started = time.perf_counter()
            return
        self._state = self._source.state_dict()
        worker = _Worker(self._source, wanted, self._ahead)
        try:
            while (prepared := worker.take()) is not None:
                batch, self._state = prepared
                self.waited = time.perf_counter() - started
                yield batch
                started = time.perf_counter()
        finally:
            worker.stop()

    def state_dict(self) -> dict[str, Any]:
        """Returns the source's state after the last batch that was used."""
        return self._source.state_dict() if self._state is None else self._state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, before the first call of `batches`."""
        self._source.load_state_dict(state)


_Prepared = tuple[Batch, dict[str, Any]]


class _Worker:
    """Thread that prepares batches, each with the state of the source after it."""

    def __init__(self, source: DemonstrationSource, wanted: Iterable[Wanted], ahead: int) -> None:
        self._prepared: SimpleQueue[_Prepared | BaseException | None] = SimpleQueue()
        self._room = threading.Semaphore(ahead)
        self._stopped = False
        # A daemon, so that a second Ctrl-C does not wait for it.
        self._thread = threading.Thread(
            target=self._work, args=(source, wanted), name="prefetch", daemon=True
        )
        self._thread.start()

    def take(self) -> _Prepared | None:
        """Returns the next batch, with the state after it; `None` after the last.

        Raises:
            BaseException: What the source raised.
        """
        prepared = self._prepared.get()
        self._room.release()
        if isinstance(prepared, BaseException):
            raise prepared
        return prepared

    def stop(self) -> None:
        """Ends the thread, after the batch that it is at."""
        self._stopped = True
        self._room.release()
        self._thread.join()

    def _work(self, source: DemonstrationSource, wanted: Iterable[Wanted]) -> None:
        try:
            batches = source.batches(wanted)
            while self._may_go_on():
                batch = next(batches, None)
                self._prepared.put(batch if batch is None else (batch, source.state_dict()))
                if batch is None:
                    return
        except BaseException as error:  # raised where the batch is taken
            self._prepared.put(error)

    def _may_go_on(self) -> bool:
        """Waits until there is room for a batch; false if no more are wanted."""
        self._room.acquire()
        return not self._stopped
