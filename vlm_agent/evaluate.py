"""Policy × environment × seeds -> one record, with an interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np

from vlm_agent.demonstrations import expert_move
from vlm_agent.diversity import Diversity
from vlm_agent.parsing import parse, same_value, state_fields
from vlm_agent.prompts import build_reply
from vlm_agent.task import (
    EnvFactory,
    Observation,
    Reply,
    env_action,
    episode_seeds,
    make_env,
    observe,
    succeeded,
    task_of,
)


@runtime_checkable
class BatchPolicy(Protocol):
    """Anything that replies to a batch of observations, such as `VLMPolicy`."""

    def act(self, observations: Sequence[Observation]) -> Sequence[Reply]:
        """One reply to each observation."""
        ...


@runtime_checkable
class EpisodePolicy(Protocol):
    """A policy that is told which episode each observation is of, as one with a memory must be."""

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> Sequence[Reply]:
        """One reply to each observation; episodes are told apart by their numbers."""
        ...


PolicyLike = str | BatchPolicy | EpisodePolicy | Callable[[Observation], "int | str | None"]
# Of the observations, their environments and the numbers of their episodes.
_Player = Callable[
    [Sequence[Observation], Sequence["gym.Env[Any, Any]"], Sequence[int]], Sequence[Reply]
]


@dataclass(frozen=True)
class Step:
    """One step of an evaluation: what was seen, replied, played, and what came of it."""

    episode: int
    index: int
    observation: Observation
    reply: Reply
    action: int
    reward: float
    last: bool
    is_success: bool


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

    def record(self) -> dict[str, Any]:
        """The evaluation as plain values, for JSON."""
        return {**asdict(self), "success_interval": list(self.success_interval)}


class Perception:
    """Counts how many state fields replies read out rightly.

    Fields that the prompt tells do not count. A field that a reply leaves out is read wrongly,
    but for a policy that never reads out any, as one without chain of thought.
    """

    def __init__(self) -> None:
        self._right = self._asked = 0
        self._reads = False

    def add(self, reply: Reply, observation: Observation) -> None:
        """Counts the fields of one reply."""
        asked = [name for name in observation.state if name not in observation.given]
        read = state_fields(reply.text)
        self._reads = self._reads or any(name in read for name in asked)
        self._asked += len(asked)
        self._right += sum(
            same_value(read[name], observation.state[name]) for name in asked if name in read
        )

    @property
    def share(self) -> float | None:
        """The share read rightly, or `None` where nothing is read out."""
        return self._right / self._asked if self._reads else None


def evaluate(
    policy: PolicyLike,
    env: str | EnvFactory,
    *,
    episodes: int = 100,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
    memory: int | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Evaluation:
    """Plays a fixed quota of episodes in every environment; the same call gives the same record.

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
        memory: How many steps of the episode observations remember; by default as many as the
            policy says by an attribute of this name, or none.
        on_step: Called with every step, in the order of play.

    Raises:
        ValueError: If there is no episode to play, or the policy is an unknown word.
    """
    ends: list[tuple[bool, float, int]] = []
    returns: dict[int, float] = {}
    perception, diversity = Perception(), Diversity()
    steps = illegal = 0
    for step in play(
        policy,
        env,
        episodes=episodes,
        seed=seed,
        num_envs=num_envs,
        env_kwargs=env_kwargs,
        memory=memory,
    ):
        steps += 1
        illegal += step.reply.action is None
        perception.add(step.reply, step.observation)
        diversity.add(step.reply)
        returns[step.episode] = returns.get(step.episode, 0.0) + step.reward
        if step.last:
            ends.append((step.is_success, returns.pop(step.episode), step.index + 1))
        if on_step is not None:
            on_step(step)
    successes = sum(success for success, _, _ in ends)
    return Evaluation(
        env=env if isinstance(env, str) else getattr(env, "__name__", str(env)),
        policy=name or _name(policy),
        episodes=episodes,
        success_rate=successes / episodes,
        success_interval=wilson_interval(successes, episodes),
        # fsum, since the order in which episodes end must not show in the last digits.
        mean_return=math.fsum(total for _, total, _ in ends) / episodes,
        mean_length=sum(length for _, _, length in ends) / episodes,
        illegal_rate=illegal / steps,
        perception=perception.share,
        distinct_thoughts=diversity.distinct_thoughts,
        distinct_word_pairs=diversity.distinct_pairs,
    )


def play(
    policy: PolicyLike,
    env: str | EnvFactory,
    *,
    episodes: int,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    memory: int | None = None,
) -> Iterator[Step]:
    """Plays episodes side by side and gives every step; arguments as for `evaluate`.

    Environment i plays the episodes i, i + num_envs, …, so that short episodes are not preferred.
    """
    if episodes < 1 or num_envs < 1:
        raise ValueError(f"episodes={episodes}, num_envs={num_envs}: expected at least 1 of each")
    player = _player(policy, np.random.default_rng(seed))
    if callable(getattr(policy, "seed", None)):
        policy.seed(seed)  # type: ignore[union-attr]
    if memory is None:
        memory = int(getattr(policy, "memory", 0))
    seeds = episode_seeds("evaluation", seed, episodes)
    envs = [make_env(env, **(env_kwargs or {})) for _ in range(min(num_envs, episodes))]
    try:
        yield from _play(player, envs, seeds, memory)
    finally:
        for one in envs:
            one.close()


def _play(
    player: _Player, envs: list[gym.Env[Any, Any]], seeds: Sequence[int], memory: int
) -> Iterator[Step]:
    task = task_of(envs[0])
    episode = list(range(len(envs)))
    index = [0] * len(envs)
    now = [observe(task, *env.reset(seed=seeds[i])) for i, env in enumerate(envs)]
    rngs = [_fallback_rng(seeds[i]) for i in range(len(envs))]
    active = list(range(len(envs)))
    while active:
        replies = player(
            [now[i] for i in active], [envs[i] for i in active], [episode[i] for i in active]
        )
        for i, reply in zip(list(active), replies, strict=True):
            observation = now[i]
            action = legal_action(reply, observation, rngs[i])
            picture, reward, terminated, truncated, info = envs[i].step(
                env_action(observation, action)
            )
            last = terminated or truncated
            yield Step(
                episode[i],
                index[i],
                observation,
                reply,
                action,
                float(reward),
                last,
                succeeded(info),
            )
            index[i] += 1
            history = observation.remember(action, memory)
            if last:
                episode[i] += len(envs)
                index[i] = 0
                if episode[i] >= len(seeds):
                    active.remove(i)
                    continue
                (picture, info), history = envs[i].reset(seed=seeds[episode[i]]), ()
                rngs[i] = _fallback_rng(seeds[episode[i]])
            now[i] = observe(task, picture, info, history)


def _fallback_rng(episode_seed: int) -> np.random.Generator:
    """Draws an episode's moves where a reply names none.

    The second word keeps it apart from the environment's own generator, which the episode's seed
    starts too: else the "random" moves would follow from what was dealt.
    """
    return np.random.default_rng([episode_seed, 1])


def legal_action(reply: Reply, observation: Observation, rng: np.random.Generator) -> int:
    """The action that a reply names; where it names none, a uniformly random legal one."""
    if reply.action is not None:
        return reply.action
    return int(rng.integers(len(observation.actions)))


def wilson_interval(
    successes: int, trials: int, z: float = 1.959963984540054
) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson 1927); 95% by default."""
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def _player(policy: PolicyLike, rng: np.random.Generator) -> _Player:
    if policy == "random":
        return lambda observations, *_: [
            Reply("", int(rng.integers(len(observation.actions)))) for observation in observations
        ]
    if policy == "expert":
        return lambda observations, envs, _: [
            _expert_reply(observation, env)
            for observation, env in zip(observations, envs, strict=True)
        ]
    if isinstance(policy, str):
        raise ValueError(
            f"unknown policy {policy!r}: expected 'random', 'expert', or an object such as "
            "VLMPolicy.load(directory)"
        )
    if isinstance(policy, BatchPolicy):
        return lambda observations, *_: policy.act(observations)
    if isinstance(policy, EpisodePolicy):
        return lambda observations, _, episodes: policy.act_in_episodes(observations, episodes)
    return lambda observations, *_: [
        _as_reply(policy(observation), observation) for observation in observations
    ]


def _expert_reply(observation: Observation, env: gym.Env[Any, Any]) -> Reply:
    action, reason = expert_move(env, observation)
    return Reply(build_reply(observation, action, reason), action)


def _as_reply(answer: int | str | None, observation: Observation) -> Reply:
    if isinstance(answer, str):
        return Reply(answer, parse(answer, observation.actions).action)
    if answer is not None and not 0 <= answer < len(observation.actions):
        raise ValueError(
            f"the policy played action {answer}: expected an index from 0 to "
            f"{len(observation.actions) - 1} into {observation.actions}"
        )
    return Reply("", None if answer is None else int(answer))


def _name(policy: PolicyLike) -> str:
    if isinstance(policy, str):
        return policy
    return getattr(policy, "__name__", None) or type(policy).__name__
