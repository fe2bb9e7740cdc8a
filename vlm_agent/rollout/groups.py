"""Groups of episodes that start alike, and advantages relative to the group: no critic is needed.

GRPO (Shao et al. 2024, arXiv 2402.03300) compares whole episodes of a group. GiGPO (Feng et al.
2025, arXiv 2505.10978) also compares the steps of a group that were taken in the same state.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.errors import ProtocolError
from vlm_agent.core.expert import check_expert, teach
from vlm_agent.core.protocol import (
    check_reward,
    env_action,
    legal_action,
    observe,
    succeeded,
    task_of,
)
from vlm_agent.core.seeding import training_seeds
from vlm_agent.core.types import Demonstration, Observation, Reply
from vlm_agent.data.rollout_recorder import EpisodeSegment
from vlm_agent.models.policy import VLMPolicy
from vlm_agent.rollout.collector import correction, penalty_for
from vlm_agent.rollout.metrics import RolloutMetrics

Floats = NDArray[np.float64]


@dataclass
class Episode:
    """A whole episode of a group.

    Attributes:
        group: Number of the group; all its episodes started from the same seed.
        observations: What each step's reply answered.
        replies: What the policy wrote.
        rewards: What to learn from: the environment's reward, less a penalty for illegal replies.
        corrections: What an expert would have replied to each step, where that was asked for.
        total: The environment's rewards summed, without penalties.
        seed: What the environment was reset with.
        actions: Indices of the actions that were played.
        success: Whether it ended well.
    """

    group: int
    observations: list[Observation] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    corrections: list[Demonstration] = field(default_factory=list)
    total: float = 0.0
    seed: int | None = None
    actions: list[int] = field(default_factory=list)
    success: bool = False


@dataclass
class GroupRollout:
    """Whole episodes, several from each seed.

    Attributes:
        episodes: The episodes, in the order in which they began.
        tally: What the rollout showed.
        seconds: How long it took.
    """

    episodes: list[Episode]
    tally: RolloutMetrics = field(default_factory=RolloutMetrics)
    seconds: float = 0.0

    @property
    def metrics(self) -> dict[str, float | None]:
        """What the rollout showed, under the keys it is logged by."""
        return self.tally.metrics(self.seconds)

    def owners(self) -> list[int]:
        """The group of each step, in the order of `flat_replies`."""
        return [episode.group for episode in self.episodes for _ in episode.rewards]

    @property
    def corrections(self) -> list[Demonstration]:
        """What an expert would have replied to each step, where that was asked for."""
        return [each for episode in self.episodes for each in episode.corrections]

    def flat_observations(self) -> list[Observation]:
        """The observations of all episodes, one episode after the other."""
        return [observation for episode in self.episodes for observation in episode.observations]

    def flat_replies(self) -> list[Reply]:
        """The replies in the same order."""
        return [reply for episode in self.episodes for reply in episode.replies]

    def flat_actions(self) -> list[int]:
        """Indices of the actions that were played, in the same order."""
        return [action for episode in self.episodes for action in episode.actions]

    def flat_rewards(self) -> list[float]:
        """The rewards, in the same order."""
        return [reward for episode in self.episodes for reward in episode.rewards]

    def stretches(self) -> Iterator[EpisodeSegment]:
        """The episodes, in the order in which they began."""
        start = 0
        for place, episode in enumerate(self.episodes):
            end = start + len(episode.rewards)
            yield EpisodeSegment(
                place, range(start, end), True, episode.success, episode.seed, episode.group
            )
            start = end

    def episode_advantages(self, *, scale: bool) -> Floats:
        """GRPO's advantages, one a step: the episode's return relative to those of its group."""
        relative = relative_to_group(
            [sum(episode.rewards) for episode in self.episodes],
            [episode.group for episode in self.episodes],
            scale=scale,
        )
        return np.repeat(relative, [len(episode.rewards) for episode in self.episodes])

    def step_advantages(self, gamma: float, *, scale: bool) -> Floats:
        """GiGPO's advantages of steps: what followed, relative to others in the same state.

        Two steps of a group are in the same state if their pictures and prompts are equal, memory
        aside. A step that has no other beside it gets 0.
        """
        following: list[float] = []
        anchors: list[Hashable] = []
        for episode in self.episodes:
            following.extend(discounted_returns(episode.rewards, gamma))
            anchors.extend((episode.group, anchor(each)) for each in episode.observations)
        return relative_to_group(following, anchors, scale=scale)


def relative_to_group(
    values: Sequence[float], groups: Sequence[Hashable], *, scale: bool, epsilon: float = 1e-6
) -> Floats:
    """Each value less the mean of its group, and by the group's standard deviation if scaled.

    A group of one, or one whose values are all equal, has nothing to tell: all 0.
    """
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    array = np.asarray(values, dtype=float)
    relative = np.zeros_like(array)
    for indices in members.values():
        if len(indices) > 1:
            relative[indices] = array[indices] - array[indices].mean()
            if scale:
                relative[indices] /= array[indices].std(ddof=1) + epsilon
    return relative


def discounted_returns(rewards: Sequence[float], gamma: float) -> list[float]:
    """What followed each step of an episode: R_t = r_t + γ R_{t+1}."""
    result: list[float] = []
    following = 0.0
    for reward in reversed(rewards):
        following = reward + gamma * following
        result.append(following)
    return result[::-1]


def anchor(observation: Observation) -> Hashable:
    """What two observations of the same state have in common: picture and prompt, memory aside."""
    picture = hashlib.blake2b(observation.image.tobytes(), digest_size=16).digest()
    given = tuple(observation.given.items())
    return picture, observation.image.shape, observation.actions, given, observation.goal


class GroupCollector:
    """Plays whole episodes, each seed `group_size` times.

    Arguments are those of `Collector`; `num_envs` are played side by side, and none is asked for a
    reply that nobody needs. `collect` raises `ProtocolError` if an environment does not start alike
    when it is reset with the same seed.
    """

    def __init__(
        self,
        env: str | EnvFactory,
        num_envs: int,
        group_size: int,
        *,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        illegal_penalty: float | None = None,
        history_length: int = 0,
        correct: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.group_size = group_size
        self.envs = [make_env(env, **(env_kwargs or {})) for _ in range(num_envs)]
        if correct:
            check_expert(self.envs[0], "train without imitation_coef")
        self.task = task_of(self.envs[0])
        self.illegal_penalty = penalty_for(self.task, illegal_penalty)
        self.history_length = history_length
        self.correct = correct
        self._seed = seed
        # Each process plays every so many'th group.
        self._seeds = itertools.islice(training_seeds(seed), rank, None, processes)
        self._rank, self._processes = rank, processes
        self._groups = 0

    def collect(self, policy: VLMPolicy, steps: int) -> GroupRollout:
        """Plays whole groups until they hold at least `steps` steps for each environment."""
        tally, started = RolloutMetrics(), perf_counter()
        episodes: list[Episode] = []
        waiting: list[int] = []  # places in their group of episodes that are to begin
        group = seed = 0
        start: Hashable = None
        playing: dict[int, Episode] = {}
        now: dict[int, Observation] = {}
        draws: dict[int, np.random.Generator] = {}
        while True:
            for index in sorted(set(range(len(self.envs))) - set(playing)):
                if not waiting and tally.steps < steps * len(self.envs):
                    group = self._rank + self._processes * self._groups
                    seed = next(self._seeds)
                    waiting = list(reversed(range(self.group_size)))
                    self._groups += 1
                    start = None
                if waiting:
                    place = waiting.pop()
                    now[index] = observe(self.task, *self.envs[index].reset(seed=seed))
                    found = anchor(now[index])
                    start = start or found
                    self._check_start(index, seed, found == start)
                    playing[index] = Episode(group, seed=seed)
                    draws[index] = self._draws(group, place)
                    episodes.append(playing[index])
            if not playing:
                return GroupRollout(episodes, tally, perf_counter() - started)
            asked = {index: now[index] for index in playing}
            replies = policy.act(list(asked.values()), [draws[index] for index in asked])
            tally.replies(list(asked.values()), replies)
            for (index, observation), reply in zip(asked.items(), replies, strict=True):
                action = legal_action(reply, observation, draws[index])
                following = self._step(index, playing[index], observation, reply, action, tally)
                if following is None:
                    del playing[index]
                else:
                    now[index] = following

    def _draws(self, group: int, place: int) -> np.random.Generator:
        """What an episode's replies, and its moves where a reply names none, are drawn by.

        Another stream than that of the seeds: else moves would follow from what was dealt.
        """
        return np.random.default_rng([self._seed, 1, group, place])

    def state_dict(self) -> dict[str, Any]:
        """How play goes on; between rollouts no episode is under way."""
        return {"groups": self._groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, in a new collector with equal arguments."""
        for _ in range(state["groups"] - self._groups):
            next(self._seeds)
        self._groups = state["groups"]

    def close(self) -> None:
        """Closes the environments."""
        for env in self.envs:
            env.close()

    def _check_start(self, index: int, seed: int, alike: bool) -> None:
        """Makes sure that an episode of a group starts like the others."""
        if not alike:
            raise ProtocolError(
                f"{self.envs[index]}: two episodes that were reset with the same seed, {seed}, "
                "start with different pictures or prompts, so their returns cannot be compared. "
                "Let reset(seed=...) pass the seed to super().reset and draw all that is random "
                "from self.np_random, or train with --advantages gae"
            )

    def _step(
        self,
        index: int,
        episode: Episode,
        observation: Observation,
        reply: Reply,
        action: int,
        tally: RolloutMetrics,
    ) -> Observation | None:
        """Plays a reply; gives what is seen then, or `None` at the end of the episode."""
        env = self.envs[index]
        if self.correct:
            episode.corrections.append(correction(observation, *teach(env)))
        with tally.in_environment():
            picture, reward, terminated, truncated, info = env.step(env_action(observation, action))
        check_reward(reward, env)
        episode.observations.append(observation)
        episode.replies.append(reply)
        episode.actions.append(action)
        episode.rewards.append(float(reward) - self.illegal_penalty * (reply.action is None))
        episode.total += float(reward)
        if terminated or truncated:
            tally.episode(info, episode.total, len(episode.rewards))
            episode.success = succeeded(info)
            return None
        return observe(self.task, picture, info, observation.remember(action, self.history_length))
