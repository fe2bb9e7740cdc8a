"""Policy × environment × seeds -> one record, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.evaluation.play import PolicyLike, Step, play, seeds_of
from vlm_agent.evaluation.progress_log import ProgressLog
from vlm_agent.rollout.diversity import Diversity, thought_of
from vlm_agent.rollout.perception import Perception


@dataclass(frozen=True)
class Evaluation:
    """What a policy reached in an environment; rates are fractions.

    Attributes:
        env: The environment's id.
        policy: The policy's name.
        episodes: How many episodes were played.
        success_rate: The share in which `is_success` held on the last step.
        success_interval: Its 95% Wilson interval, low and high.
        mean_return: Mean sum of the environment's rewards.
        mean_length: Mean number of steps.
        illegal_rate: The share of steps whose reply named no action, so that a random one was
            played.
        perception: The share of state fields, but for those that the prompt tells, that replies
            read out rightly; `None` for a policy that reads out none.
        distinct_thoughts: The share of thoughts that no other equals but once; `None` for a policy
            that does not reason. To be compared between records of as many steps.
        distinct_word_pairs: Distinct pairs of neighbouring words in thoughts by all of them.
        seed: What the episodes' seeds were derived from; `None` where the policy chose episodes of
            its own, as a person's recording may, so that others did not play the same.
        env_kwargs: Keyword arguments of the environment.
        regret_per_step: Mean of how much less than the best action the played one was worth;
            `None` where nobody asked, or the environment does not know in every step.
        regret_per_episode: Mean of its sum over an episode: the return that mistakes gave away.
        tokens_per_step: Mean tokens of a reply; `None` for a policy without language.
        prompt_tokens_per_step: Mean tokens of a prompt, where the policy counts them.
        cost: The price of all replies, where the policy knows it.
        seconds_per_step: Mean time that the policy took for a step, in seconds of the clock divided
            by the steps that it thought about at once; it is not compared by `==`. `None` for a
            recording, which holds no times.
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
    regret_per_step: float | None = None
    regret_per_episode: float | None = None
    tokens_per_step: float | None = None
    prompt_tokens_per_step: float | None = None
    cost: float | None = None
    seconds_per_step: float | None = field(default=None, compare=False)

    def record(self) -> dict[str, Any]:
        """The evaluation as plain values, for JSON."""
        return {**asdict(self), "success_interval": list(self.success_interval)}

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Evaluation:
        """The evaluation of a record."""
        low, high = record["success_interval"]
        return cls(**{**record, "success_interval": (low, high)})


@dataclass
class EpisodeResult:
    """What an evaluation keeps of an episode; sums over its steps.

    Attributes:
        success: Whether it ended well.
        total: The environment's rewards.
        length: Steps.
        illegal: Steps whose reply named no action.
        right: State fields read rightly.
        asked: State fields to be read.
        reads: Whether any was read out.
        thoughts: All of its thoughts.
        regret: What its actions gave away; `None` where it is not known in every step.
        tokens: Of its replies; `None` without language.
        prompt_tokens: Of its prompts; `None` where they are not counted.
        cost: Of its replies; `None` where it is not known.
        seconds: That the policy took.
    """

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
        """Counts a step."""
        reply = step.reply
        self.success = step.is_success
        self.total += step.reward
        self.length += 1
        self.illegal += reply.action is None
        seen = Perception(self.right, self.asked, self.reads)
        seen.add(reply, step.observation)
        self.right, self.asked, self.reads = seen.right, seen.asked, seen.reads
        if (thought := thought_of(reply)) is not None:
            self.thoughts.append(thought)
        known = self.regret is not None and step.regret is not None
        self.regret = self.regret + step.regret if known else None  # type: ignore[operator]
        self.tokens = _plus(self.tokens, reply.token_count)
        if reply.usage is not None:
            self.prompt_tokens = _plus(self.prompt_tokens, reply.usage.prompt_tokens)
            self.cost = _plus(self.cost, reply.usage.cost)
        self.seconds += step.seconds


def evaluate(
    policy: PolicyLike,
    env: str | EnvFactory,
    *,
    episodes: int = 100,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    history_length: int | None = None,
    regret: bool = False,
    on_step: Callable[[Step], None] | None = None,
    progress: str | Path | ProgressLog | None = None,
) -> Evaluation:
    """Plays a fixed quota of episodes; the same call gives the same record, but for the seconds.

    Args:
        policy: "random", "expert", an object whose `act` replies to a batch of observations (or
            `act_in_episodes`, if it remembers earlier ones), or a function of one `Observation`.
            The function returns an index into `observation.actions`, or a reply as a model would
            write it, or `None` for no action.
        env: An id, or a function that makes the environment.
        episodes: How many episodes in all. Each has its own seed, derived from `seed`; none of
            these seeds is used in training.
        seed: Of the episodes, of a policy's sampling and of moves drawn at random.
        num_envs: How many episodes are played side by side. It does not change which are played.
        env_kwargs: Keyword arguments of the environment.
        name: The policy's name in the record.
        history_length: Number of earlier steps that observations hold; by default the policy's
            attribute of this name, or 0.
        regret: Whether to ask the environment what each action is worth, as far as it knows.
        on_step: Called with every step, in the order of play.
        progress: A file that keeps what has been played, so that the same call goes on from there
            after an interruption; it is removed when the evaluation is over. A `ProgressLog` is
            left to its owner.

    Raises:
        ValueError: If there is no episode to play, or the policy is an unknown word.
    """
    name = name or policy_name(policy)
    if isinstance(progress, str | Path):
        about = about_evaluation(
            policy,
            env,
            name=name,
            episodes=episodes,
            seed=seed,
            num_envs=num_envs,
            env_kwargs=env_kwargs,
            history_length=history_length,
            regret=regret,
        )
        journal: ProgressLog | None = ProgressLog(progress, about)
        keeper: Any = closing(journal)
    else:
        journal, keeper = progress, nullcontext()
    with keeper:
        if journal is not None and journal.record is not None:
            return Evaluation.of(journal.record)
        results = [] if journal is None else [EpisodeResult(**r) for r in journal.over.values()]
        playing: dict[int, EpisodeResult] = {}
        seeds = seeds_of(policy, env, env_kwargs or {}, seed, episodes)
        for step in play(
            policy,
            env,
            episodes=episodes,
            seed=seed,
            num_envs=num_envs,
            env_kwargs=env_kwargs,
            history_length=history_length,
            regret=regret,
            journal=journal,
        ):
            result = playing.setdefault(step.episode, EpisodeResult())
            result.add(step)
            if on_step is not None:
                on_step(step)
            if step.last:
                results.append(playing.pop(step.episode))
                if journal is not None:
                    journal.ended(step.episode, asdict(result))
        same = list(seeds) == list(episode_seeds("evaluation", seed, len(seeds)))
        evaluation = summarise(
            results,
            env=env if isinstance(env, str) else getattr(env, "__name__", str(env)),
            policy=name,
            seed=seed if same else None,
            env_kwargs=dict(env_kwargs or {}),
            timed=getattr(policy, "timed", True),
        )
        if journal is not None:
            journal.finished(evaluation.record())
    if isinstance(progress, str | Path):
        Path(progress).unlink()
    return evaluation


def summarise(results: Sequence[EpisodeResult], *, timed: bool = True, **about: Any) -> Evaluation:
    """The record of the episodes that were played, in whatever order.

    Args:
        results: One for each episode.
        timed: Whether the seconds mean anything.
        about: The fields of the record that tell what was played: `env`, `policy`, `seed`,
            `env_kwargs`.
    """
    episodes, steps = len(results), sum(result.length for result in results)
    successes = sum(result.success for result in results)
    diversity = Diversity()
    for result in results:
        for thought in result.thoughts:
            diversity.add_thought(thought)
    # fsum, since the order in which episodes end must not show in the last digits.
    regret = _total(result.regret for result in results)
    tokens = _total((result.tokens for result in results), partly=True)
    prompt_tokens = _total((result.prompt_tokens for result in results), partly=True)
    return Evaluation(
        episodes=episodes,
        success_rate=successes / episodes,
        success_interval=wilson_interval(successes, episodes),
        mean_return=math.fsum(result.total for result in results) / episodes,
        mean_length=steps / episodes,
        illegal_rate=sum(result.illegal for result in results) / steps,
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
        cost=_total((result.cost for result in results), partly=True),
        seconds_per_step=math.fsum(r.seconds for r in results) / steps if timed else None,
        **about,
    )


def about_evaluation(
    policy: Any,
    env: str | EnvFactory,
    *,
    name: str,
    episodes: int,
    seed: int,
    num_envs: int,
    env_kwargs: Mapping[str, Any] | None,
    history_length: int | None,
    regret: bool,
    identity: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that an evaluation's record depends on, as plain values, for a `ProgressLog`.

    Args:
        policy: Who plays; how it replies is told by its attribute `settings`, if it has one.
        env: As for `evaluate`, like what follows.
        name: The policy's.
        episodes: As for `evaluate`.
        seed: As for `evaluate`.
        num_envs: As for `evaluate`.
        env_kwargs: As for `evaluate`.
        history_length: As for `evaluate`.
        regret: As for `evaluate`.
        identity: What else tells this policy from others of the name, such as a fingerprint of its
            files.
    """
    settings = getattr(policy, "generation_config", None)
    return {
        "policy": name,
        "generation_config": vars(settings) if hasattr(settings, "__dict__") else None,
        "identity": dict(identity or {}),
        "env": env if isinstance(env, str) else getattr(env, "__name__", str(env)),
        "env_kwargs": dict(env_kwargs or {}),
        "episodes": episodes,
        "seed": seed,
        "num_envs": num_envs,
        "history_length": history_length,
        "regret": regret,
    }


def wilson_interval(
    successes: int, trials: int, z: float = 1.959963984540054
) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927); 95% by default."""
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def policy_name(policy: PolicyLike) -> str:
    """The name of a policy that was given none."""
    if isinstance(policy, str):
        return policy
    return getattr(policy, "__name__", None) or type(policy).__name__


def _plus(total: Any, more: Any) -> Any:
    """A sum in which `None` stands for nothing known."""
    return total if more is None else (total or 0) + more


def _total(values: Iterable[float | None], *, partly: bool = False) -> float | None:
    """The sum; `None` if one is missing, or with `partly` only if all are."""
    known = list(values)
    found = [value for value in known if value is not None]
    if not found or (len(found) < len(known) and not partly):
        return None
    return math.fsum(found)
