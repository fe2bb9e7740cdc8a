"""One environment, played action by action: all resets and steps of environments are here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit

from vlm_agent.core.protocol import check_outcome, env_action, observe, succeeded, task_of
from vlm_agent.core.types import Info, Observation, PastStep, Reply
from vlm_agent.rollout.resumable_env import Resumable

FitHistory = Callable[[Observation], Observation]
"""Function that leaves out of an observation's history what its prompt does not show: the oldest
steps if there is no room for them, or all but the actions."""


@dataclass(frozen=True)
class Transition:
    """One step of an episode.

    Attributes:
        observation: The observation that the reply answers.
        reply: The policy's reply.
        action: Index into the observation's actions of the action that was played.
        reward: The environment's reward.
        terminated: Whether the episode reached a terminal state.
        truncated: Whether the episode was cut off, such as by a time limit.
        is_success: Whether the episode is a success so far.
        episode_return: Sum of the environment's rewards of the episode so far.
        episode_length: Number of steps of the episode so far.
        source: Number of its environment among the different ones of a run.
    """

    observation: Observation
    reply: Reply
    action: int
    reward: float
    terminated: bool
    truncated: bool
    is_success: bool
    episode_return: float
    episode_length: int
    source: int = 0

    @property
    def done(self) -> bool:
        """True if the episode has ended."""
        return self.terminated or self.truncated


class EpisodeRunner:
    """Plays episodes in one environment and checks everything that the environment returns.

    Args:
        env: The environment.
        history_length: Number of earlier steps of the episode that observations hold.
        fit_history: Leaves out what a prompt does not show of them; by default nothing.
        lazy: Whether to have observations without their pictures, which `look` adds, if the
            environment offers that; not for a history with pictures.

    Attributes:
        env: The environment.
        task: The environment's task.
        observation: The current observation. After the end of an episode it is still the one
            before the last step; `last_observation` returns the final one.
        is_success: Whether the episode is a success so far.
        task_type: What kind of task the episode is, if the environment says so.
        episode_return: Sum of the environment's rewards of the episode so far.
        episode_length: Number of steps of the episode so far.
        source: Number of the environment among the different ones of a run.

    Raises:
        ProtocolError: If the environment does not offer the protocol.
    """

    observation: Observation
    is_success: bool
    task_type: str | None

    def __init__(
        self,
        env: gym.Env[Any, Any],
        history_length: int = 0,
        fit_history: FitHistory | None = None,
        *,
        lazy: bool = False,
    ) -> None:
        self.env = env
        self.task = task_of(env)
        self.history_length = history_length
        self._fit_history = fit_history
        self.source = 0
        self.episode_return = 0.0
        self.episode_length = 0
        self._shown: tuple[Any, Info] | None = None
        self._history: tuple[PastStep, ...] = ()
        self._lazy_layer = _lazy_layer(env) if lazy else None
        if self._lazy_layer is not None:
            self._lazy_layer.lazy_observations = True

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Observation:
        """Starts an episode and returns its first observation.

        Args:
            seed: Random seed of the episode; without one, the environment continues its own.
            options: Options of the environment's `reset`.
        """
        return self.begin(*self.env.reset(seed=seed, options=options))

    def begin(self, picture: Any, info: Info) -> Observation:
        """Starts an episode in an environment that was already reset.

        Args:
            picture: The observation that `reset` returned.
            info: The info that `reset` returned.
        """
        self.observation = observe(self.task, picture, info)
        self.is_success = succeeded(info)
        self.task_type = None if info.get("task_type") is None else str(info["task_type"])
        self.episode_return, self.episode_length = 0.0, 0
        self._shown = None
        return self.observation

    def step(self, reply: Reply, action: int) -> Transition:
        """Plays an action.

        Args:
            reply: The reply that led to the action; it becomes part of the transition.
            action: Index into `observation.actions`.

        Raises:
            ProtocolError: If the environment returns something that an agent cannot use.
        """
        before = self.observation
        picture, reward, terminated, truncated, info = self.env.step(env_action(before, action))
        check_outcome(self.env, reward, terminated, truncated)
        self.episode_return += float(reward)
        self.episode_length += 1
        self._shown = picture, info
        self.is_success = succeeded(info)
        self._history = before.remember(action, self.history_length, reply.text)
        transition = Transition(
            observation=before,
            reply=reply,
            action=action,
            reward=float(reward),
            terminated=bool(terminated),
            truncated=bool(truncated),
            is_success=self.is_success,
            episode_return=self.episode_return,
            episode_length=self.episode_length,
            source=self.source,
        )
        if not transition.done:
            self.observation = self.last_observation()
        return transition

    def look(self) -> Observation:
        """Returns the current observation with its picture, also of a lazy environment.

        Call it before the action that answers the observation is played.
        """
        if self._lazy_layer is not None:
            picture = np.array(self._lazy_layer.current_observation())
            self.observation = replace(self.observation, image=picture)
        return self.observation

    def last_observation(self) -> Observation:
        """Returns the observation after the last step, also if that ended the episode.

        Call it before `reset`: an environment may draw its next picture into the same array.
        """
        if self._shown is None:
            return self.observation
        shown = observe(self.task, *self._shown, self._history)
        return shown if self._fit_history is None else self._fit_history(shown)

    def close(self) -> None:
        """Closes the environment."""
        self.env.close()


def _lazy_layer(env: gym.Env[Any, Any]) -> Any:
    """Returns the environment or wrapper that can leave out pictures until asked, if any."""
    layer: Any = env
    while not (hasattr(layer, "lazy_observations") and hasattr(layer, "current_observation")):
        # Exact types, because any other wrapper may change the pictures.
        if type(layer) not in (OrderEnforcing, PassiveEnvChecker, Resumable, TimeLimit):
            return None
        layer = layer.env
    return layer
