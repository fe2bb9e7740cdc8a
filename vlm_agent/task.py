"""The protocol between an environment and an agent, and the environments made by it.

The agent asks an environment only for plain values:

- attribute `task_description: str`: the rules and the goal, as a person would be told;
- attribute `action_names: tuple[str, ...] | None`: the text of each discrete action; `None` means
  text actions, chosen from `info["admissible_commands"]`;
- optional method `expert() -> (action, reason)`: what an optimal player does now, and why;
- optional method `demonstrate() -> (action, reason)`: the same by a player who knows no more than
  the pictures showed, where the expert does; demonstrations are then its;
- optional method `explain(action) -> str`: a sentence that leads to the given action;
- optional method `exact()`: an object whose `action_values` are, for each action, the expected sum
  of rewards of playing it now and optimally from then on, undiscounted; `None`, or a
  `RuntimeError`, where it is not known;
- every `info`: `state: dict[str, str]`, `is_success: bool`, and optionally `given: tuple[str, ...]`
  (the state fields that the prompt tells) and `task: str` (the episode's own goal).

Seeds are derived here too, so that no evaluation episode is ever trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Info = Mapping[str, Any]
EnvFactory = Callable[[], "gym.Env[Any, Any]"]


class ProtocolError(ValueError):
    """An environment does not offer what the agent asks for."""


@dataclass(frozen=True)
class Task:
    """What stays the same from episode to episode of one environment."""

    description: str
    action_names: tuple[str, ...] | None


@dataclass(frozen=True)
class Moment:
    """A step of the episode that is past: its picture, and the text of the action played in it."""

    image: NDArray[np.uint8]
    action: str


@dataclass(frozen=True)
class Observation:
    """One moment of an episode: what a policy is given, and what its reply is judged by.

    Attributes:
        image: The picture, uint8 of shape (height, width, 3).
        task: The environment's task.
        actions: The texts of the legal actions now.
        given: The state fields, with their values, that the prompt tells.
        goal: The episode's own goal, or `None`.
        state: What the picture shows, field by field. It names the fields that a reply must read
            out, and labels demonstrations; a policy that acts on pictures never sees its values.
        history: The last steps of the same episode that the policy remembers, oldest first.
        mask: For each action, whether the environment takes it now or refuses it, where it says so
            in `info["action_mask"]`. Models are not told.
    """

    image: NDArray[np.uint8]
    task: Task
    actions: tuple[str, ...]
    given: Mapping[str, str] = field(default_factory=dict)
    goal: str | None = None
    state: Mapping[str, str] = field(default_factory=dict)
    history: tuple[Moment, ...] = ()
    mask: tuple[bool, ...] | None = None

    def remember(self, action: int, memory: int) -> tuple[Moment, ...]:
        """The history of the next observation of this episode.

        Args:
            action: Index into `actions` of the action played now.
            memory: How many steps are remembered at most.
        """
        if memory == 0:
            return ()
        return (*self.history, Moment(self.image, self.actions[action]))[-memory:]

    @property
    def images(self) -> tuple[NDArray[np.uint8], ...]:
        """The pictures that the model is given, oldest first; the last is the current one."""
        return (*(moment.image for moment in self.history), self.image)


@dataclass(frozen=True)
class Usage:
    """What a reply took, as a provider of models counts it.

    Attributes:
        prompt_tokens: Tokens of the prompt, pictures included.
        reply_tokens: Tokens of the reply, hidden reasoning included.
        cost: Their price; `None` where no prices were given.
    """

    prompt_tokens: int
    reply_tokens: int
    cost: float | None = None


@dataclass(frozen=True)
class Reply:
    """What a policy answered in one step.

    Attributes:
        text: The reply, without the token that closes it; empty for a player without language.
        action: Index into the observation's actions, or `None` where the reply names none.
        tokens: Token ids, with the closing one where the reply was not cut off.
        action_token: Index of the first token of the action part: the one that holds the opening
            quote of the key `"action"`, although it may also hold the thought's last characters.
            `len(tokens)` for a reply without an action part, which is all thought.
        log_probs: One log-probability a token, at the sampling temperature; zeros if greedy.
        value: The value head's estimate of the return from here on.
        usage: What it took, where the policy does not hand out tokens but counts them.
    """

    text: str
    action: int | None
    tokens: tuple[int, ...] = ()
    action_token: int = 0
    log_probs: tuple[float, ...] = ()
    value: float = 0.0
    usage: Usage | None = None

    @property
    def token_count(self) -> int | None:
        """How many tokens were written; `None` for a player without language."""
        if self.usage is not None:
            return self.usage.reply_tokens
        return len(self.tokens) or None


def env_id(name: str) -> str:
    """The id under which `gym.make` finds an environment, importing its package if need be.

    An id `ns/Name` that is not registered becomes `ns:ns/Name`, so that the package `ns` is
    imported; any other id stays as it is.
    """
    if name in gym.registry or ":" in name or "/" not in name:
        return name
    return f"{name.split('/', 1)[0]}:{name}"


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
        try:
            env = gym.make(env_id(name), **kwargs)
        except (gym.error.Error, ModuleNotFoundError) as error:
            raise ValueError(
                f"no environment {name!r}: {error}. Expected an id such as "
                "'gym_cards/NumberLine-v0', or 'module:namespace/Name-v0' for a package that "
                "registers its environments on import"
            ) from error
        except TypeError as error:
            raise ValueError(
                f"{name} cannot be made with the arguments {kwargs}: {error}"
            ) from error
    task_of(env)
    return env


def make_vector_env(
    name: str | EnvFactory, num_envs: int, **kwargs: Any
) -> gym.vector.SyncVectorEnv:
    """Makes environments that are stepped together, with same-step autoreset.

    With same-step autoreset no generation is spent on a reset step, and the last picture and info
    of an episode come with the step that ended it.
    """
    return gym.vector.SyncVectorEnv(
        [lambda: make_env(name, **kwargs)] * num_envs,
        autoreset_mode=gym.vector.AutoresetMode.SAME_STEP,
    )


def task_of(env: gym.Env[Any, Any]) -> Task:
    """Reads the task that an environment offers.

    Raises:
        ProtocolError: If it lacks `task_description` or `action_names`.
    """
    try:
        description = env.get_wrapper_attr("task_description")
        names = env.get_wrapper_attr("action_names")
    except AttributeError as error:
        raise ProtocolError(
            f"{env} does not offer the agent protocol: expected the attributes "
            f"`task_description: str` and `action_names: tuple[str, ...] | None` ({error})"
        ) from error
    return Task(description, None if names is None else tuple(names))


def observe(task: Task, picture: Any, info: Info, history: tuple[Moment, ...] = ()) -> Observation:
    """Puts together what an environment's `reset` or `step` gave.

    Args:
        task: The environment's task.
        picture: The observation, uint8 of shape (height, width, 3).
        info: The info that came with it.
        history: What is remembered of the episode; nothing after a `reset`.

    Raises:
        ProtocolError: If the observation is not a picture, if `given` names a field that is not
            in `state`, or if the environment has text actions and info lists none.
    """
    # A copy, since an environment may draw its next picture into the same array.
    image = np.array(picture)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ProtocolError(
            f"an observation of type {type(picture).__name__}, dtype {image.dtype} and shape "
            f"{image.shape} is not a picture: expected uint8 of shape (height, width, 3). Wrap the "
            "environment in gymnasium.wrappers.AddRenderObservation to observe its rendering"
        )
    if task.action_names is not None:
        actions = task.action_names
    else:
        actions = tuple(info.get("admissible_commands", ()))
        if not actions:
            raise ProtocolError(
                "an environment with text actions must list them in info['admissible_commands']; "
                f"info holds {sorted(info)}"
            )
    state = dict(info.get("state", {}))
    unknown = [name for name in info.get("given", ()) if name not in state]
    if unknown:
        raise ProtocolError(
            f"info['given'] names {unknown}, but info['state'] holds only {sorted(state)}"
        )
    given = {name: state[name] for name in info.get("given", ())}
    mask = info.get("action_mask")
    return Observation(
        image,
        task,
        actions,
        given,
        info.get("task"),
        state,
        history,
        None if mask is None else tuple(map(bool, mask)),
    )


def succeeded(info: Info) -> bool:
    """Whether the episode is a success so far.

    Raises:
        ProtocolError: If the environment does not say.
    """
    if "is_success" not in info:
        raise ProtocolError(
            f"info must say whether the episode `is_success`; it holds {sorted(info)}"
        )
    return bool(info["is_success"])


def check_reward(reward: Any, env: gym.Env[Any, Any]) -> None:
    """Makes sure that a reward can be learned from.

    Raises:
        ProtocolError: If it is NaN or infinite.
    """
    if not np.isfinite(reward):
        raise ProtocolError(f"{env} gave the reward {reward}: expected a finite number")


def action_index(observation: Observation, action: Any) -> int:
    """The index into `observation.actions` of an action as an expert names it."""
    return observation.actions.index(action) if isinstance(action, str) else int(action)


def env_action(observation: Observation, action: int) -> int | str:
    """What `step` takes for the action at an index of `observation.actions`."""
    return action if observation.task.action_names is not None else observation.actions[action]


def split_infos(infos: Info, num_envs: int) -> list[dict[str, Any]]:
    """Turns a vector environment's infos, arrays with masks, into one dictionary for each.

    A value that an environment did not report is absent from its dictionary.
    """
    rows: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    for key, values in infos.items():
        mask = infos.get(f"_{key}")
        if key.startswith("_") and key[1:] in infos:
            continue
        columns = split_infos(values, num_envs) if isinstance(values, Mapping) else values
        for index in range(num_envs):
            if mask is None or mask[index]:
                value = columns[index]
                rows[index][key] = value.item() if isinstance(value, np.generic) else value
    return rows


def episode_seeds(
    purpose: Literal["training", "evaluation"], seed: int, count: int
) -> Sequence[int]:
    """Seeds for `count` episodes or environments, reproducible from one seed.

    Training seeds are even and evaluation seeds odd, so the two never meet.
    """
    if seed < 0:
        raise ValueError(f"seed {seed} is negative: expected 0 or above")
    words = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return [(int(word) >> 2 << 1) | (purpose == "evaluation") for word in words]


def training_seeds(seed: int) -> Iterator[int]:
    """Endless seeds of single episodes to train on; even, as all training seeds are."""
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    while True:
        yield int(rng.integers(1 << 62)) << 1
