"""Episodes played in parallel by any kind of policy, step by step."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np

from vlm_agent.core.checks import check_integer, check_kwargs
from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.expert import expert_move, lesson
from vlm_agent.core.inspection.faults import shown
from vlm_agent.core.parsing import read_reply
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import check_answer, legal_action
from vlm_agent.core.run_directory import policy_place
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Observation, Reply
from vlm_agent.evaluation.progress_log import ProgressLog
from vlm_agent.evaluation.regret import regret_of
from vlm_agent.rollout.episode_runner import EpisodeRunner


@runtime_checkable
class BatchPolicy(Protocol):
    """Policy that replies to a batch of observations, such as `VLMPolicy`.

    If `act` also accepts `draws`, as that of `VLMPolicy` does, it gets a random generator for each
    observation, seeded by the episode's seed and the step's number alone.
    """

    def act(self, observations: Sequence[Observation]) -> Sequence[Reply]:
        """Returns one reply per observation."""
        ...


@runtime_checkable
class EpisodePolicy(Protocol):
    """Policy that gets the episode of each observation, which a policy with a memory needs."""

    def act_in_episodes(
        self, observations: Sequence[Observation], episodes: Sequence[int]
    ) -> Sequence[Reply]:
        """Returns one reply per observation; `episodes` holds the number of each one's episode."""
        ...


@runtime_checkable
class OwnEpisodes(Protocol):
    """Policy that chooses its episodes itself, as a person's recording does."""

    def choose_seeds(
        self, env: str | EnvFactory, env_kwargs: Mapping[str, Any], seed: int, episodes: int
    ) -> Sequence[int]:
        """Returns the seeds of the episodes to play, at most `episodes` of them."""
        ...


PolicyLike = str | BatchPolicy | EpisodePolicy | Callable[[Observation], "int | str | None"]


@dataclass(frozen=True)
class Step:
    """One step of an evaluation.

    Attributes:
        episode: Number of the episode.
        index: Number of the step in it.
        observation: The policy's observation.
        reply: Its reply.
        action: Index into the observation's actions of the action that was played.
        reward: The environment's reward.
        last: Whether it ended the episode.
        is_success: Whether the episode is a success so far.
        seed: Random seed of the episode's reset.
        task_type: What kind of task the episode is; `None` if the environment does not say.
        regret: Difference in value between the best action and this one; `None` if it was not
            measured, or the environment does not know it.
        seconds: Time that the policy took, divided by the size of the batch.
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
    task_type: str | None = None
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
    all_games: bool = False,
    log: ProgressLog | None = None,
) -> Iterator[Step]:
    """Plays episodes in parallel and yields every step; arguments as for `evaluate`.

    Environment i plays the episodes i, i + num_envs, …, so that short episodes are not favoured.

    Args:
        policy: The policy.
        env: An id, or a function that makes the environment.
        episodes: Number of episodes.
        seed: Random seed of episodes, of the policy's sampling and of random actions.
        num_envs: Number of episodes played in parallel.
        env_kwargs: Keyword arguments of the environment.
        history_length: Number of earlier steps that observations hold; by default the policy's.
        regret: Whether to ask the environment for the value of each action.
        all_games: Whether to play every game of the environment's list once; `episodes` must then
            be their number.
        log: Log of an interrupted call. Finished episodes are not played again. In those that had
            begun, the logged replies are reused, unless the policy has a memory of the episode:
            then they start again.

    Raises:
        ValueError: If a number is too small or no whole number, the keyword arguments are not a
            mapping, the policy is none of those above, or it replies with something else.
    """
    episodes, seed, num_envs = check_counts(episodes, seed, num_envs).values()
    env_kwargs = check_kwargs("env_kwargs", env_kwargs)
    player = _player(policy)
    if callable(getattr(policy, "seed", None)):
        policy.seed(seed)  # type: ignore[union-attr]
    if history_length is None:
        history_length = int(getattr(policy, "history_length", 0))
    history_length = check_integer("history_length", history_length, 0)
    seeds = seeds_of(policy, env, env_kwargs, seed, episodes)
    count = min(num_envs, len(seeds))
    fit = getattr(policy, "fit_history", None)
    with ExitStack() as opened:
        runners = []
        for _ in range(count):
            runners.append(EpisodeRunner(make_env(env, **env_kwargs), history_length, fit))
            opened.callback(runners[-1].close)
        over = log.over if log is not None else {}
        seats = [
            _Seat(
                runner,
                {n: seeds[n] for n in range(index, len(seeds), count) if n not in over},
                regret,
                all_games,
            )
            for index, runner in enumerate(runners)
        ]
        if log is not None and _reuses_replies(policy):
            yield from _play_logged(player, seats, log)
        else:
            yield from _play(player, seats)


def seeds_of(
    policy: PolicyLike,
    env: str | EnvFactory,
    env_kwargs: Mapping[str, Any],
    seed: int,
    episodes: int,
) -> Sequence[int]:
    """Returns the seeds of the episodes, the same for all policies except for `OwnEpisodes`."""
    if isinstance(policy, OwnEpisodes):
        return policy.choose_seeds(env, env_kwargs, seed, episodes)
    return episode_seeds("evaluation", seed, episodes)


def check_counts(episodes: int, seed: int, num_envs: int) -> dict[str, int]:
    """Returns the numbers of an evaluation, by name, as plain integers.

    Raises:
        ValueError: If one is too small, or no whole number.
    """
    given = {"episodes": (episodes, 1), "seed": (seed, 0), "num_envs": (num_envs, 1)}
    return {name: check_integer(name, *each) for name, each in given.items()}


def check_policy(policy: Any) -> None:
    """Checks that a value is a policy.

    Raises:
        ValueError: If it is an unknown word, or nothing that can reply.
    """
    if isinstance(policy, str) and policy in _WORDS:
        return
    place = "directory"
    if isinstance(policy, str | os.PathLike) and Path(policy_place(str(policy))).is_dir():
        place = repr(str(policy))
    expected = (
        f"expected {', '.join(map(repr, _WORDS))}, an object such as VLMPolicy.load({place}), or a "
        "function of an observation"
    )
    if isinstance(policy, str | os.PathLike):
        raise ValueError(f"unknown policy {str(policy)!r}: {expected}")
    if isinstance(policy, type):
        raise ValueError(f"policy={policy.__name__} is a class: {expected}")
    if not (isinstance(policy, BatchPolicy | EpisodePolicy) or callable(policy)):
        raise ValueError(f"policy={shown(policy)}: {expected}")


def count_games(env: str | EnvFactory, env_kwargs: Mapping[str, Any]) -> int:
    """Returns the number of games that an environment lists.

    Raises:
        ValueError: If it does not list its games.
    """
    made = make_env(env, **env_kwargs)
    try:
        names = made.get_wrapper_attr("game_names")
    except AttributeError:
        names = None
    finally:
        made.close()
    if not names:
        raise ValueError(
            f"{env} does not list its games, so that they cannot all be played: expected an "
            "attribute `game_names` (as gym_cards/ALFWorld-v0 has with split='valid_seen', for "
            "example); give a number of episodes instead"
        )
    return len(names)


class _Seat:
    """An environment and the episodes that are played in it, one after the other.

    Args:
        runner: Plays episodes in the environment.
        seeds: Random seeds of the episodes, by their numbers.
        regret: Whether to measure the regret of each step.
        by_position: Whether an episode's number is its game's position in the environment's list.
    """

    def __init__(
        self, runner: EpisodeRunner, seeds: Mapping[int, int], regret: bool, by_position: bool
    ) -> None:
        self.runner = runner
        self._by_position = by_position
        self._regret = regret
        self._left = iter(seeds.items())

    @property
    def now(self) -> Observation:
        """The current observation."""
        return self.runner.observation

    def begin(self) -> bool:
        """Starts the next episode; returns whether there is one."""
        following = next(self._left, None)
        if following is None:
            return False
        self.episode, self._seed = following
        self._rng = np.random.default_rng([self._seed, _FALLBACK])
        self._dice = np.random.default_rng([self._seed, _DICE])
        options = {"game": self.episode} if self._by_position else None
        self.runner.reset(self._seed, options)
        return True

    def roll(self) -> Reply:
        """Returns a uniformly random legal action."""
        return Reply("", int(self._dice.integers(len(self.now.actions))))

    def draws(self) -> np.random.Generator:
        """Returns the random generator of this step's reply, whatever was sampled before."""
        return np.random.default_rng([self._seed, _SAMPLING, self.runner.episode_length])

    def take(self, reply: Reply, seconds: float) -> Step:
        """Plays the action of a reply."""
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
            self.runner.task_type,
            regret,
            seconds,
        )


# Returns the replies of the given seats.
_Player = Callable[[Sequence[_Seat]], Sequence[Reply]]


def _play(player: _Player, seats: Sequence[_Seat]) -> Iterator[Step]:
    active = [seat for seat in seats if seat.begin()]
    while active:
        yield from _turn(active, *_ask(player, active))


def _play_logged(player: _Player, seats: Sequence[_Seat], log: ProgressLog) -> Iterator[Step]:
    """Does the same, and logs every reply before it is played.

    The logged replies of an interrupted call are played first, up to the same turn in every seat,
    so that the policy continues with the same batches.
    """
    active = [seat for seat in seats if seat.begin()]
    for seat in list(active):
        for reply, seconds in log.given(seat.episode):
            step = seat.take(reply, seconds)
            yield step
            if step.last and not seat.begin():
                active.remove(seat)
    while active:
        replies, seconds = _ask(player, active)
        log.replied([seat.episode for seat in active], replies, seconds)
        yield from _turn(active, replies, seconds)


def _ask(player: _Player, active: Sequence[_Seat]) -> tuple[Sequence[Reply], float]:
    started = perf_counter()
    replies = player(active)
    return replies, (perf_counter() - started) / len(active)


def _turn(active: list[_Seat], replies: Sequence[Reply], seconds: float) -> Iterator[Step]:
    """Plays a step in every seat, and removes seats without episodes left."""
    for seat, reply in zip(list(active), replies, strict=True):
        step = seat.take(reply, seconds)
        yield step
        if step.last and not seat.begin():
            active.remove(seat)


_WORDS = ("random", "expert", "demonstrator")

# Added to an episode's seed, because the environment's own generator starts from the seed alone:
# otherwise "random" actions would correlate with the deal.
_FALLBACK, _DICE, _SAMPLING = 1, 2, 3


def _reuses_replies(policy: PolicyLike) -> bool:
    """Returns whether logged replies can replace a policy's own.

    Not for a policy with a memory, which has to see the episode again, nor for the experts, which
    may have one; the random player is fast enough without.
    """
    return not isinstance(policy, str | EpisodePolicy)


def _player(policy: PolicyLike) -> _Player:
    check_policy(policy)
    if policy == "random":
        return lambda seats: [seat.roll() for seat in seats]
    if isinstance(policy, str):
        move = expert_move if policy == "expert" else lesson
        return lambda seats: [_reply_of(move, seat) for seat in seats]
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
    """Checks replies, and parses those that the policy did not parse itself."""
    found = list(replies) if isinstance(replies, Iterable) else []
    if len(found) != len(seats) or not all(isinstance(each, Reply) for each in found):
        raise ValueError(
            f"the policy returned {shown(replies)}: expected a list of {len(seats)} Reply objects, "
            "one for each observation; a function of one observation may return an index or text"
        )
    for reply, seat in zip(found, seats, strict=True):
        if reply.action is not None:
            check_answer(reply.action, seat.now)
    return [
        reply
        if reply.fields or not reply.text
        else replace(reply, fields=read_reply(reply.text, seat.now.actions).fields)
        for reply, seat in zip(found, seats, strict=True)
    ]


def _reply_of(
    move: Callable[[gym.Env[Any, Any], Observation], tuple[int, str]], seat: _Seat
) -> Reply:
    observation = seat.now
    action, reason = move(seat.runner.env, observation)
    text = build_reply(observation, action, reason)
    return replace(read_reply(text, observation.actions), action=action)


def _as_reply(answer: int | str | None, observation: Observation) -> Reply:
    if isinstance(answer, str):
        return read_reply(answer, observation.actions)
    return Reply("", None if answer is None else check_answer(answer, observation))
