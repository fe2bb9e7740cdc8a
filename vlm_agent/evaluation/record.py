"""Result of a policy in an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class TaskTypeResult:
    """Result in the episodes with one type of task.

    Attributes:
        episodes: Number of episodes.
        success_rate: Share of them that were a success, from 0 to 1.
        success_interval: Its 95% Wilson interval, low and high.
        mean_length: Mean number of steps per episode.
    """

    episodes: int
    success_rate: float
    success_interval: tuple[float, float]
    mean_length: float


@dataclass(frozen=True)
class Evaluation:
    """Result of a policy in an environment; rates are fractions from 0 to 1.

    Attributes:
        env: Id of the environment.
        policy: Name of the policy.
        episodes: Number of episodes.
        success_rate: Share of episodes whose last step has `is_success`.
        success_interval: Its 95% Wilson interval, low and high.
        mean_return: Mean sum of the environment's rewards per episode.
        mean_length: Mean number of steps per episode.
        illegal_rate: Share of steps whose reply names no action, so that a random one is played.
        perception: Share of state fields that replies read out correctly, not counting those that
            the prompt gives; `None` for a policy that never reads out any.
        distinct_thoughts: Number of distinct thoughts divided by the number of thoughts; `None`
            for a policy that does not reason. Compare it only between records with similar
            numbers of steps.
        distinct_word_pairs: Number of distinct pairs of neighbouring words in thoughts, divided by
            the number of pairs (distinct-2).
        seed: Random seed from which those of the episodes are derived; `None` if the policy chose
            its own episodes, as a recording may, so that other policies did not play the same.
        env_kwargs: Keyword arguments of the environment.
        by_task_type: Result for each type of task, if the environment tells types in
            `info["task_type"]`.
        unaided_success_rate: Share of episodes that succeed without any random action in place of
            one that a reply names. What such actions contribute to the success rate is at most the
            difference. `None` in records that lack it.
        regret_per_step: Mean difference in value between the best action and the one played;
            `None` if it was not measured, or the environment does not know it in every step.
        regret_per_episode: Mean sum of these differences over an episode.
        tokens_per_step: Mean number of tokens per reply; `None` for a policy without language.
        prompt_tokens_per_step: Mean number of tokens per prompt, if the policy counts them.
        cost: Price of all replies, if the policy knows it.
        seconds_per_step: Mean wall-clock time of the policy per step, divided by the size of the
            batch; ignored by `==`. `None` for a recording, which holds no times.
    """

    env: str
    policy: str
    episodes: int
    success_rate: float
    success_interval: tuple[float, float]
    mean_return: float
    mean_length: float
    illegal_rate: float
    perception: float | None
    distinct_thoughts: float | None
    distinct_word_pairs: float | None
    seed: int | None = None
    env_kwargs: Mapping[str, Any] = field(default_factory=dict)
    by_task_type: Mapping[str, TaskTypeResult] = field(default_factory=dict)
    unaided_success_rate: float | None = None
    regret_per_step: float | None = None
    regret_per_episode: float | None = None
    tokens_per_step: float | None = None
    prompt_tokens_per_step: float | None = None
    cost: float | None = None
    seconds_per_step: float | None = field(default=None, compare=False)

    def record(self) -> dict[str, Any]:
        """Returns the result as plain values, for JSON."""
        found = {**asdict(self), "success_interval": list(self.success_interval)}
        for result in found["by_task_type"].values():
            result["success_interval"] = list(result["success_interval"])
        return found

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Evaluation:
        """Returns the result that `record` described."""
        by_task_type = {
            kind: TaskTypeResult(**{**each, "success_interval": tuple(each["success_interval"])})
            for kind, each in record.get("by_task_type", {}).items()
        }
        low, high = record["success_interval"]
        return cls(**{**record, "success_interval": (low, high), "by_task_type": by_task_type})
