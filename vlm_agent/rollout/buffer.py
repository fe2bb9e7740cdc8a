"""Rollouts: the steps that a policy played, in the form that every collector returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.types import Demonstration, Observation, Reply
from vlm_agent.rollout.episode_runner import Transition
from vlm_agent.rollout.metrics import RolloutMetrics

Floats = NDArray[np.float64]


@dataclass
class EpisodeSegment:
    """Consecutive steps of one episode in a rollout.

    Attributes:
        env_id: Index that distinguishes episodes played at the same time.
        steps: Indices of its steps in the rollout.
        done: Whether its last step ended the episode.
        is_success: Whether the episode ended as a success.
        bootstrap_value: Value of what follows the last step: 0 after a terminal state, else the
            value of the next observation.
        group: Number of the group of episodes that it is compared with, if any.
        seed: Random seed that its episode was reset with, if the collector chose it.
    """

    env_id: int
    steps: list[int] = field(default_factory=list)
    done: bool = False
    is_success: bool = False
    bootstrap_value: float = 0.0
    group: int | None = None
    seed: int | None = None


@dataclass
class Rollout:
    """Steps of one or several environments, and the segments of episodes that they make up.

    Lists and arrays have one entry per step.

    Attributes:
        observations: The observation that each reply answers.
        replies: The policy's replies, with the log-probabilities they were sampled with.
        actions: Indices of the actions that were played.
        rewards: The environment's rewards, float64 of shape (steps,).
        penalties: Penalties for replies without a legal action, float64 of shape (steps,).
        values: The policy's value estimates of the observations, float64 of shape (steps,).
        segments: Parts of episodes, in the order in which they began.
        following: The observation after each segment that did not end in a terminal state, until
            `bootstrap` has estimated its value.
        trained_log_probs: Log-probabilities of each reply's tokens under the trainer's own model,
            if another program has written the replies.
        corrections: The expert's reply to each observation, if the collector was to ask for it.
        metrics: Metrics of the rollout.
        seconds: Duration of the rollout.
        sources: Number of each step's environment among the different ones of a run.
    """

    observations: list[Observation]
    replies: list[Reply]
    actions: list[int]
    rewards: Floats
    penalties: Floats
    values: Floats
    segments: list[EpisodeSegment]
    following: list[tuple[EpisodeSegment, Observation]] = field(default_factory=list)
    trained_log_probs: list[list[float]] | None = None
    corrections: list[Demonstration] = field(default_factory=list)
    metrics: RolloutMetrics = field(default_factory=RolloutMetrics)
    seconds: float = 0.0
    sources: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.replies)

    @property
    def training_rewards(self) -> Floats:
        """Rewards minus penalties, which learning uses; shape (steps,)."""
        return self.rewards - self.penalties

    def bootstrap(
        self, values: Callable[[Sequence[Observation]], Sequence[float]], batch_size: int
    ) -> None:
        """Sets the bootstrap values of segments that did not end in a terminal state.

        Args:
            values: Estimates the values of observations.
            batch_size: Number of observations that it gets at once.
        """
        for start in range(0, len(self.following), batch_size):
            part = self.following[start : start + batch_size]
            found = values([observation for _, observation in part])
            for (segment, _), value in zip(part, found, strict=True):
                segment.bootstrap_value = value
        self.following = []

    def logged_metrics(self) -> dict[str, float | None]:
        """Returns the metrics under the keys that they are logged by."""
        return self.metrics.logged(self.seconds)

    def strata(self) -> list[int]:
        """Returns the group of each step, or without groups its environment."""
        owners = np.empty(len(self), dtype=int)
        for segment in self.segments:
            owners[segment.steps] = segment.env_id if segment.group is None else segment.group
        return [int(owner) for owner in owners]

    @classmethod
    def of(
        cls,
        transitions: Sequence[Transition],
        segments: Sequence[EpisodeSegment],
        illegal_penalty: float | Sequence[float],
        **more: Any,
    ) -> Rollout:
        """Returns a rollout made of transitions.

        Args:
            transitions: All steps.
            segments: Segments, whose `steps` are indices of transitions.
            illegal_penalty: Penalty of a reply that names no legal action; or one for each of the
                environments that transitions are of.
            more: Other attributes of the rollout.
        """
        illegal = np.array([each.reply.action is None for each in transitions])
        sources = [each.source for each in transitions]
        penalty = np.asarray(illegal_penalty, dtype=float)
        return cls(
            observations=[each.observation for each in transitions],
            replies=[each.reply for each in transitions],
            actions=[each.action for each in transitions],
            rewards=np.array([each.reward for each in transitions], dtype=float),
            penalties=(penalty[sources] if penalty.ndim else penalty) * illegal,
            values=np.array([each.reply.value for each in transitions], dtype=float),
            segments=list(segments),
            sources=sources,
            **more,
        )
