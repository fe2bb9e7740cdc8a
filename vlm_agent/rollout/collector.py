"""Collecting a fixed number of steps in every environment, for algorithms with a critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from vlm_agent.core.environments import EnvFactory, make_env
from vlm_agent.core.expert import check_expert, teach
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import action_index, legal_action
from vlm_agent.core.seeding import episode_seeds
from vlm_agent.core.types import Demonstration, Observation, Reply, Task
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout
from vlm_agent.rollout.episode_runner import EpisodeRunner, Transition
from vlm_agent.rollout.metrics import RolloutMetrics
from vlm_agent.rollout.resumable_env import Resumable
from vlm_agent.rollout.runner_state import restore_runners, runner_state


class ActingPolicy(Protocol):
    """Interface that a collector needs of a policy; `VLMPolicy` has it."""

    def act(
        self, observations: Sequence[Observation], draws: Sequence[np.random.Generator] | None
    ) -> Sequence[Reply]:
        """Replies to a batch of observations, each sampled with its own random generator."""
        ...

    def values(self, observations: Sequence[Observation]) -> list[float]:
        """Estimates the value of each observation."""
        ...


class Collector:
    """Plays a policy in several environments; episodes continue from rollout to rollout.

    Args:
        env: An environment id, or a function that makes the environment.
        num_envs: Number of environments that are stepped together; the policy replies to all of
            them as one batch.
        seed: Random seed of the episodes, the replies, and the actions for illegal replies.
        env_kwargs: Keyword arguments of the environment.
        illegal_penalty: Penalty of a reply that names no legal action; learning subtracts it from
            the reward. Without one, a policy may learn that nonsense, for which a random action is
            played, pays more than its own choice. By default 1 if actions are text, else 0.
        history_length: Number of earlier steps of the episode that observations hold.
        correct: Whether to ask the environment's expert for a correction of every reply.
        rank: Number of this process, out of several that collect together.
        processes: Number of these processes. Each has `num_envs` environments, and together they
            play what one process with all environments would.

    Attributes:
        restarted: Indices of the environments that `load_state_dict` could not restore.

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
        self._runners = [
            EpisodeRunner(Resumable(make_env(env, **kwargs)), history_length)
            for _ in range(num_envs)
        ]
        self.task = self._runners[0].task
        self.illegal_penalty = penalty_for(self.task, illegal_penalty)
        self._correct = correct
        if correct:
            check_expert(self._runners[0].env, "train without imitation_coef")
        # A generator for each environment, so that episodes do not depend on each other.
        own = range(rank * num_envs, (rank + 1) * num_envs)
        self._rngs = [np.random.default_rng([seed, 1, index]) for index in own]
        seeds = episode_seeds("training", seed, num_envs * processes)
        for runner, index in zip(self._runners, own, strict=True):
            runner.reset(seeds[index])
        self.restarted: list[int] = []

    def collect(self, policy: ActingPolicy, steps: int) -> Rollout:
        """Plays a number of steps in every environment.

        Steps are in chronological order: the first steps of all environments, then the second.
        """
        started = perf_counter()
        metrics = RolloutMetrics()
        transitions: list[Transition] = []
        corrections: list[Demonstration] = []
        segments = [EpisodeSegment(env_id) for env_id, _ in enumerate(self._runners)]
        playing = list(segments)
        cut_off: list[tuple[EpisodeSegment, Observation]] = []
        for _ in range(steps):
            now = [runner.observation for runner in self._runners]
            replies = policy.act(now, self._rngs)
            if self._correct:
                corrections += [correction(runner) for runner in self._runners]
            for env_id, (runner, reply) in enumerate(zip(self._runners, replies, strict=True)):
                action = legal_action(reply, runner.observation, self._rngs[env_id])
                segment = playing[env_id]
                if segment.done:
                    segment = playing[env_id] = EpisodeSegment(env_id)
                    segments.append(segment)
                segment.steps.append(len(transitions))
                with metrics.in_environment():
                    transition = runner.step(reply, action)
                    if transition.truncated and not transition.terminated:
                        # Bootstrapped from its own last picture and prompt.
                        cut_off.append((segment, runner.last_observation()))
                    if transition.done:
                        segment.done, segment.is_success = True, transition.is_success
                        runner.reset()
                metrics.add(transition)
                transitions.append(transition)
        self._bootstrap(policy, cut_off, playing)
        return Rollout.of(
            transitions,
            segments,
            self.illegal_penalty,
            corrections=corrections,
            metrics=metrics,
            seconds=perf_counter() - started,
        )

    def _bootstrap(
        self,
        policy: ActingPolicy,
        cut_off: Sequence[tuple[EpisodeSegment, Observation]],
        playing: Sequence[EpisodeSegment],
    ) -> None:
        """Sets the bootstrap values of segments that did not end in a terminal state."""
        asked = [observation for _, observation in cut_off]
        asked += [runner.observation for runner in self._runners]
        # In batches no larger than those of replies, for memory.
        size = len(self._runners)
        values = [
            value
            for start in range(0, len(asked), size)
            for value in policy.values(asked[start : start + size])
        ]
        for (segment, _), value in zip(cut_off, values[: len(cut_off)], strict=True):
            segment.bootstrap_value = value
        for segment, value in zip(playing, values[len(cut_off) :], strict=True):
            if not segment.done:
                segment.bootstrap_value = value

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the environments and of the random draws."""
        return {
            "runners": [runner_state(runner) for runner in self._runners],
            "rngs": [rng.bit_generator.state for rng in self._rngs],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, in a new collector with equal arguments."""
        self.restarted = restore_runners(self._runners, state["runners"])
        for rng, drawn in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = drawn

    def close(self) -> None:
        """Closes the environments."""
        for runner in self._runners:
            runner.close()


def correction(runner: EpisodeRunner) -> Demonstration:
    """Returns the expert's reply to the current observation."""
    action, reason = teach(runner.env)
    observation = runner.observation
    reply = build_reply(observation, action_index(observation, action), reason)
    return Demonstration(observation, reply)


def penalty_for(task: Task, illegal_penalty: float | None) -> float:
    """Returns the penalty for illegal replies: by default 1 if actions are text, else 0."""
    if illegal_penalty is None:
        return 1.0 if task.action_names is None else 0.0
    return illegal_penalty
