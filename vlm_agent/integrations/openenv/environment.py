"""The environment of one session, as OpenEnv's server runs it."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from importlib import metadata
from typing import Any

import numpy as np
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.types import EnvironmentMetadata

from vlm_agent.core.parsing import read_reply, same_value
from vlm_agent.core.prompt_builder import PromptBuilder
from vlm_agent.core.prompts import ACTION
from vlm_agent.core.types import Reply
from vlm_agent.integrations.episode import Episode
from vlm_agent.integrations.openenv.models import GameAction, GameObservation, GameState
from vlm_agent.integrations.pictures import png_base64
from vlm_agent.integrations.suite import EpisodeTask, Suite


class SessionEnvironment(Environment[GameAction, GameObservation, GameState]):
    """Plays episodes of any environment of a suite, one at a time.

    Args:
        suite: The environments and their splits.
        name: The server's name.
        builder: Builds the prompts.
    """

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self, suite: Suite, name: str, builder: PromptBuilder) -> None:
        super().__init__()
        self._suite, self._name, self._builder = suite, name, builder
        self._episode: Episode | None = None
        self._state = GameState()

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        *,
        env: str | None = None,
        split: str | None = None,
        index: int | None = None,
        **unknown: Any,
    ) -> GameObservation:
        """Starts an episode: a task of a split, or one of any seed.

        Args:
            seed: Random seed of the episode; by default a new one, which the state tells.
            episode_id: Name of the episode; by default a new one.
            env: Id of the environment; by default that of the last episode, or the first.
            split: Name of a split.
            index: Position in the split.
            unknown: Refused.

        Raises:
            ValueError: If the arguments do not name an episode.
        """
        if unknown:
            raise ValueError(
                f"reset has no arguments {sorted(unknown)}: expected seed, episode_id and env, or "
                "split and index"
            )
        _check_types(seed=(seed, int), index=(index, int), env=(env, str), split=(split, str))
        task: EpisodeTask | None = None
        if split is not None or index is not None:
            if split is None or index is None or seed is not None or env is not None:
                raise ValueError(
                    f"split={split!r}, index={index}, seed={seed}, env={env!r}: expected split and "
                    "index, or seed and env"
                )
            task = self._suite.task(split, index)
            env, seed = task.env, task.seed
        env = self._suite.check_env(env or self._state.env or self._suite.default_env)
        if seed is None:
            seed = int(np.random.default_rng().integers(1 << 62)) << 1  # even: for training
        if self._episode is None or env != self._state.env:
            self.close()
            self._episode = Episode(env, self._suite.env_kwargs)
        try:
            self._episode.reset(seed, None if task is None else task.options)
        except BaseException:
            self.close()  # it may be in the middle of anything, and is not that of the state
            raise
        self._state = GameState(
            episode_id=episode_id or uuid.uuid4().hex,
            env=env,
            split=None if task is None else task.split,
            index=None if task is None else task.index,
            game=None if task is None else task.game,
            seed=seed,
        )
        return self._observe()

    def step(
        self, action: GameAction, timeout_s: float | None = None, **unused: Any
    ) -> GameObservation:
        """Plays the action that a text names, or a random legal one if it names none.

        Args:
            action: The text.
            timeout_s: Not used: a step takes as long as the environment takes.
            unused: Further arguments of OpenEnv.

        Raises:
            ValueError: If no episode has begun, or it has ended.
        """
        if self._episode is None:
            raise ValueError(
                "no episode has begun in this session: call reset first, over the same connection"
            )
        names = self._episode.observation.actions
        reply = read_reply(action.action, names)
        if ACTION not in reply.fields:
            same = [n for n, name in enumerate(names) if same_value(action.action, name)]
            reply = Reply(action.action, same[0] if same else None)
        played = self._episode.play_reply(reply)
        self._state.step_count += 1
        self._state.total_reward = self._episode.total_reward
        return self._observe(names[played], reply.action is not None)

    @property
    def state(self) -> GameState:
        """The episode of this session."""
        if self._episode is None:
            return self._state
        return self._state.model_copy(
            update={
                "success": self._episode.success,
                "fields": dict(self._episode.observation.state),
            }
        )

    def list_splits(self) -> list[dict[str, str]]:
        """Returns the name and type of each split."""
        return [{"name": split.name, "type": split.type} for split in self._suite.splits.values()]

    def num_tasks(self, split: str) -> int:
        """Returns the number of tasks of a split."""
        return len(self._suite.split(split).seeds)

    def get_task(self, split: str, index: int) -> dict[str, Any]:
        """Returns a task: its id, split, index, environment, random seed and game."""
        return asdict(self._suite.task(split, index))

    def get_task_range(
        self, split: str, start: int | None = None, stop: int | None = None
    ) -> list[dict[str, Any]]:
        """Returns the tasks of a range, bounds as of a slice."""
        count = self.num_tasks(split)
        return [self.get_task(split, index) for index in range(*slice(start, stop).indices(count))]

    def list_tasks(self, split: str) -> list[dict[str, Any]]:
        """Returns all tasks of a split."""
        return self.get_task_range(split)

    def get_metadata(self) -> EnvironmentMetadata:
        """Returns name, description and version."""
        envs = list(self._suite.tasks)
        return EnvironmentMetadata(
            name=self._name,
            description=f"{len(envs)} environments that are shown as pictures: {', '.join(envs)}",
            version=metadata.version("gym-cards"),
        )

    def close(self) -> None:
        """Closes the environment of the last episode."""
        episode, self._episode = self._episode, None
        if episode is not None:
            episode.close()

    def _observe(self, played: str | None = None, valid: bool | None = None) -> GameObservation:
        assert self._episode is not None
        observation = self._episode.observation
        return GameObservation(
            done=self._episode.over,
            reward=None if played is None else self._episode.reward,
            image=png_base64(observation.image),
            prompt=self._builder.text(observation),
            actions=list(observation.actions),
            env=str(self._state.env),
            played=played,
            action_is_valid=valid,
            success=self._episode.success,
            truncated=self._episode.truncated,
        )


def _check_types(**values: tuple[Any, type]) -> None:
    """Checks arguments that come from a client, each given with the type that is expected of it.

    Raises:
        ValueError: If one is of another type.
    """
    for name, (value, kind) in values.items():
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            expected = "a whole number" if kind is int else "text"
            raise ValueError(f"{name}={value!r}: expected {expected}")
