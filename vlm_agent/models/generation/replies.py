"""Tokens that a model wrote, and the replies that are read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Literal, NamedTuple, Protocol

import numpy as np

from vlm_agent.core.parsing import Parser, parse
from vlm_agent.core.types import Observation, Reply
from vlm_agent.models.inputs.encoder import Encoder


class Written(NamedTuple):
    """The tokens of a reply, before anything is read from them.

    Attributes:
        tokens: Token ids up to and including the closing one, if there is one.
        log_probs: Log-probability that each was sampled with; zeros if greedy.
        finish_reason: "stop" if a closing token ended the reply, "length" if it was cut off.
        value: Value of the observation, if the writer computed it in the same pass.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    finish_reason: Literal["stop", "length"]
    value: float | None = None

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        tokens: Sequence[int],
        log_probs: Sequence[float],
        value: float | None = None,
    ) -> Written:
        """Returns tokens up to the first closing one; those after it are ignored."""
        kept = encoder.until_end(tokens)
        ended = bool(kept) and kept[-1] in encoder.end_tokens
        return cls(kept, tuple(log_probs[: len(kept)]), "stop" if ended else "length", value)


class Engine(Protocol):
    """Program that writes the replies of a policy in place of its own model.

    It samples from the policy's own distribution: temperature, top-k, top-p, tokens that are never
    written, and closing tokens are those of the policy. Seeds make replies independent of the rest
    of their batch.
    """

    def write(
        self, observations: Sequence[Observation], draws: Sequence[np.random.Generator] | None
    ) -> list[Written]:
        """Writes one reply to each observation, each sampled with its own random generator."""
        ...

    def answer(self, observation: Observation, rng: np.random.Generator) -> Written:
        """Writes one reply, as `write` would; several threads call it at the same time."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Keeps the engine ready to write, with the weights that the policy has on entering."""
        ...

    def metrics(self) -> Mapping[str, float]:
        """Returns what is logged of it."""
        ...

    def close(self) -> None:
        """Frees what it holds."""
        ...


def read_reply(
    encoder: Encoder, observation: Observation, written: Written, parser: Parser
) -> Reply:
    """Returns a reply with the action and the fields that are read from its text.

    Args:
        encoder: The policy's encoder.
        observation: The observation that it answers.
        written: Its tokens.
        parser: Rule by which the text is parsed.
    """
    text = encoder.decode(written.tokens)
    parsed = parse(text, observation.actions, parser)
    return Reply(
        text=text,
        action=parsed.action,
        tokens=written.tokens,
        action_token=encoder.action_token(written.tokens, parsed.action_start),
        log_probs=written.log_probs,
        value=written.value or 0.0,
        fields=parsed.fields,
    )
