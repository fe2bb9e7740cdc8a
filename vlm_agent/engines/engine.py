"""Interface of engines: programs that write the replies of a policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np

from vlm_agent.core.types import Observation, Reply
from vlm_agent.models.generation.replies import Written, read_reply
from vlm_agent.models.policy import VLMPolicy


class EngineError(RuntimeError):
    """An engine cannot do what it is asked for, or does something else."""


class Engine(Protocol):
    """Program that writes the replies of a policy.

    It samples from the policy's own distribution: temperature, top-k, top-p, tokens that are never
    written, and closing tokens are those of the policy. Seeds make replies independent of the rest
    of their batch.

    Attributes:
        is_exact: Whether log-probabilities are those of the policy's own cached forward pass, so
            that float32 needs no scoring of them before an update.
    """

    is_exact: bool

    def write(
        self, observations: Sequence[Observation], draws: Sequence[np.random.Generator] | None
    ) -> list[Written]:
        """Writes one reply to each observation, each sampled with its own random generator.

        Raises:
            EngineError: If a reply does not come, or answers other tokens than the policy's.
        """
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Keeps the engine ready to write, with the weights that the policy has on entering."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """Returns what is logged of the time since the last call."""
        ...

    def close(self) -> None:
        """Frees the memory that it holds."""
        ...


class InProcessEngine:
    """The policy's model itself, in this process."""

    is_exact = True

    def __init__(self, policy: VLMPolicy) -> None:
        self._policy = policy

    def write(
        self, observations: Sequence[Observation], draws: Sequence[np.random.Generator] | None
    ) -> list[Written]:
        """Writes one reply to each observation; see `VLMPolicy.write`."""
        return self._policy.write(observations, draws)

    def writing(self) -> AbstractContextManager[None]:
        """Keeps adapters merged; see `VLMPolicy.writing`."""
        return self._policy.writing()

    def metrics(self) -> Mapping[str, float]:
        """Returns nothing."""
        return {}

    def close(self) -> None:
        """Does nothing: the policy is the caller's."""


class EnginePolicy:
    """Policy whose replies an engine writes.

    The values of replies are 0 where the engine does not compute them.

    Args:
        policy: The policy.
        engine: Writes its replies.
    """

    def __init__(self, policy: VLMPolicy, engine: Engine) -> None:
        self.policy = policy
        self.engine = engine

    @property
    def history_length(self) -> int:
        """Number of earlier steps of the episode that observations should contain."""
        return self.policy.history_length

    def seed(self, seed: int) -> None:
        """Seeds the sampling of replies without generators of their own."""
        self.policy.seed(seed)

    def act(
        self,
        observations: Sequence[Observation],
        draws: Sequence[np.random.Generator] | None = None,
    ) -> list[Reply]:
        """Replies to a batch of observations; see `VLMPolicy.act`."""
        parser = self.policy.generation_config.parser
        written = self.engine.write(observations, draws)
        return [
            read_reply(self.policy.encoder, observation, each, each.value or 0.0, parser)
            for observation, each in zip(observations, written, strict=True)
        ]

    def values(self, observations: Sequence[Observation]) -> list[float]:
        """Returns the value of each observation, by the policy's own model."""
        return self.policy.values(observations)
