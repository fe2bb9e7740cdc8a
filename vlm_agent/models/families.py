"""What cannot be read from a model's config or processor: the only place that knows a model's name.

An entry is needed where a model gives wrong log-probabilities, or fails, although its classes
follow the general interface. `docs/models.md` says how one is found and added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SpecialCase:
    """How a model departs from the general interface.

    Attributes:
        reply_token_type: What `token_type_ids` says of tokens that the model writes itself.
        same_number_of_pictures: Whether all prompts of a batch must have as many pictures.
    """

    reply_token_type: int = 0
    same_number_of_pictures: bool = False


SPECIAL_CASES: dict[str, SpecialCase] = {
    # Attends both ways within tokens of type 0, its prompt, and to what stands before in type 1.
    # As type 0, a reply's tokens would see those that follow them.
    "paligemma": SpecialCase(reply_token_type=1),
    # What stands before the first picture looks at all pictures alike, those too that only fill up
    # a batch: a reply's log-probability would depend on the other rows.
    "mllama": SpecialCase(same_number_of_pictures=True),
}


def special_case(config: Any) -> SpecialCase:
    """The special case of a model with a config; one without departures for most."""
    return SPECIAL_CASES.get(config.model_type, SpecialCase())
