"""Replies made of the tokens that a model wrote."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_agent.core.parsing import Parser, parse
from vlm_agent.core.types import Observation, Reply
from vlm_agent.models.inputs.encoder import Encoder


def read_reply(
    encoder: Encoder,
    observation: Observation,
    written: Sequence[int],
    log_probs: Sequence[float],
    value: float,
    parser: Parser,
) -> Reply:
    """Returns a reply with the action and the fields that are read from its text.

    Args:
        encoder: The policy's encoder.
        observation: The observation that it answers.
        written: Its tokens; those after a closing token are ignored.
        log_probs: Log-probability of each token.
        value: Value of the observation.
        parser: Rule by which the text is parsed.
    """
    tokens = encoder.until_end(written)
    text = encoder.decode(tokens)
    parsed = parse(text, observation.actions, parser)
    return Reply(
        text=text,
        action=parsed.action,
        tokens=tokens,
        action_token=encoder.action_token(tokens, parsed.action_start),
        log_probs=tuple(log_probs[: len(tokens)]),
        value=value,
        fields=parsed.fields,
    )
