"""Exact action values of a state, and its chance of success."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

TIE_TOLERANCE = 1e-12
"""Action values that differ by no more than this count as equal.

It is far above rounding errors (about 1e-15), and far below any difference that a game's rules make
between two actions, unless a discount close to 0 shrinks that difference.
"""


class IntractableError(RuntimeError):
    """Raised if the exact values cannot be computed in reasonable time; the message says why."""


@dataclass(frozen=True)
class ActionValues:
    """Values of the actions under the best play from a state on.

    Attributes:
        action_values: For each action, the expected discounted return of playing it now and
            optimally afterwards. Rewards received before the state are not part of it; the reward
            of the action itself is not discounted.
        success_probability: The highest probability, over all ways to continue, that the episode
            ends with a sum of rewards above 0, including those received before the state. The
            play that attains it may differ from the play of highest value.
    """

    action_values: tuple[float, ...]
    success_probability: float

    @property
    def value(self) -> float:
        """The expected discounted return of optimal play."""
        return max(self.action_values)

    @property
    def optimal_actions(self) -> tuple[int, ...]:
        """The indices of all actions that attain the value, to within `TIE_TOLERANCE`."""
        least = self.value - TIE_TOLERANCE
        return tuple(i for i, value in enumerate(self.action_values) if value >= least)

    def regret(self, action: int) -> float:
        """Returns how much less than optimal play the action is worth, at least 0; 0 for a tie.

        Raises:
            IndexError: If there is no such action.
        """
        if not 0 <= action < len(self.action_values):
            raise IndexError(
                f"{action} is not an action: expected an index from 0 to "
                f"{len(self.action_values) - 1}"
            )
        loss = self.value - self.action_values[action]
        return loss if loss > TIE_TOLERANCE else 0.0


def check_gamma(gamma: float) -> float:
    """Returns the discount as a float.

    Raises:
        ValueError: If it is not between 0 and 1, both included.
    """
    number = isinstance(gamma, numbers.Real) and not isinstance(gamma, bool)  # also NumPy's
    if not (number and math.isfinite(gamma) and 0 <= gamma <= 1):
        raise ValueError(f"gamma={gamma!r}: expected a discount from 0 to 1; pass one, such as 0.9")
    return float(gamma)
