"""Vector environments and a policy -> steps to learn from, with generalised advantages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.environments import EnvFactory, make_env, make_vector_env
from vlm_agent.core.expert import check_expert, teach
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import (
    action_index,
    check_reward,
    env_action,
    legal_action,
    observe,
    split_infos,
    succeeded,
)
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Demonstration, Info, Observation, PastStep, Reply, Task
from vlm_agent.data.rollout_recorder import EpisodeSegment
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.metrics import RolloutMetrics
from vlm_agent.rollout.resumable_env import Resumable, bring_back, observation_state

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass
class Rollout:
    """Steps of several environments; every array has the shape (steps, environments).

    Attributes:
        observations: What each step's reply answered: its own picture and prompt.
        replies: What the policy wrote, with the log-probabilities it was sampled with.
        rewards: What to learn from: the environment's reward, less a penalty for illegal replies.
        values: The policy's estimate for the step's observation.
        next_values: Its estimate for what came of the step: 0 where the episode terminated, that
            of the episode's own last observation where it was truncated.
        last: Where the step was the last of its episode.
        tally: What the rollout showed.
        seconds: How long it took.
        corrections: What an expert would have replied to each step, where that was asked for.
        actions: Indices of the actions that were played.
        successes: Step and environment of every last step of an episode that ended well.
    """

    observations: list[list[Observation]]
    replies: list[list[Reply]]
    rewards: Floats
    values: Floats
    next_values: Floats
    last: Bools
    tally: RolloutMetrics = field(default_factory=RolloutMetrics)
    seconds: float = 0.0
    corrections: list[Demonstration] = field(default_factory=list)
    actions: list[list[int]] = field(default_factory=list)
    successes: set[tuple[int, int]] = field(default_factory=set)

    @property
    def metrics(self) -> dict[str, float | None]:
        """What the rollout showed, under the keys it is logged by."""
        return self.tally.metrics(self.seconds)

    def owners(self) -> list[int]:
        """The environment of each step, in the order of `flat_replies`."""
        return [env for step in self.replies for env in range(len(step))]

    def flat_observations(self) -> list[Observation]:
        """The observations one after the other, all of the first step first."""
        return [observation for step in self.observations for observation in step]

    def flat_replies(self) -> list[Reply]:
        """The replies in the same order."""
        return [reply for step in self.replies for reply in step]

    def flat_actions(self) -> list[int]:
        """Indices of the actions that were played, in the same order."""
        return [action for step in self.actions for action in step]

    def flat_rewards(self) -> list[float]:
        """The rewards, in the same order."""
        return [float(reward) for reward in self.rewards.ravel()]

    def stretches(self) -> Iterator[EpisodeSegment]:
        """The parts of episodes in the rollout, in the order in which they began."""
        steps, envs = self.last.shape
        parts: list[tuple[int, int, int]] = []
        for env in range(envs):
            ends = np.flatnonzero(self.last[:, env]).tolist()
            if not ends or ends[-1] != steps - 1:
                ends.append(steps - 1)
            starts = [0, *(end + 1 for end in ends[:-1])]
            parts += [(start, env, end) for start, end in zip(starts, ends, strict=True)]
        for start, env, end in sorted(parts):
            yield EpisodeSegment(
                env,
                [step * envs + env for step in range(start, end + 1)],
                bool(self.last[end, env]),
                (end, env) in self.successes,
            )

    def advantages(self, gamma: float, gae_lambda: float) -> Floats:
        """Generalised advantage estimates."""
        return generalised_advantages(
            self.rewards, self.values, self.next_values, self.last, gamma, gae_lambda
        )


def generalised_advantages(
    rewards: Floats,
    values: Floats,
    next_values: Floats,
    last: Bools,
    gamma: float,
    gae_lambda: float,
) -> Floats:
    """Generalised advantage estimation (Schulman et al. 2015, equations 11 to 16).

    With δ_t = r_t + γ V(s_{t+1}) - V(s_t), the estimate is A_t = δ_t + γ λ A_{t+1} within an
    episode. An episode's last step starts anew; whether it is bootstrapped lies in `next_values`.

    Args:
        rewards: r_t, shape (steps, environments), like all arrays here.
        values: V(s_t).
        next_values: V(s_{t+1}); 0 after termination.
        last: Where an episode ended, by termination or truncation.
        gamma: Discount factor.
        gae_lambda: Decay of the estimator; no relation to the thought coefficient.
    """
    deltas = rewards + gamma * next_values - values
    advantages = np.zeros_like(deltas)
    following = np.zeros(deltas.shape[1])
    for step in reversed(range(len(deltas))):
        following = deltas[step] + gamma * gae_lambda * np.where(last[step], 0.0, following)
        advantages[step] = following
    return advantages


class Collector:
    """Plays a policy in vector environments, from rollout to rollout without losing an episode.

    Args:
        env: An id, or a function that makes the environment.
        num_envs: How many are stepped together; the policy replies to all as one batch.
        seed: Of the episodes, and of the moves drawn where a reply names no legal action.
        env_kwargs: Keyword arguments of the environment.
        illegal_penalty: Taken from the reward of a step whose reply names no legal action. Without
            it a policy may learn that nonsense, for which a random move is played, pays better
            than the move that its own thought leads to. Logged returns are the environment's own.
            By default 1 where actions are text, and else 0.
        history_length: How many steps of the episode observations remember.
        correct: Whether to ask the environment's expert for a correction of every reply.
        rank: The number of this process, of several that play together.
        processes: How many these are; each has `num_envs` environments, and together they play
            what one process with all of them would.

    Raises:
        ProtocolError: If corrections are asked for and the environment has no expert.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        num_envs: int,
        *,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        illegal_penalty: float | None = None,
        history_length: int = 0,
        correct: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        kwargs = dict(env_kwargs or {})
        self.envs = make_vector_env(lambda: Resumable(make_env(env, **kwargs)), num_envs)
        if correct:
            check_expert(self.envs.envs[0], "train without imitation_coef")
        self.task = Task(self.envs.call("task_description")[0], self.envs.call("action_names")[0])
        self.illegal_penalty = penalty_for(self.task, illegal_penalty)
        self.history_length = history_length
        self.correct = correct
        # One an environment, so that its episodes do not depend on those of the others.
        own = range(rank * num_envs, (rank + 1) * num_envs)
        self._rngs = [np.random.default_rng([seed, 1, index]) for index in own]
        seeds = episode_seeds("training", seed, num_envs * processes)
        pictures, infos = self.envs.reset(seed=[seeds[index] for index in own])
        self._now = self._observe(pictures, infos, [()] * num_envs)
        self._returns = np.zeros(num_envs)
        self._lengths = np.zeros(num_envs, dtype=int)
        self.begun_anew: list[int] = []

    def collect(self, policy: VLMPolicy, steps: int) -> Rollout:
        """Makes `steps` steps in every environment."""
        shape = (steps, self.envs.num_envs)
        rollout = Rollout(
            [], [], np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
        )
        tally = rollout.tally
        cut: dict[tuple[int, int], Observation] = {}
        started = perf_counter()
        for step in range(steps):
            replies = policy.act(self._now, self._rngs)
            actions = [
                legal_action(reply, observation, rng)
                for reply, observation, rng in zip(replies, self._now, self._rngs, strict=True)
            ]
            rollout.observations.append(self._now)
            rollout.replies.append(replies)
            rollout.actions.append(actions)
            rollout.values[step] = [reply.value for reply in replies]
            tally.replies(self._now, replies)
            if self.correct:
                rollout.corrections += self._corrections()
            cut.update(self._step(actions, rollout, step, tally))
        asked = self._values(policy, [*cut.values(), *self._now])
        for place, value in zip(cut, asked, strict=False):
            rollout.next_values[place] = value
        # V(s_{t+1}) of a step within an episode is what the next step found; of the last, ask.
        following = np.vstack([rollout.values[1:], [asked[len(cut) :]]])
        rollout.next_values = np.where(rollout.last, rollout.next_values, following)
        rollout.seconds = perf_counter() - started
        return rollout

    def state_dict(self) -> dict[str, Any]:
        """How play goes on: the environments, what they show, and their episodes so far."""
        return {
            "envs": [
                {"env": cast(Resumable, env).state_dict(), "now": observation_state(now)}
                for env, now in zip(self.envs.envs, self._now, strict=True)
            ],
            "returns": self._returns,
            "lengths": self._lengths,
            "rngs": [rng.bit_generator.state for rng in self._rngs],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, in a new collector with equal arguments.

        Environments that do not come back begin a new episode; `begun_anew` holds their numbers,
        and a warning tells why.
        """
        envs = [cast(Resumable, env) for env in self.envs.envs]
        self._now, self.begun_anew = bring_back(envs, state["envs"], self.task)
        self._returns, self._lengths = state["returns"], state["lengths"]
        self._returns[self.begun_anew], self._lengths[self.begun_anew] = 0.0, 0
        for rng, drawn in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = drawn

    def close(self) -> None:
        """Closes the environments."""
        self.envs.close()

    def _values(self, policy: VLMPolicy, observations: Sequence[Observation]) -> list[float]:
        """The values of observations, of no more at once than are replied to at once."""
        size = self.envs.num_envs
        parts = [observations[at : at + size] for at in range(0, len(observations), size)]
        return [value for part in parts for value in policy.values(part)]

    def _step(
        self, actions: list[int], rollout: Rollout, step: int, tally: RolloutMetrics
    ) -> dict[tuple[int, int], Observation]:
        """Plays actions in all environments.

        Returns:
            The last observations of episodes that were truncated, by step and environment. A
            truncated episode goes on in principle: its value is that of its own last picture and
            prompt, not of the next episode's first.
        """
        played = [env_action(o, a) for o, a in zip(self._now, actions, strict=True)]
        batch = np.asarray(played) if self.task.action_names is not None else tuple(played)
        with tally.in_environment():
            pictures, rewards, terminated, truncated, infos = self.envs.step(batch)
        for reward, env in zip(rewards, self.envs.envs, strict=True):
            check_reward(reward, env)
        histories = [
            o.remember(a, self.history_length) for o, a in zip(self._now, actions, strict=True)
        ]
        illegal = np.array([reply.action is None for reply in rollout.replies[step]])
        rollout.rewards[step] = rewards - self.illegal_penalty * illegal
        rollout.last[step] = terminated | truncated
        self._returns += rewards
        self._lengths += 1
        ended = np.flatnonzero(rollout.last[step]).tolist()
        cut: dict[tuple[int, int], Observation] = {}
        if ended:
            final_infos = split_infos(infos["final_info"], self.envs.num_envs)
            for index in ended:
                tally.episode(final_infos[index], self._returns[index], self._lengths[index])
                if succeeded(final_infos[index]):
                    rollout.successes.add((step, index))
                self._returns[index], self._lengths[index] = 0.0, 0
            for index in ended:
                if not terminated[index]:
                    final, history = infos["final_obs"][index], histories[index]
                    cut[step, index] = observe(self.task, final, final_infos[index], history)
        for index in ended:
            histories[index] = ()  # a new episode remembers nothing of the last one
        self._now = self._observe(pictures, infos, histories)
        return cut

    def _observe(
        self, pictures: Any, infos: Info, histories: Sequence[tuple[PastStep, ...]]
    ) -> list[Observation]:
        return [
            observe(self.task, picture, info, history)
            for picture, info, history in zip(
                pictures,
                split_infos(infos, self.envs.num_envs),
                histories,
                strict=True,
            )
        ]

    def _corrections(self) -> list[Demonstration]:
        moves = [teach(env) for env in self.envs.envs]
        return [
            correction(observation, action, reason)
            for observation, (action, reason) in zip(self._now, moves, strict=True)
        ]


def correction(observation: Observation, action: Any, reason: str) -> Demonstration:
    """What an expert that plays an action for a reason would have replied to an observation."""
    reply = build_reply(observation, action_index(observation, action), reason)
    return Demonstration(observation, reply)


def penalty_for(task: Task, illegal_penalty: float | None) -> float:
    """The penalty for illegal replies; where none is given, 1 for text actions and else 0."""
    if illegal_penalty is None:
        return 1.0 if task.action_names is None else 0.0
    return illegal_penalty
