"""The rollouts of a training: each before its update, or while the policy learns from the last."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from typing import Any

from vlm_agent.rollout.buffer import Rollout
from vlm_agent.rollout.collector import Collector
from vlm_agent.rollout.groups import GroupCollector
from vlm_agent.training.ppo import PPO


class Rollouts:
    """Rollouts, one for each update.

    With `async_updates` of 1 a thread writes the next rollout, with the weights of before the
    update, while the policy learns. Such a rollout gets its values, and the log-probabilities that
    its ratios start from, when the update is over; importance weights correct for the update that
    the writer has missed.

    Args:
        ppo: Who learns from them.
        collector: Plays them.
    """

    def __init__(self, ppo: PPO, collector: Collector | GroupCollector) -> None:
        self._ppo = ppo
        self._collector = collector
        self._is_ahead = ppo.config.async_updates > 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rollout")
        self._writing = ExitStack()
        self._next: Future[Rollout] | None = None
        self._state_before: Mapping[str, Any] = {}

    def next(self, *, more: bool) -> Rollout:
        """Returns the next rollout.

        Args:
            more: Whether another one will be asked for.
        """
        if not self._is_ahead:
            return self._ppo.collect(self._collector)
        behind = 1
        if self._next is None:
            behind = 0
            self._next = self._begin()
        rollout = self._next.result()
        self._writing.close()
        self._next = self._begin() if more else None
        return self._ppo.complete(rollout, updates_behind=behind)

    def _begin(self) -> Future[Rollout]:
        """Gives the writer the present weights, and has it write the next rollout."""
        self._state_before = copy.deepcopy(self._collector.state_dict())
        self._writing.enter_context(self._ppo.writing())
        return self._thread.submit(self._ppo.write, self._collector)

    def wait(self) -> None:
        """Waits until the rollout that is being written, if there is one, is written."""
        if self._next is not None:
            wait([self._next])

    def state_dict(self) -> Mapping[str, Any]:
        """Returns the collector's state after the last rollout that `next` has returned.

        What is being written is not part of it: after `load_state_dict` it is written again, with
        the weights of then.
        """
        return self._collector.state_dict() if self._next is None else self._state_before

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken."""
        self._collector.load_state_dict(state)

    def close(self) -> None:
        """Gives up what is being written, and the policy's engine with it."""
        if self._next is not None:
            self._ppo.policy.close()  # whoever waits for a reply gets an error
            wait([self._next])
            self._writing.close()
            self._next = None
        self._thread.shutdown()
