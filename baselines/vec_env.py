"""Adapter from Gymnasium's vector environments to those of Stable-Baselines3."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import load_env_creator
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from baselines.view import Observations, View
from vlm_agent.core.environments import env_id, explaining_errors
from vlm_agent.core.protocol import InfoCarrier, split_infos


class PictureVecEnv(VecEnv):
    """Vector environment of pictures, converted to a network's observations by a view.

    It behaves like `DummyVecEnv`: an environment that ends is reset in the same step, its info is
    the last one of the episode and holds `terminal_observation`, and the first info of the new
    episode is in `reset_infos`; `TimeLimit.truncated` says whether the episode was truncated.
    Results of `reset` and `step` share no memory with the environments.

    Args:
        envs: A vector environment with same-step autoreset and the attribute `envs`, whose
            observations are pictures, uint8 of shape (height, width, 3).
        view: What the network sees.

    Raises:
        ValueError: If the environment is not of this kind.
    """

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any], view: View) -> None:
        mode = envs.metadata.get("autoreset_mode")
        if mode != AutoresetMode.SAME_STEP:
            raise ValueError(
                f"{envs} has the autoreset mode {mode}: expected AutoresetMode.SAME_STEP; make "
                "it with autoreset_mode='SameStep'"
            )
        space = envs.single_observation_space
        picture = isinstance(space, gym.spaces.Box) and space.dtype == np.uint8
        if not picture or len(space.shape or ()) != 3 or (space.shape or ())[2] != 3:
            raise ValueError(
                f"{envs} observes {space}: expected pictures, uint8 of shape (height, width, 3). "
                "Wrap the environment in gymnasium.wrappers.AddRenderObservation to observe its "
                "rendering"
            )
        if not isinstance(envs.single_action_space, gym.spaces.Discrete):
            raise ValueError(
                f"{envs} has the action space {envs.single_action_space}: expected Discrete, "
                "because the network has one output per action"
            )
        # Not every class of vector environments declares them.
        self.envs: Sequence[gym.Env[Any, Any]] = envs.envs  # type: ignore[attr-defined]
        self.vector = envs
        self.view = view
        self._actions: NDArray[np.int64] = np.zeros(envs.num_envs, np.int64)
        self._masks: list[Any] = [None] * envs.num_envs
        super().__init__(envs.num_envs, view.space(), envs.single_action_space)

    @classmethod
    def make(
        cls, name: str, num_envs: int, view: View, env_kwargs: Mapping[str, Any] | None = None
    ) -> PictureVecEnv:
        """Makes environments from an id, batched if the id supports it.

        Args:
            name: The id, such as gym_cards/NumberLine-v0.
            num_envs: Number of environments.
            view: What the network sees.
            env_kwargs: Keyword arguments of the environments.

        Raises:
            ValueError: If there is no such environment, or it is of another kind.
        """
        kwargs: dict[str, Any] = dict(env_kwargs or {})
        found = env_id(name)
        # The view copies pictures, so that the environments need not.
        options: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP, "copy": False}
        with explaining_errors(name, kwargs):
            if _has_batched(found, options):
                envs = gym.make_vec(found, num_envs=num_envs, **options, **kwargs)
            else:
                # Infos of other environments may hold anything.
                make = partial(_make_one, found, kwargs)
                envs = SyncVectorEnv([make] * num_envs, **options)
        return cls(envs, view)

    def reset(self) -> Observations:
        """Starts an episode in every environment.

        Seeds set by `seed` and options set by `set_options` are used once.

        Raises:
            ValueError: If the options of environments differ.
        """
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ValueError(f"options {self._options}: expected the same for all environments")
        pictures, infos = self.vector.reset(seed=self._seeds, options=options or None)  # type: ignore[arg-type]
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = split_infos(infos, self.num_envs)
        self._masks = _masks(self.reset_infos)
        return self._observe(pictures, self.reset_infos)

    def seed_each(self, seeds: Sequence[int]) -> None:
        """Sets the seed of each environment for the next `reset`.

        Raises:
            ValueError: If the number of seeds is not that of environments.
        """
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        self._seeds = list(seeds)

    def snapshot(self) -> Any:
        """Returns the state of the environments, or `None` if they do not support it."""
        if not hasattr(self.vector, "snapshot"):
            return None
        return {"envs": self.vector.snapshot(), "masks": self._masks}

    def restore(self, snapshot: Any) -> None:
        """Restores a snapshot, of the same number of environments with equal arguments."""
        self.vector.restore(snapshot["envs"])  # type: ignore[attr-defined]
        self._masks = snapshot["masks"]

    def step_async(self, actions: NDArray[np.int64]) -> None:
        """Sets the actions of the next step, shape (num_envs,)."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Plays one action in every environment.

        Returns:
            Observations, float32 rewards, whether episodes ended, and an info for each environment.
        """
        pictures, rewards, terminations, truncations, batch = self.vector.step(self._actions)
        final_infos, final_pictures = batch.pop("final_info", {}), batch.pop("final_obs", None)
        batch.pop("_final_info", None)
        batch.pop("_final_obs", None)
        now = split_infos(batch, self.num_envs)
        # Copied, because environments may reuse the arrays.
        self._masks = _masks(now)
        infos = list(now)
        dones = terminations | truncations
        ended = np.flatnonzero(dones)
        if len(ended):
            last = split_infos(final_infos, self.num_envs)
            final = self._observe([final_pictures[i] for i in ended], [last[i] for i in ended])
            for index, i in enumerate(ended):
                self.reset_infos[i] = now[i]
                infos[i] = {**last[i], "terminal_observation": _observation_at(final, index)}
        cut = truncations & ~terminations
        for info, was_cut in zip(infos, cut.tolist(), strict=True):
            info["TimeLimit.truncated"] = was_cut
        return self._observe(pictures, now), rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Closes the environments."""
        self.vector.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Returns full-size pictures of all environments; needs the render mode "rgb_array"."""
        return self.env_method("render")

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Returns the attribute of each environment.

        `action_masks` is a function that returns the allowed actions, which sb3-contrib calls.
        """
        places = self._get_indices(indices)
        if attr_name == "action_masks":
            return [partial(self._allowed, i) for i in places]
        return [self.envs[i].get_wrapper_attr(attr_name) for i in places]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets the attribute of each environment to a value."""
        for i in self._get_indices(indices):
            self.envs[i].set_wrapper_attr(attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Calls a method of each environment, and returns the results."""
        methods = self.get_attr(method_name, indices)
        return [method(*method_args, **kwargs) for method in methods]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Returns whether each environment is wrapped in a class of wrappers."""
        return [is_wrapped(self.envs[i], wrapper_class) for i in self._get_indices(indices)]

    def _allowed(self, place: int) -> NDArray[np.bool_]:
        """Returns the actions that an environment allows now: all, if its infos have no mask."""
        mask = self._masks[place]
        if mask is None:
            return np.ones(self.action_space.n, np.bool_)  # type: ignore[attr-defined]
        return np.asarray(mask, bool)

    def _observe(self, pictures: Any, infos: Iterable[Mapping[str, Any]]) -> Observations:
        return self.view.observe(pictures, (self.view.describe_info(info) for info in infos))


def _has_batched(name: str, options: Iterable[str]) -> bool:
    """Returns whether an id has its own vector environment, which takes these options.

    Gymnasium's own ones, such as that of CartPole, do not.
    """
    package, _, registered = name.rpartition(":")
    if package:
        importlib.import_module(package)
    entry_point = gym.spec(registered).vector_entry_point
    if entry_point is None:
        return False
    make = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return set(options) <= set(inspect.signature(make).parameters)


def _make_one(name: str, kwargs: Mapping[str, Any]) -> gym.Env[Any, Any]:
    return InfoCarrier(gym.make(name, **kwargs))


def _masks(infos: Iterable[Mapping[str, Any]]) -> list[Any]:
    masks = (info.get("action_mask") for info in infos)
    return [None if mask is None else np.array(mask) for mask in masks]


def _observation_at(observations: Observations, index: int) -> Any:
    """Returns the observation of one environment."""
    if isinstance(observations, dict):
        return {name: part[index] for name, part in observations.items()}
    return observations[index]
