"""Episodes played side by side by any kind of policy, step by step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.expert import expert_move
from vlm_agent.core.parsing import read_reply
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import legal_action
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation, Reply
from vlm_agent.evaluation.progress_log import ProgressLog
from vlm_agent.evaluation.regret import regret_of
from vlm_agent.rollout.episode_runner import EpisodeRunner


@runtime_checkable
class BatchPolicy(Protocol):
    """Anything that replies to a batch of observations, such as `VLMPolicy`.

    If `act` takes `draws` too, as that of `VLMPolicy` does, it is given a random generator for each
    observation, made of nothing but the episode's seed and the step's number.
    """

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


@runtime_checkable
class OwnEpisodes(Protocol):
    """A policy that plays episodes of its own choice, as a person's recording does."""

    def choose_seeds(
        self, env: str | EnvFactory, env_kwargs: Mapping[str, Any], seed: int, episodes: int
    ) -> Sequence[int]:
        """The seeds of the episodes that it plays; at most as many as are asked for."""
        ...


PolicyLike = str | BatchPolicy | EpisodePolicy | Callable[[Observation], "int | str | None"]


@dataclass(frozen=True)
class Step:
    """One step of an evaluation: what was seen, replied, played, and what came of it.

    Attributes:
        episode: Number of the episode.
        index: Number of the step in it.
        observation: What the policy was given.
        reply: What it replied.
        action: Index into the observation's actions of the action that was played.
        reward: The environment's.
        last: Whether it ended the episode.
        is_success: Whether the episode is a success so far.
        seed: What the episode was reset with.
        regret: How much less than the best action this one was worth; `None` where nobody asked,
            or the environment does not know.
        seconds: How long the policy took, divided by the steps that it thought about at once.
    """

    episode: int
    index: int
    observation: Observation
    reply: Reply
    action: int
    reward: float
    last: bool
    is_success: bool
    seed: int = 0
    regret: float | None = None
    seconds: float = 0.0


def play(
    policy: PolicyLike,
    env: str | EnvFactory,
    *,
    episodes: int,
    seed: int = 0,
    num_envs: int = 16,
    env_kwargs: Mapping[str, Any] | None = None,
    history_length: int | None = None,
    regret: bool = False,
    journal: ProgressLog | None = None,
) -> Iterator[Step]:
    """Plays episodes side by side and gives every step; arguments as for `evaluate`.

    Environment i plays the episodes i, i + num_envs, …, so that short episodes are not preferred.

    Args:
        policy: Who plays.
        env: An id, or a function that makes the environment.
        episodes: How many episodes in all.
        seed: Of the episodes, of a policy's sampling and of moves drawn at random.
        num_envs: How many episodes are played side by side.
        env_kwargs: Keyword arguments of the environment.
        history_length: Number of earlier steps that observations hold; by default the policy's.
        regret: Whether to ask the environment what each action is worth.
        journal: What an interrupted play has left. Episodes that are over are not played again;
            in those that had begun, the replies that were given are given again, unless the policy
            remembers episodes: those then begin anew.

    Raises:
        ValueError: If there is no episode to play, or the policy is an unknown word.
    """
    if episodes < 1 or num_envs < 1:
        raise ValueError(f"episodes={episodes}, num_envs={num_envs}: expected at least 1 of each")
    player = _player(policy)
    if callable(getattr(policy, "seed", None)):
        policy.seed(seed)  # type: ignore[union-attr]
    if history_length is None:
        history_length = int(getattr(policy, "history_length", 0))
    seeds = seeds_of(policy, env, env_kwargs or {}, seed, episodes)
    count = min(num_envs, len(seeds))
    runners = [
        EpisodeRunner(make_env(env, **(env_kwargs or {})), history_length) for _ in range(count)
    ]
    try:
        over = journal.over if journal is not None else {}
        seats = [
            _Seat(
                runner,
                {n: seeds[n] for n in range(index, len(seeds), count) if n not in over},
                regret,
            )
            for index, runner in enumerate(runners)
        ]
        if journal is not None and _gives_again(policy):
            yield from _play_logged(player, seats, journal)
        else:
            yield from _play(player, seats)
    finally:
        for runner in runners:
            runner.close()


def seeds_of(
    policy: PolicyLike,
    env: str | EnvFactory,
    env_kwargs: Mapping[str, Any],
    seed: int,
    episodes: int,
) -> Sequence[int]:
    """The seeds of the episodes that an evaluation plays: the same for all but `OwnEpisodes`."""
    if isinstance(policy, OwnEpisodes):
        return policy.choose_seeds(env, env_kwargs, seed, episodes)
    return episode_seeds("evaluation", seed, episodes)


class _Seat:
    """An environment, and the episodes that are played in it one after the other.

    Args:
        runner: Plays episodes in the environment.
        seeds: Random seeds of the episodes, by their numbers.
        regret: Whether to ask what actions are worth.
    """

    def __init__(self, runner: EpisodeRunner, seeds: Mapping[int, int], regret: bool) -> None:
        self.runner = runner
        self._regret = regret
        self._left = iter(seeds.items())

    @property
    def now(self) -> Observation:
        """The current observation."""
        return self.runner.observation

    def begin(self) -> bool:
        """Starts the next episode; returns false where none is left."""
        following = next(self._left, None)
        if following is None:
            return False
        self.episode, self._seed = following
        self._rng = np.random.default_rng([self._seed, _FALLBACK])
        self._dice = np.random.default_rng([self._seed, _DICE])
        self.runner.reset(self._seed)
        return True

    def roll(self) -> Reply:
        """Returns a uniformly random legal action."""
        return Reply("", int(self._dice.integers(len(self.now.actions))))

    def draws(self) -> np.random.Generator:
        """Returns what a reply is sampled with in this step, whatever was sampled before."""
        return np.random.default_rng([self._seed, _SAMPLING, self.runner.episode_length])

    def take(self, reply: Reply, seconds: float) -> Step:
        """Plays what a reply says."""
        action = legal_action(reply, self.now, self._rng)
        regret = regret_of(self.runner.env, action) if self._regret else None
        played = self.runner.step(reply, action)
        return Step(
            self.episode,
            played.episode_length - 1,
            played.observation,
            reply,
            action,
            played.reward,
            played.done,
            played.is_success,
            self._seed,
            regret,
            seconds,
        )


# Of the seats whose turn it is.
_Player = Callable[[Sequence[_Seat]], Sequence[Reply]]


def _play(player: _Player, seats: Sequence[_Seat]) -> Iterator[Step]:
    active = [seat for seat in seats if seat.begin()]
    while active:
        yield from _turn(active, *_ask(player, active))


def _play_logged(player: _Player, seats: Sequence[_Seat], journal: ProgressLog) -> Iterator[Step]:
    """The same, where the journal keeps every reply before it is played.

    What an interrupted play has left is played again up to the same turn in every seat, so that
    the policy goes on with the same batches.
    """
    active = [seat for seat in seats if seat.begin()]
    for seat in list(active):
        for reply, seconds in journal.given(seat.episode):
            step = seat.take(reply, seconds)
            yield step
            if step.last and not seat.begin():
                active.remove(seat)
    while active:
        replies, seconds = _ask(player, active)
        journal.replied([seat.episode for seat in active], replies, seconds)
        yield from _turn(active, replies, seconds)


def _ask(player: _Player, active: Sequence[_Seat]) -> tuple[Sequence[Reply], float]:
    started = perf_counter()
    replies = player(active)
    return replies, (perf_counter() - started) / len(active)


def _turn(active: list[_Seat], replies: Sequence[Reply], seconds: float) -> Iterator[Step]:
    """A step in every seat; those that have nothing left to play are vacated."""
    for seat, reply in zip(list(active), replies, strict=True):
        step = seat.take(reply, seconds)
        yield step
        if step.last and not seat.begin():
            active.remove(seat)


# What an episode's seed is told apart by from the environment's own generator, which it starts too:
# else "random" moves would follow from what was dealt.
_FALLBACK, _DICE, _SAMPLING = 1, 2, 3


def _gives_again(policy: PolicyLike) -> bool:
    """Whether replies of a journal stand for a policy's own.

    Not for one with a memory, which has to see the episode again, and an expert may be one; the
    random player is quick enough.
    """
    return not isinstance(policy, str | EpisodePolicy)


def _player(policy: PolicyLike) -> _Player:
    if policy == "random":
        return lambda seats: [seat.roll() for seat in seats]
    if policy == "expert":
        return lambda seats: [_expert_reply(seat.now, seat.runner.env) for seat in seats]
    if isinstance(policy, str):
        raise ValueError(
            f"unknown policy {policy!r}: expected 'random', 'expert', or an object such as "
            "VLMPolicy.load(directory)"
        )
    if isinstance(policy, BatchPolicy):
        act: Any = policy.act
        if "draws" in inspect.signature(act).parameters:
            return lambda seats: _parsed(
                act([s.now for s in seats], draws=[s.draws() for s in seats]), seats
            )
        return lambda seats: _parsed(act([seat.now for seat in seats]), seats)
    if isinstance(policy, EpisodePolicy):
        return lambda seats: _parsed(
            policy.act_in_episodes([seat.now for seat in seats], [seat.episode for seat in seats]),
            seats,
        )
    return lambda seats: [_as_reply(policy(seat.now), seat.now) for seat in seats]


def _parsed(replies: Sequence[Reply], seats: Sequence[_Seat]) -> list[Reply]:
    """Parses what a policy wrote and did not parse itself."""
    return [
        reply
        if reply.fields or not reply.text
        else replace(reply, fields=read_reply(reply.text, seat.now.actions).fields)
        for reply, seat in zip(replies, seats, strict=True)
    ]


def _expert_reply(observation: Observation, env: gym.Env[Any, Any]) -> Reply:
    action, reason = expert_move(env, observation)
    text = build_reply(observation, action, reason)
    return replace(read_reply(text, observation.actions), action=action)


def _as_reply(answer: int | str | None, observation: Observation) -> Reply:
    if isinstance(answer, str):
        return read_reply(answer, observation.actions)
    if answer is not None and not 0 <= answer < len(observation.actions):
        raise ValueError(
            f"the policy played action {answer}: expected an index from 0 to "
            f"{len(observation.actions) - 1} into {observation.actions}"
        )
    return Reply("", None if answer is None else int(answer))
