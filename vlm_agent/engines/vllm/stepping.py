"""A thread in which vLLM writes replies for all others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, NamedTuple

from vlm_agent.core.errors import EngineError


class _Asked(NamedTuple):
    """Prompts that one caller waits for the answers to."""

    prompts: Sequence[Any]
    params: Sequence[Any]
    tokenization: dict[str, Any]
    answers: list[Future[Any]]


class SteppingThread:
    """Thread in which vLLM takes its steps, with all replies that any thread waits for.

    A reply that is asked for while others are being written joins them at the next step.

    Args:
        vllm: The `vllm.LLM`. While a reply is asked for, only this thread may use it.
    """

    def __init__(self, vllm: Any) -> None:
        self._vllm = vllm
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._open: set[Future[Any]] = set()
        self._ended: str | None = None  # the reason, once it has
        self._thread = Thread(target=self._run, name="vllm-steps", daemon=True)
        self._thread.start()

    def answers(
        self, prompts: Sequence[Any], params: Sequence[Any], **tokenization: Any
    ) -> list[Any]:
        """Waits for the answers to prompts; several threads may call it at the same time.

        Args:
            prompts: The prompts, as `vllm.LLM.enqueue` takes them.
            params: The `SamplingParams` of each.
            tokenization: Options of the tokenizer.

        Raises:
            EngineError: If vLLM fails, or is closed.
        """
        answers: list[Future[Any]] = [Future() for _ in prompts]
        self._open.update(answers)
        self._asked.put(_Asked(prompts, params, tokenization, answers))
        if self._ended is not None:  # perhaps before it saw these
            self._fail(self._ended)
        return [answer.result() for answer in answers]

    def wait(self) -> None:
        """Waits until no reply is being written, also none that nobody waits for any more."""
        wait(list(self._open))

    def close(self) -> None:
        """Ends the thread; who still waits for an answer gets an error."""
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        reason = "it was closed"
        try:
            self._take_steps()
        except Exception as error:
            reason = repr(error)
        self._ended = reason
        self._fail(reason)

    def _take_steps(self) -> None:
        writing: dict[str, Future[Any]] = {}
        while (asked := self._next(wait=not writing)) is not None:
            for prompts, params, tokenization, answers in asked:
                names = self._vllm.enqueue(
                    prompts, params, use_tqdm=False, tokenization_kwargs=tokenization
                )
                # Answers have their names without what makes these unique.
                numbers = [name.partition("-")[0] for name in names]
                writing.update(zip(numbers, answers, strict=True))
            for answer in self._vllm.llm_engine.step():
                if answer.finished:
                    written = writing.pop(answer.request_id)
                    written.set_result(answer)
                    self._open.discard(written)

    def _next(self, *, wait: bool) -> list[_Asked] | None:
        """Returns what was asked for since the last step; `None` ends the thread."""
        found: list[_Asked] = []
        with suppress(Empty):
            while True:
                asked = self._asked.get(block=wait and not found)
                if asked is None:
                    return None
                found.append(asked)
        return found

    def _fail(self, reason: str) -> None:
        with suppress(KeyError):
            while True:
                answer = self._open.pop()
                if not answer.done():
                    answer.set_exception(EngineError(f"vLLM writes no replies any more: {reason}"))
