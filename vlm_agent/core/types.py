"""Plain values that pass between environment, policy and trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """Description and actions of an environment, the same in all its episodes.

    Attributes:
        description: The rules and the goal.
        action_names: The texts of the actions; `None` for text actions.
        first_action: The number that `step` takes for the first of them.
        repeats_given: Whether replies read out the fields of the state that the prompt contains, as
            they do the others.
    """

    description: str
    action_names: tuple[str, ...] | None
    first_action: int = 0
    repeats_given: bool = True


@dataclass(frozen=True)
class PastStep:
    """An earlier step of the episode.

    Attributes:
        image: Its picture; `None` if only actions are shown.
        action: The text of the action played.
        reply: What the policy replied, word for word; empty for a player without language.
        asked: The observation that it replied to, without a history of its own; `None` if only
            pictures and actions, or actions, are shown.
    """

    image: NDArray[np.uint8] | None
    action: str
    reply: str = ""
    asked: Observation | None = None


@dataclass(frozen=True)
class Observation:
    """One moment of an episode: the input of a policy, and what its reply is compared with.

    Attributes:
        image: The picture, uint8 of shape (height, width, 3).
        task: The environment's task.
        actions: The texts of the legal actions now.
        given: The state fields, with their values, that the prompt contains.
        goal: The episode's own goal, or `None`.
        state: What the picture shows, field by field. It names the `fields` that a reply reads out,
            and labels demonstrations; a policy that acts on pictures never sees its values.
        history: The last steps of the same episode that the prompt contains, oldest first.
        mask: For each action, whether the environment takes it now, if `info["action_mask"]` says
            so. It is not part of the prompt.
    """

    image: NDArray[np.uint8]
    task: Task
    actions: tuple[str, ...]
    given: Mapping[str, str] = field(default_factory=dict)
    goal: str | None = None
    state: Mapping[str, str] = field(default_factory=dict)
    history: tuple[PastStep, ...] = ()
    mask: tuple[bool, ...] | None = None

    def remember(self, action: int, history_length: int, reply: str = "") -> tuple[PastStep, ...]:
        """Returns the history of the next observation of this episode.

        Args:
            action: Index into `actions` of the action played now.
            history_length: Maximum number of steps in it.
            reply: What the policy replied now.
        """
        if history_length == 0:
            return ()
        asked = replace(self, history=())
        step = PastStep(self.image, self.actions[action], reply, asked)
        return (*self.history, step)[-history_length:]

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the state that a reply reads out, with their values."""
        return dict(self.state) if self.task.repeats_given else self.unsaid

    @property
    def unsaid(self) -> dict[str, str]:
        """The fields of the state that only the picture shows, not the prompt."""
        return {name: value for name, value in self.state.items() if name not in self.given}

    @property
    def images(self) -> tuple[NDArray[np.uint8], ...]:
        """Pictures for the model, oldest first; the last is the current one."""
        earlier = (step.image for step in self.history if step.image is not None)
        return (*earlier, self.image)

    def with_actions_alone(self) -> Observation:
        """Returns the observation without anything of its earlier steps but their actions."""
        return replace(self, history=tuple(PastStep(None, step.action) for step in self.history))


@dataclass(frozen=True)
class Usage:
    """Tokens and cost of a reply, as the provider of a model counts them.

    Attributes:
        prompt_tokens: Number of tokens of the prompt, including pictures.
        reply_tokens: Number of tokens of the reply, including hidden reasoning.
        cost: Their price; `None` if no prices were given.
    """

    prompt_tokens: int
    reply_tokens: int
    cost: float | None = None


@dataclass(frozen=True)
class Reply:
    """A policy's reply in one step.

    Attributes:
        text: The reply, without its end token; empty for a player without language.
        action: Index into the observation's actions, or `None` if the reply names none.
        tokens: Token ids, including the end token unless the reply was cut off.
        action_token: Index of the first token of the action part: the one that holds the opening
            quote of the key `"action"`, although it may also hold the thought's last characters.
            `len(tokens)` for a reply without an action part, which is all thought.
        log_probs: Log-probability of each token, at the sampling temperature; zeros if greedy.
        value: The value head's estimate of the return from this step.
        usage: Token counts, from a provider that does not return the tokens themselves.
        fields: The fields that were parsed from the text: the state fields that it reads out, its
            thoughts and its action.
    """

    text: str
    action: int | None
    tokens: tuple[int, ...] = ()
    action_token: int = 0
    log_probs: tuple[float, ...] = ()
    value: float = 0.0
    usage: Usage | None = None
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def token_count(self) -> int | None:
        """Number of tokens of the reply; `None` for a player without language."""
        if self.usage is not None:
            return self.usage.reply_tokens
        return len(self.tokens) or None


@dataclass(frozen=True)
class Demonstration:
    """An observation, and the reply that a policy should give.

    Attributes:
        observation: The observation.
        reply: The reply.
        learned: Start and end, in characters, of the part of the reply to be learned; the part
            before it is context. `None` means all of it.
    """

    observation: Observation
    reply: str
    learned: tuple[int, int] | None = None
