"""Making environments from an id or a function. Each kind is looked at before it is played in."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import gymnasium as gym

from vlm_agent.core.checks import check_integer, check_kind
from vlm_agent.core.inspection.look import kind_faults, look_at, untouched_globals
from vlm_agent.core.protocol import InfoCarrier, refuse, task_of

EnvFactory = Callable[..., "gym.Env[Any, Any]"]
EnvFactories = str | EnvFactory | Sequence[str | EnvFactory]
"""An environment's id or a function that makes it, or several of them."""
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

    The first time that an id, with these keyword arguments, or a function comes by, an environment
    more is made: it is looked at (one reset, the experts' moves, two steps) and closed again. The
    environment that is returned has not been reset.

    Raises:
        ValueError: If it is neither an id nor a function, the id is not registered, does not take
            the keyword arguments, or keyword arguments come with a function.
        ProtocolError: If the environment does not follow the protocol, or if the same environment
            is returned again; names everything that is wrong with it.
    """
    make = env_maker(name, kwargs)
    places, key = _remembered(name, kwargs)
    if key not in places:
        places[key] = _looked_at(name, make)
    made = places[key]
    env = make()
    refuse(_label(name, env), kind_faults(env))
    if any(other() is env.unwrapped for other in made):
        refuse(
            _label(name, env),
            [
                "the function that makes it returned it before: expected a new environment from "
                "each call, because several play at the same time and each is closed after use"
            ],
        )
    made[:] = [each for each in made if each() is not None]
    made.append(weakref.ref(env.unwrapped))
    task_of(env)
    return env


def make_vector_env(
    name: str | EnvFactory, num_envs: int, *, copy: bool = True, **kwargs: Any
) -> gym.vector.SyncVectorEnv:
    """Makes a vector environment with same-step autoreset.

    With same-step autoreset, no reply is generated for a reset step, and the last picture and info
    of an episode come with the step that ended it. Infos are carried as they are: `split_infos`
    returns them.

    Args:
        name: As for `make_env`.
        num_envs: Number of environments.
        copy: Whether observations are copied, or later ones replace them.
        kwargs: Keyword arguments of the environments.
    """
    num_envs = check_integer("num_envs", num_envs, 1)
    return gym.vector.SyncVectorEnv(
        [lambda: InfoCarrier(make_env(name, **kwargs))] * num_envs,
        copy=copy,
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )


# The environments that were made so far, by what made them. References are weak, so that nothing
# stays in memory for it.
_Made = list["weakref.ref[gym.Env[Any, Any]]"]
_by_id: dict[Any, _Made] = {}
_by_function: weakref.WeakKeyDictionary[Any, dict[Any, _Made]] = weakref.WeakKeyDictionary()


def env_list(envs: EnvFactories) -> list[str | EnvFactory]:
    """Returns environments as a list, also where only one is given.

    Raises:
        ValueError: If one is neither an id nor a function.
    """
    several = list(envs) if isinstance(envs, Sequence) and not isinstance(envs, str) else [envs]
    for env in several:
        _check_env(env)
    return several


def _check_env(env: Any) -> None:
    if isinstance(env, gym.Env):
        raise ValueError(
            f"env={env} is an environment: expected its id, or a function that makes it, because "
            "several are played at the same time"
        )
    if not callable(env):
        expected = "the id of an environment, such as 'gym_cards/NumberLine-v0', or a function"
        check_kind("env", env, str, f"{expected} that makes it")


def env_maker(name: str | EnvFactory, kwargs: Mapping[str, Any]) -> EnvFactory:
    """Returns a function that makes environments as `make_env` does, without looking at them.

    Raises:
        ValueError: If it is neither an id nor a function, or keyword arguments come with a
            function.
    """
    _check_env(name)
    if not callable(name):
        if name.startswith(OWN):
            raise ValueError(
                f"the environment {name} was given in Python, and has no id to make it by: pass "
                "the function that makes it as `env`, or name another environment"
            )

        def make() -> gym.Env[Any, Any]:
            with explaining_errors(name, kwargs):
                return gym.make(env_id(name), **kwargs)

        return make
    if kwargs:
        raise ValueError(
            f"keyword arguments {sorted(kwargs)} were given with a function that makes the "
            "environment: have the function pass them"
        )
    return name


def _remembered(name: str | EnvFactory, kwargs: Mapping[str, Any]) -> tuple[dict[Any, _Made], Any]:
    """Returns where the environments of an id or a function are remembered, and by which key."""
    if isinstance(name, str):
        return _by_id, _key(name, kwargs)
    # A function with arguments is the same one each time that it is put together.
    whole = name if isinstance(name, partial) else partial(name)
    function, arguments = whole.func, repr((whole.args, sorted(whole.keywords.items())))
    try:
        return _by_function.setdefault(function, {}), arguments
    except TypeError:  # it cannot be remembered, and is looked at each time
        return {}, arguments


def _key(name: str, kwargs: Mapping[str, Any]) -> tuple[str, str, Any]:
    # An id may be registered anew for another class.
    spec = gym.registry.get(name.rpartition(":")[2])
    return name, repr(sorted(kwargs.items())), spec and spec.entry_point


def _label(name: str | EnvFactory, env: object) -> str:
    return name if isinstance(name, str) else str(env)


def _looked_at(name: str | EnvFactory, make: EnvFactory) -> _Made:
    """Makes an environment, looks at it, closes it, and returns a list that holds it."""
    with untouched_globals():
        env = make()
        try:
            refuse(_label(name, env), look_at(env))
        finally:
            if isinstance(env, gym.Env):
                env.close()
    return [weakref.ref(env.unwrapped)]
