"""Collecting a fixed number of steps in every environment, for algorithms with a critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import numpy as np

from vlm_agent.config.training.environments import EnvSpec, spread
from vlm_agent.core.environments import EnvFactory
from vlm_agent.core.expert import check_expert, lesson
from vlm_agent.core.prompts import build_reply
from vlm_agent.core.protocol import legal_action
from vlm_agent.core.seeding import episode_seeds, training_seed
from vlm_agent.core.types import Demonstration, Observation, Reply
from vlm_agent.rollout.buffer import EpisodeSegment, Rollout
from vlm_agent.rollout.episode_runner import EpisodeRunner, FitHistory, Transition
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


class PlayedStep(NamedTuple):
    """A step, and what is known only where it is played.

    Attributes:
        transition: The step.
        last_observation: Observation after it, if it ended a truncated episode.
        correction: The expert's reply to its observation, if asked for.
        environment_seconds: Time that the environment took.
    """

    transition: Transition
    last_observation: Observation | None
    correction: Demonstration | None
    environment_seconds: float


class Collector:
    """Plays a policy in several environments; episodes continue from rollout to rollout.

    Args:
        env: An environment id, a function that makes the environment, or several environments that
            share the places by their weights.
        num_envs: Number of environments that are stepped together; the policy replies to all of
            them as one batch.
        seed: Random seed of the episodes, the replies, and the actions for illegal replies.
        env_kwargs: Keyword arguments of the environment.
        illegal_penalty: Penalty of a reply that names no legal action; learning subtracts it from
            the reward. Without one, a policy may learn that nonsense, for which a random action is
            played, pays more than its own choice. By default 1 if actions are text, else 0.
        history_length: Number of earlier steps of the episode that observations hold.
        fit_history: As for `EpisodeRunner`.
        correct: Whether to ask the environment's expert for a correction of every reply.
        rank: Number of this process, out of several that collect together.
        processes: Number of these processes. Each has `num_envs` environments, and together they
            play what one process with all environments would.

    Attributes:
        illegal_penalty: The penalty; `None` where it differs between environments.
        restarted: Indices of the environments that `load_state_dict` could not restore.

    Raises:
        ProtocolError: If corrections are asked for and the environment has no expert.
    """

    def __init__(
        self,
        env: str | EnvFactory | Sequence[EnvSpec],
        num_envs: int,
        *,
        seed: int = 0,
        env_kwargs: Mapping[str, Any] | None = None,
        illegal_penalty: float | None = None,
        history_length: int = 0,
        fit_history: FitHistory | None = None,
        correct: bool = False,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        # A generator for each environment, so that episodes do not depend on each other.
        own = range(rank * num_envs, (rank + 1) * num_envs)
        self._own, self._total, self._seed = own, num_envs * processes, seed
        self._specs = specs_of(env, env_kwargs)
        self._history_length = history_length
        self._fit_history = fit_history
        self._changes = 0
        self._correct = correct
        self.restarted: list[int] = []
        self._rngs = [np.random.default_rng([seed, 1, index]) for index in own]
        self._runners: list[EpisodeRunner] = []
        with ExitStack() as made:  # closed if another one cannot be made or reset
            for source in self._sources():
                self._runners.append(self._runner(source))
                made.callback(self._runners[-1].close)
            self._penalties = penalties_for(self._specs, self._runners, illegal_penalty, correct)
            self.illegal_penalty = common(self._penalties)
            seeds = episode_seeds("training", seed, self._total)
            for runner, index in zip(self._runners, own, strict=True):
                runner.reset(seeds[index])
            made.pop_all()

    def collect(self, policy: ActingPolicy, steps: int) -> Rollout:
        """Plays a number of steps in every environment.

        Steps are in chronological order: the first steps of all environments, then the second.
        """
        started = perf_counter()
        played: list[list[PlayedStep]] = []
        for _ in range(steps):
            now = [runner.observation for runner in self._runners]
            replies = policy.act(now, self._rngs)
            played.append([self._play(index, reply) for index, reply in enumerate(replies)])
        rollout = self._rollout(played)
        # In batches no larger than those of replies, for memory.
        rollout.bootstrap(policy.values, len(self._runners))
        rollout.seconds = perf_counter() - started
        return rollout

    def _play(self, index: int, reply: Reply) -> PlayedStep:
        """Plays a reply in its environment, and starts the next episode where this one ends."""
        runner = self._runners[index]
        corrected = correction(runner) if self._correct else None
        action = legal_action(reply, runner.observation, self._rngs[index])
        started = perf_counter()
        transition = runner.step(reply, action)
        # A truncated episode is bootstrapped from its own last picture and prompt.
        is_cut_off = transition.truncated and not transition.terminated
        last = runner.last_observation() if is_cut_off else None
        if transition.done:
            runner.reset()
        return PlayedStep(transition, last, corrected, perf_counter() - started)

    def _rollout(self, played: Sequence[Sequence[PlayedStep]]) -> Rollout:
        """Returns the steps of all environments as a rollout without bootstrap values.

        Args:
            played: The first step of every environment, then the second, and so on.
        """
        metrics = RolloutMetrics()
        segments = [EpisodeSegment(env_id) for env_id, _ in enumerate(self._runners)]
        playing = list(segments)
        following: list[tuple[EpisodeSegment, Observation]] = []
        steps = [(env_id, step) for row in played for env_id, step in enumerate(row)]
        for number, (env_id, step) in enumerate(steps):
            segment = playing[env_id]
            if segment.done:
                segment = playing[env_id] = EpisodeSegment(env_id)
                segments.append(segment)
            segment.steps.append(number)
            if step.last_observation is not None:
                following.append((segment, step.last_observation))
            if step.transition.done:
                segment.done, segment.is_success = True, step.transition.is_success
            metrics.add(step.transition, step.environment_seconds)
        following += [
            (segment, runner.observation)
            for segment, runner in zip(playing, self._runners, strict=True)
            if not segment.done
        ]
        return Rollout.of(
            [step.transition for _, step in steps],
            segments,
            self._penalties,
            following=following,
            corrections=[step.correction for _, step in steps if step.correction is not None],
            metrics=metrics,
        )

    def state_dict(self) -> dict[str, Any]:
        """Returns the state of the environments and of the random draws."""
        return {
            "runners": [runner_state(runner) for runner in self._runners],
            "rngs": [rng.bit_generator.state for rng in self._rngs],
            "changes": self._changes,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues where `state_dict` was taken, in a new collector with equal arguments."""
        self._changes = state.get("changes", 0)
        self.restarted = restore_runners(self._runners, state["runners"])
        for rng, drawn in zip(self._rngs, state["rngs"], strict=True):
            rng.bit_generator.state = drawn

    @property
    def specs(self) -> Sequence[EnvSpec]:
        """The environments that are played."""
        return self._specs

    def change(self, specs: Sequence[EnvSpec]) -> list[int]:
        """Changes keyword arguments and weights of the environments.

        An environment with other arguments, and one whose place another gets, is made again and
        starts a new episode.

        Args:
            specs: The same environments, perhaps with other arguments and weights.

        Returns:
            Indices of the environments that were made again.
        """
        before, self._specs = self._specs, tuple(specs)
        changed = []
        for index, source in enumerate(self._sources() if specs != before else ()):
            runner, spec = self._runners[index], self._specs[source]
            if runner.source == source and spec.kwargs == before[source].kwargs:
                continue
            runner.close()
            self._runners[index] = self._runner(source)
            changed.append(index)
        if changed:
            self._changes += 1
        for index in changed:
            place = self._own[index]
            self._runners[index].reset(training_seed(self._seed, self._changes, place))
        return changed

    def _sources(self) -> list[int]:
        """Returns the numbers of the environments that are in the places of this process."""
        weights = [spec.weight for spec in self._specs]
        places = spread(weights, self._total, "num_envs")
        return [places[place] for place in self._own]

    def _runner(self, source: int) -> EpisodeRunner:
        env = Resumable(self._specs[source].make())
        runner = EpisodeRunner(env, self._history_length, self._fit_history)
        runner.source = source
        return runner

    def close(self) -> None:
        """Closes the environments."""
        for runner in self._runners:
            runner.close()


def specs_of(
    env: str | EnvFactory | Sequence[EnvSpec], env_kwargs: Mapping[str, Any] | None
) -> tuple[EnvSpec, ...]:
    """Returns the environments that a collector is given: several, or one with its arguments."""
    if isinstance(env, str) or callable(env):
        return (EnvSpec(env, dict(env_kwargs or {})),)
    return tuple(env)


def correction(runner: EpisodeRunner) -> Demonstration:
    """Returns the expert's reply to the current observation."""
    observation = runner.observation
    action, reason = lesson(runner.env, observation)
    reply = build_reply(observation, action, reason)
    return Demonstration(observation, reply)


def penalties_for(
    specs: Sequence[EnvSpec],
    runners: Sequence[EpisodeRunner],
    illegal_penalty: float | None,
    correct: bool,
) -> list[float]:
    """Returns each environment's penalty for illegal replies: by default 1 for text, else 0.

    Args:
        specs: The environments.
        runners: Those that were made of them already, which need not be all.
        illegal_penalty: The penalty of all of them, if it was given.
        correct: Whether they need an expert.

    Raises:
        ProtocolError: If one without an expert needs one.
    """
    made = {runner.source: runner for runner in runners}
    found = []
    for source, spec in enumerate(specs):
        with ExitStack() as own:
            if (runner := made.get(source)) is None:
                runner = own.enter_context(closing(EpisodeRunner(spec.make())))
            if correct:
                check_expert(runner.env, "train without imitation_coef")
            by_task = 1.0 if runner.task.action_names is None else 0.0
            found.append(by_task if illegal_penalty is None else illegal_penalty)
    return found


def common(penalties: Sequence[float]) -> float | None:
    """Returns the penalty of all environments; `None` if they differ."""
    return penalties[0] if len(set(penalties)) == 1 else None
