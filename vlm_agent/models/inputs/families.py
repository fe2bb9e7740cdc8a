"""Special cases of model families: the only place that knows models by name.

An entry is needed if a model gives wrong log-probabilities, or fails, although its classes follow
the general interface, and neither its config nor its processor says why. docs/training/models.md
explains how to find and add one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SpecialCase:
    """Ways in which a model departs from the general interface.

    Attributes:
        reply_token_type: The `token_type_ids` of tokens that the model writes itself.
        same_number_of_pictures: Whether all prompts of a batch must have as many pictures.
    """

    reply_token_type: int = 0
    same_number_of_pictures: bool = False


SPECIAL_CASES: dict[str, SpecialCase] = {
    # Attends in both directions within tokens of type 0, its prompt, and causally in type 1. With
    # type 0, a reply's tokens would see those that follow them.
    "paligemma": SpecialCase(reply_token_type=1),
    # Tokens before the first picture attend to all pictures alike, including those that only pad
    # the batch: a reply's log-probability would depend on the other rows.
    "mllama": SpecialCase(same_number_of_pictures=True),
}


def special_case(config: Any) -> SpecialCase:
    """Returns the special case of the model with this config; for most models, the default."""
    return SPECIAL_CASES.get(config.model_type, SpecialCase())
