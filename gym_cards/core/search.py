"""Action values of small games by trying all continuations."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from gym_cards.core.action_values import ActionValues, IntractableError

if TYPE_CHECKING:
    from gym_cards.core.env import CardGameEnv

MAX_MOVES = 2_000
"""A search that needs more moves than this is given up with an error."""


def search(game: CardGameEnv[Any], gamma: float) -> ActionValues:
    """Returns the values of the actions in a running game whose moves draw no random numbers.

    Raises:
        IntractableError: If a move draws random numbers, or more than `MAX_MOVES` are possible.
    """
    moves = 0
    # Spaces are large and do not change.
    shared = {id(space): space for space in (game.action_space, game.observation_space)}

    def values(game: CardGameEnv[Any]) -> ActionValues:
        nonlocal moves
        worth, chances = [], []
        random = game.np_random.bit_generator.state
        for action in range(len(game.action_names)):
            moves += 1
            if moves > MAX_MOVES:
                raise IntractableError(
                    f"more than {MAX_MOVES:,} continuations: define `_exact` for this game"
                )
            after = copy.deepcopy(game, dict(shared))
            reward, terminated, truncated = after.advance(action)
            if after.np_random.bit_generator.state != random:
                raise IntractableError(
                    "a move draws random numbers, so that its value is an average: define "
                    "`_exact` for this game"
                )
            later = after.exact() if terminated or truncated else values(after)
            worth.append(float(reward) + gamma * later.value)
            chances.append(later.success_probability)
        return ActionValues(tuple(worth), max(chances))

    return values(game)
