"""Plain values that pass between environment, policy and trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Info = Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """What stays the same from episode to episode of one environment."""

    description: str
    action_names: tuple[str, ...] | None


@dataclass(frozen=True)
class PastStep:
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
    history: tuple[PastStep, ...] = ()
    mask: tuple[bool, ...] | None = None

    def remember(self, action: int, history_length: int) -> tuple[PastStep, ...]:
        """The history of the next observation of this episode.

        Args:
            action: Index into `actions` of the action played now.
            history_length: How many steps are remembered at most.
        """
        if history_length == 0:
            return ()
        return (*self.history, PastStep(self.image, self.actions[action]))[-history_length:]

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
        fields: What the text says, field by field, as it was parsed: the state fields that it reads
            out, its thoughts and its action.
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
        """How many tokens were written; `None` for a player without language."""
        if self.usage is not None:
            return self.usage.reply_tokens
        return len(self.tokens) or None


@dataclass(frozen=True)
class Demonstration:
    """A moment of an episode, and the reply that it should get.

    Attributes:
        observation: The moment.
        reply: The reply.
        learned: The part of the reply that is to be learned, by offsets in characters; what comes
            before is only to be gone on from. `None` stands for all of it.
    """

    observation: Observation
    reply: str
    learned: tuple[int, int] | None = None
