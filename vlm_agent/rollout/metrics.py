"""Metrics of a rollout, counted step by step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter

from vlm_agent.rollout.diversity import Diversity
from vlm_agent.rollout.episode_runner import Transition
from vlm_agent.rollout.perception import Perception


class RolloutMetrics:
    """Metrics of the steps and episodes of a rollout."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._perception = Perception()
        self._diversity = Diversity()
        self._return = 0.0
        self._surprise = 0.0
        self._environment_seconds = 0.0
        self._by_source: defaultdict[int, _Outcomes] = defaultdict(_Outcomes)

    @property
    def steps(self) -> int:
        """Number of steps counted."""
        return self._counts["steps"]

    def add(self, transition: Transition, environment_seconds: float = 0.0) -> None:
        """Counts a step, and its episode if the step ended it.

        Args:
            transition: The step.
            environment_seconds: Time that it took in the environment, unless `in_environment`
                has measured it.
        """
        self._environment_seconds += environment_seconds
        reply = transition.reply
        self._perception.add(reply, transition.observation)
        self._diversity.add(reply)
        self._surprise -= sum(reply.log_probs)
        self._counts.update(
            steps=1,
            illegal=reply.action is None,
            tokens=len(reply.tokens),
            thought_tokens=reply.action_token,
        )
        self._by_source[transition.source].add(transition)
        if transition.done:
            self._counts.update(
                episodes=1, successes=transition.is_success, length=transition.episode_length
            )
            self._return += transition.episode_return

    @contextmanager
    def in_environment(self) -> Iterator[None]:
        """Measures the time that the block spends in environments."""
        started = perf_counter()
        yield
        self._environment_seconds += perf_counter() - started

    def merge(self, other: RolloutMetrics) -> None:
        """Adds the counts of another instance."""
        self._counts.update(other._counts)
        self._perception.merge(other._perception)
        self._diversity.merge(other._diversity)
        self._return += other._return
        self._surprise += other._surprise
        self._environment_seconds += other._environment_seconds
        for source, outcomes in other._by_source.items():
            self._by_source[source].merge(outcomes)

    def logged(self, seconds: float, labels: Sequence[str] = ()) -> dict[str, float | None]:
        """Returns the metrics under the keys that they are logged by.

        Args:
            seconds: Duration of the rollout.
            labels: Names of the different environments, if there are several.
        """
        count = self._counts
        episodes, steps = count["episodes"], count["steps"]
        return {
            "rollout/episodes": episodes,
            "rollout/success_rate": _mean(count["successes"], episodes),
            "rollout/mean_return": _mean(self._return, episodes),
            "rollout/mean_length": _mean(count["length"], episodes),
            "rollout/illegal_rate": _mean(count["illegal"], steps),
            "rollout/perception": self._perception.share,
            "rollout/reply_tokens": _mean(count["tokens"], steps),
            "rollout/thought_tokens": _mean(count["thought_tokens"], steps),
            "rollout/distinct_thoughts": self._diversity.distinct_thoughts,
            "rollout/distinct_word_pairs": self._diversity.distinct_pairs,
            "rollout/entropy": _mean(self._surprise, count["tokens"]),
            "time/rollout_steps_per_second": _mean(steps, seconds),
            "time/tokens_per_second": _mean(count["tokens"], seconds),
            "time/environment_steps_per_second": _mean(steps, self._environment_seconds),
            **{
                f"rollout/{label}/{name}": value
                for source, label in enumerate(labels)
                for name, value in self._by_source[source].logged().items()
            },
        }


class _Outcomes:
    """Counts of the steps and episodes in one of several environments."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._perception = Perception()
        self._return = 0.0

    def add(self, transition: Transition) -> None:
        self._perception.add(transition.reply, transition.observation)
        self._counts.update(steps=1, illegal=transition.reply.action is None)
        if transition.done:
            self._counts.update(
                episodes=1, successes=transition.is_success, length=transition.episode_length
            )
            self._return += transition.episode_return

    def merge(self, other: _Outcomes) -> None:
        self._counts.update(other._counts)
        self._perception.merge(other._perception)
        self._return += other._return

    def logged(self) -> dict[str, float | None]:
        count = self._counts
        episodes = count["episodes"]
        return {
            "steps": count["steps"],
            "episodes": episodes,
            "success_rate": _mean(count["successes"], episodes),
            "mean_return": _mean(self._return, episodes),
            "mean_length": _mean(count["length"], episodes),
            "illegal_rate": _mean(count["illegal"], count["steps"]),
            "perception": self._perception.share,
        }


def merged_metrics(
    parts: Sequence[tuple[RolloutMetrics, float]], labels: Sequence[str] = ()
) -> dict[str, float | None]:
    """Returns the metrics of rollouts that several processes collected in parallel.

    Args:
        parts: Metrics of each process, and the duration of its rollout in seconds.
        labels: Names of the different environments, if there are several.
    """
    every = RolloutMetrics()
    for part, _ in parts:
        every.merge(part)
    return every.logged(max(seconds for _, seconds in parts), labels)


def _mean(total: float, number: float) -> float | None:
    return total / number if number else None
