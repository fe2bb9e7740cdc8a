"""Making environments from an id or a function, with a check of the protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import gymnasium as gym

from vlm_agent.core.protocol import task_of

EnvFactory = Callable[..., "gym.Env[Any, Any]"]
# Begins the names of environments, policies and prompts that were given in Python.
OWN = "own:"


def env_id(name: str) -> str:
    """Returns the id under which `gym.make` finds an environment, importing its package if needed.

    An id `ns/Name` that is not registered becomes `ns:ns/Name`, so that the package `ns` is
    imported; any other id stays as it is.
    """
    if name in gym.registry or ":" in name or "/" not in name:
        return name
    return f"{name.split('/', 1)[0]}:{name}"


@contextmanager
def explaining_errors(name: str, kwargs: Mapping[str, Any]) -> Iterator[None]:
    """Turns errors inside the block into ones that say what was expected of the environment's id.

    Args:
        name: Id of the environment.
        kwargs: Its keyword arguments.

    Raises:
        ValueError: If the id is not registered, or does not take the keyword arguments.
    """
    try:
        yield
    except (gym.error.Error, ModuleNotFoundError) as error:
        raise ValueError(
            f"no environment {name!r}: {error}. Expected an id such as 'gym_cards/NumberLine-v0', "
            "or 'module:namespace/Name-v0' for a package that registers its environments on import"
        ) from error
    except TypeError as error:
        # Gymnasium appends the id and the arguments once more.
        reason = str(error).partition(" was raised from the environment creator")[0]
        raise ValueError(f"{name} cannot be made with the arguments {kwargs}: {reason}") from error


def make_env(name: str | EnvFactory, **kwargs: Any) -> gym.Env[Any, Any]:
    """Makes one environment from an id, or from a function that returns one.

    Raises:
        ValueError: If the id is not registered, does not take the keyword arguments, or keyword
            arguments come with a function.
        ProtocolError: If the environment does not offer the protocol.
    """
    if callable(name):
        if kwargs:
            raise ValueError(
                f"keyword arguments {sorted(kwargs)} were given with a function that makes the "
                "environment: have the function pass them"
            )
        env = name()
    else:
        if name.startswith(OWN):
            raise ValueError(
                f"the environment {name} was given in Python, and has no id to make it by: pass "
                "the function that makes it as `env`, or name another environment"
            )
        with explaining_errors(name, kwargs):
            env = gym.make(env_id(name), **kwargs)
    task_of(env)
    return env


def make_vector_env(
    name: str | EnvFactory, num_envs: int, **kwargs: Any
) -> gym.vector.SyncVectorEnv:
    """Makes a vector environment with same-step autoreset.

    With same-step autoreset, no reply is generated for a reset step, and the last picture and info
    of an episode come with the step that ended it.
    """
    return gym.vector.SyncVectorEnv(
        [lambda: make_env(name, **kwargs)] * num_envs,
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )
