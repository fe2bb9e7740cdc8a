"""Collecting in environments none of which waits for another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import perf_counter
from typing import Protocol

import numpy as np

from vlm_agent.core.types import Observation, Reply
from vlm_agent.rollout.buffer import Rollout
from vlm_agent.rollout.collector import Collector, PlayedStep


class AnsweringPolicy(Protocol):
    """Interface that an asynchronous collector needs of a policy; `VLMPolicy` has it."""

    def reply(self, observation: Observation, rng: np.random.Generator) -> Reply:
        """Replies to one observation; several threads call it at the same time."""
        ...


class AsyncCollector(Collector):
    """Plays each environment in a thread that goes on as soon as it has its own reply.

    An environment whose reply is short does not wait for one whose reply is long. Rollouts are
    those of `Collector`, whatever is ready first, as far as a reply depends on its observation and
    its random generator alone. The bootstrap values are left to the trainer, so that nothing but
    replies is asked of the policy.
    """

    def collect(self, policy: AnsweringPolicy, steps: int) -> Rollout:  # type: ignore[override]
        """Plays a number of steps in every environment; see `Collector.collect`."""
        started = perf_counter()
        stopped = Event()

        def play(index: int) -> list[PlayedStep]:
            played: list[PlayedStep] = []
            try:
                while len(played) < steps and not stopped.is_set():
                    observation = self._runners[index].observation
                    reply = policy.reply(observation, self._rngs[index])
                    played.append(self._play(index, reply))
            except BaseException:
                stopped.set()
                raise
            return played

        count = len(self._runners)
        with ThreadPoolExecutor(count, thread_name_prefix="environment") as threads:
            try:
                lanes = list(threads.map(play, range(count)))
            finally:
                stopped.set()  # after an interrupt no environment plays on
        rollout = self._rollout(list(zip(*lanes, strict=True)))
        rollout.seconds = perf_counter() - started
        return rollout
