"""The environments of a run: one, or several with their weights."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gymnasium as gym

from vlm_agent.core.environments import OWN, EnvFactory, make_env

Names = str | Sequence[str] | None
Kwargs = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class EnvSpec:
    """An environment of a run.

    Attributes:
        env: Its id, or a function that makes it.
        kwargs: Its keyword arguments; those of the function.
        weight: Its share of the run, relative to the weights of the others.
        label: The part of metrics' names that is its own, such as NumberLine-v0.
    """

    env: str | EnvFactory
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    label: str = ""

    def make(self) -> gym.Env[Any, Any]:
        """Makes the environment; errors are those of `make_env`."""
        if callable(self.env):
            return make_env(partial(self.env, **self.kwargs) if self.kwargs else self.env)
        return make_env(self.env, **self.kwargs)

    @property
    def name(self) -> str:
        """Its id; of a function, its name after `own:`."""
        return self.env if isinstance(self.env, str) else own_name(self.env)


def own_name(thing: Any) -> str:
    """Returns the name under which something that was given in Python is saved with a run."""
    name = getattr(thing, "__name__", None) or type(thing).__name__
    return OWN + "".join(each if each.isalnum() or each in "._" else "_" for each in name)


def env_specs(names: Names, kwargs: Kwargs, weights: Sequence[float] = ()) -> tuple[EnvSpec, ...]:
    """Returns the environments of a run as its options, or its `run.json`, name them.

    Args:
        names: Ids of the environments.
        kwargs: Keyword arguments of all of them, or of each.
        weights: Weight of each; by default all are equal.

    Raises:
        ValueError: If there are more or fewer keyword arguments or weights than environments.
    """
    ids = [] if names is None else [names] if isinstance(names, str) else list(names)
    each = [kwargs] * len(ids) if isinstance(kwargs, Mapping) else list(kwargs)
    shares = list(weights) or [1.0] * len(ids)
    for option, values in (("env_kwargs", each), ("env_weights", shares)):
        if len(values) != len(ids):
            raise ValueError(
                f"{option} has {len(values)} values for {len(ids)} environments: expected one for "
                "each, in their order" + (", or one for all" if option == "env_kwargs" else "")
            )
    return tuple(map(EnvSpec, ids, each, shares, labels(ids)))


def labels(names: Sequence[str]) -> list[str]:
    """Returns short names of environments for metrics; equal ones are numbered."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        short = name.removeprefix(OWN).rpartition("/")[2].rpartition(":")[2]
        seen[short] += 1
        found.append(short if seen[short] == 1 else f"{short}-{seen[short]}")
    return found


def alternate(weights: Sequence[float], credits: list[float] | None = None) -> Iterator[int]:
    """Yields indices without end, each as often as its weight, and as evenly as whole numbers can.

    Args:
        weights: The weights, positive.
        credits: What is due to each index, by which an iteration continues where another one was;
            changed in place.
    """
    due = [0.0] * len(weights) if credits is None else credits
    total = math.fsum(weights)
    while True:
        for index, weight in enumerate(weights):
            due[index] += weight
        chosen = max(range(len(weights)), key=lambda index: (due[index], -index))
        due[chosen] -= total
        yield chosen


def spread(weights: Sequence[float], count: int, name: str) -> list[int]:
    """Returns the index of an environment for each of `count` places.

    Args:
        weights: The weights of the environments.
        count: Number of places.
        name: Option that says how many, for the error message.

    Raises:
        ValueError: If an environment gets no place.
    """
    places = list(itertools.islice(alternate(weights), count)) if weights else []
    if missing := set(range(len(weights))) - set(places):
        raise ValueError(
            f"{name}={count} is too few for {len(weights)} environments with the weights "
            f"{list(weights)}: environment number {min(missing) + 1} would get none; raise {name}, "
            "or its weight"
        )
    return places
