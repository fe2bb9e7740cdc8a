"""What a policy played, step by step: the one form in which every collector hands it on."""

from __future__ import annotations

from collections.abc import Sequence
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
        env_id: Number that tells the episode from those that are played at the same time.
        steps: Indices of its steps in the rollout.
        done: Whether its last step ended the episode.
        is_success: Whether the episode ended as a success.
        bootstrap_value: Value of what came after its last step: 0 after a terminal state, else that
            of the observation which follows.
        group: Number of the group of episodes that it is compared in, if any.
        seed: Random seed that its episode was reset with, where the collector chose it.
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

    Lists and arrays have one entry a step. The penalty for an illegal reply is kept next to the
    environment's reward.

    Attributes:
        observations: What each reply answered: its own picture and prompt.
        replies: What the policy wrote, with the log-probabilities it was sampled with.
        actions: Indices of the actions that were played.
        rewards: The environment's rewards.
        penalties: What learning subtracts from them for replies without a legal action.
        values: The policy's value estimates of the observations.
        segments: Parts of episodes, in the order in which they began.
        corrections: What an expert would have replied to each step, if asked for.
        metrics: What the rollout showed.
        seconds: How long it took.
    """

    observations: list[Observation]
    replies: list[Reply]
    actions: list[int]
    rewards: Floats
    penalties: Floats
    values: Floats
    segments: list[EpisodeSegment]
    corrections: list[Demonstration] = field(default_factory=list)
    metrics: RolloutMetrics = field(default_factory=RolloutMetrics)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.replies)

    @property
    def training_rewards(self) -> Floats:
        """What is learned from: rewards minus penalties, shape (steps,)."""
        return self.rewards - self.penalties

    def logged_metrics(self) -> dict[str, float | None]:
        """Returns what the rollout showed, under the keys that it is logged by."""
        return self.metrics.logged(self.seconds)

    def strata(self) -> list[int]:
        """Returns what each step belongs to: its group, or else its environment."""
        owners = np.empty(len(self), dtype=int)
        for segment in self.segments:
            owners[segment.steps] = segment.env_id if segment.group is None else segment.group
        return [int(owner) for owner in owners]

    @classmethod
    def of(
        cls,
        transitions: Sequence[Transition],
        segments: Sequence[EpisodeSegment],
        illegal_penalty: float,
        **more: Any,
    ) -> Rollout:
        """Returns the rollout that transitions make up.

        Args:
            transitions: All steps.
            segments: Whose `steps` are indices of transitions.
            illegal_penalty: Penalty of a reply that names no legal action.
            more: Further attributes of the rollout.
        """
        illegal = np.array([each.reply.action is None for each in transitions])
        return cls(
            observations=[each.observation for each in transitions],
            replies=[each.reply for each in transitions],
            actions=[each.action for each in transitions],
            rewards=np.array([each.reward for each in transitions], dtype=float),
            penalties=illegal_penalty * illegal,
            values=np.array([each.reply.value for each in transitions], dtype=float),
            segments=list(segments),
            **more,
        )
