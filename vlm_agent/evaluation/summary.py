"""Statistics of episodes, and the result that they add up to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlm_agent.evaluation.play import Step
from vlm_agent.evaluation.record import Evaluation, TaskTypeResult
from vlm_agent.rollout.diversity import Diversity, thought_of
from vlm_agent.rollout.perception import Perception


@dataclass
class EpisodeResult:
    """Statistics of one episode, summed over its steps.

    Attributes:
        task_type: What kind of task it was, if the environment says so.
        success: Whether it was a success.
        total: Sum of the environment's rewards.
        length: Number of steps.
        illegal: Number of steps whose reply named no action.
        right: Number of state fields that were read out correctly.
        asked: Number of state fields to be read out.
        reads: Whether any was read out.
        thoughts: Its thoughts.
        regret: Sum of regrets; `None` if one of them is unknown.
        tokens: Number of tokens of its replies; `None` without language.
        prompt_tokens: Number of tokens of its prompts; `None` if they are not counted.
        cost: Price of its replies; `None` if it is unknown.
        seconds: Time that the policy took.
    """

    task_type: str | None = None
    success: bool = False
    total: float = 0.0
    length: int = 0
    illegal: int = 0
    right: int = 0
    asked: int = 0
    reads: bool = False
    thoughts: list[str] = field(default_factory=list)
    regret: float | None = 0.0
    tokens: int | None = None
    prompt_tokens: int | None = None
    cost: float | None = None
    seconds: float = 0.0

    def add(self, step: Step) -> None:
        """Adds a step."""
        reply = step.reply
        self.task_type = step.task_type
        self.success = step.is_success
        self.total += step.reward
        self.length += 1
        self.illegal += reply.action is None
        perception = Perception(self.right, self.asked, self.reads)
        perception.add(reply, step.observation)
        self.right, self.asked, self.reads = perception.right, perception.asked, perception.reads
        if (thought := thought_of(reply)) is not None:
            self.thoughts.append(thought)
        known = self.regret is not None and step.regret is not None
        self.regret = self.regret + step.regret if known else None  # type: ignore[operator]
        self.tokens = _plus(self.tokens, reply.token_count)
        if reply.usage is not None:
            self.prompt_tokens = _plus(self.prompt_tokens, reply.usage.prompt_tokens)
            self.cost = _plus(self.cost, reply.usage.cost)
        self.seconds += step.seconds


def summarise(results: Sequence[EpisodeResult], *, timed: bool = True, **about: Any) -> Evaluation:
    """Returns the result of episodes, which does not depend on their order.

    Args:
        results: One per episode.
        timed: Whether the seconds are meaningful.
        about: The other fields of the result: `env`, `policy`, `seed`, `env_kwargs`.
    """
    episodes, steps = len(results), sum(result.length for result in results)
    successes = sum(result.success for result in results)
    diversity = Diversity()
    for result in results:
        for thought in result.thoughts:
            diversity.add_thought(thought)
    # fsum, because the order in which episodes end must not affect the last digits.
    regret = _total(result.regret for result in results)
    tokens = _total((result.tokens for result in results), partial=True)
    prompt_tokens = _total((result.prompt_tokens for result in results), partial=True)
    return Evaluation(
        episodes=episodes,
        success_rate=successes / episodes,
        success_interval=wilson_interval(successes, episodes),
        by_task_type=_by_task_type(results),
        mean_return=math.fsum(result.total for result in results) / episodes,
        mean_length=steps / episodes,
        illegal_rate=sum(result.illegal for result in results) / steps,
        unaided_success_rate=sum(r.success and not r.illegal for r in results) / episodes,
        perception=Perception(
            sum(result.right for result in results),
            sum(result.asked for result in results),
            any(result.reads for result in results),
        ).share,
        distinct_thoughts=diversity.distinct_thoughts,
        distinct_word_pairs=diversity.distinct_pairs,
        regret_per_step=None if regret is None else regret / steps,
        regret_per_episode=None if regret is None else regret / episodes,
        tokens_per_step=None if tokens is None else tokens / steps,
        prompt_tokens_per_step=None if prompt_tokens is None else prompt_tokens / steps,
        cost=_total((result.cost for result in results), partial=True),
        seconds_per_step=math.fsum(r.seconds for r in results) / steps if timed else None,
        **about,
    )


def _by_task_type(results: Sequence[EpisodeResult]) -> dict[str, TaskTypeResult]:
    """Returns the result for each type of task; empty if the environment has none."""
    found: dict[str, list[EpisodeResult]] = {}
    for result in results:
        if result.task_type is not None:
            found.setdefault(result.task_type, []).append(result)
    return {
        kind: TaskTypeResult(
            episodes=len(those),
            success_rate=sum(each.success for each in those) / len(those),
            success_interval=wilson_interval(sum(each.success for each in those), len(those)),
            mean_length=sum(each.length for each in those) / len(those),
        )
        for kind, those in sorted(found.items())
    }


def wilson_interval(
    successes: int, trials: int, z: float = 1.959963984540054
) -> tuple[float, float]:
    """Returns the Wilson score interval of a rate (Wilson 1927), low and high.

    Args:
        successes: Number of successes, from 0 to `trials`.
        trials: Number of trials, at least 1.
        z: Quantile of the normal distribution; by default that of a 95% interval.
    """
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _plus(total: Any, more: Any) -> Any:
    """Adds two numbers, of which either may be unknown."""
    return total if more is None else (total or 0) + more


def _total(values: Iterable[float | None], *, partial: bool = False) -> float | None:
    """Returns the sum; `None` if a value is unknown, or with `partial` only if all are."""
    values = list(values)
    known = [value for value in values if value is not None]
    if not known or (len(known) < len(values) and not partial):
        return None
    return math.fsum(known)
