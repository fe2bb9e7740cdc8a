"""Tokens that a model wrote, and the replies that are read from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

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


def read_reply(
    encoder: Encoder, observation: Observation, written: Written, value: float, parser: Parser
) -> Reply:
    """Returns a reply with the action and the fields that are read from its text.

    Args:
        encoder: The policy's encoder.
        observation: The observation that it answers.
        written: Its tokens.
        value: Value of the observation.
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
        value=value,
        fields=parsed.fields,
    )
