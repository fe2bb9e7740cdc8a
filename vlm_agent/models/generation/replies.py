"""Replies made of the tokens that a model wrote."""

from __future__ import annotations

from collections.abc import Sequence

from vlm_agent.core.parsing import Parser, parse
from vlm_agent.core.types import Observation, Reply
from vlm_agent.models.inputs.encoder import Encoder


def read_replies(
    encoder: Encoder,
    observations: Sequence[Observation],
    written: Sequence[Sequence[int]],
    log_probs: Sequence[Sequence[float]],
    values: Sequence[float],
    parser: Parser,
) -> list[Reply]:
    """Returns replies with the actions and the fields that are read from their texts.

    Args:
        encoder: The policy's encoder.
        observations: The observations that they answer.
        written: Their tokens; those after a closing token are ignored.
        log_probs: Log-probability of each token.
        values: Values of the observations.
        parser: Rule by which texts are parsed.
    """
    rows = zip(observations, written, log_probs, values, strict=True)
    return [_read(encoder, *row, parser) for row in rows]


def _read(
    encoder: Encoder,
    observation: Observation,
    written: Sequence[int],
    log_probs: Sequence[float],
    value: float,
    parser: Parser,
) -> Reply:
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
