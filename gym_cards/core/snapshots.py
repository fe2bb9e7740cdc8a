"""Snapshots of games: the start of an episode and the actions since, which are replayed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym

if TYPE_CHECKING:
    from gym_cards.core.env import CardGameEnv

_PARTS = frozenset(("game", "random", "options", "jitter", "actions"))

# What a damaged snapshot may make of the moves that are replayed from it.
_DAMAGE = (AttributeError, LookupError, TypeError, ValueError, gym.error.Error)


def take(game: CardGameEnv[Any]) -> dict[str, Any]:
    """Returns the snapshot of a game that has a state."""
    return {
        "game": game._kind(),
        **copy.deepcopy(game._origin),
        "actions": list(game._actions),
    }


def put_back(game: CardGameEnv[Any], snapshot: Mapping[str, Any]) -> None:
    """Returns a game to the state of a snapshot.

    Raises:
        ValueError: If it is not a snapshot of this game; the game is as before then.
    """
    if not isinstance(snapshot, Mapping) or set(snapshot) != _PARTS:
        raise ValueError(
            f"{snapshot!r:.200} is not a snapshot: expected what `snapshot` of a game returned"
        )
    if snapshot["game"] != game._kind():
        raise ValueError(
            f"the snapshot is of {snapshot['game']!r}: expected one of {game._kind()!r}, which is "
            "this game with these arguments"
        )
    before = take(game) if game._started else None
    random = game.np_random.bit_generator.state
    try:
        _replay(game, snapshot)
    except _DAMAGE as error:
        game._started = game._playing = False
        game.np_random.bit_generator.state = random
        if before is not None:
            _replay(game, before)
        raise ValueError(f"the snapshot is damaged: {error!r}") from error


def _replay(game: CardGameEnv[Any], snapshot: Mapping[str, Any]) -> None:
    options = snapshot["options"]
    parsed = game._parse(options) if options else None
    game._jitter = snapshot["jitter"]
    # A copy, because the caller may change what was passed.
    game._origin = copy.deepcopy({name: snapshot[name] for name in ("random", "options", "jitter")})
    game.np_random.bit_generator.state = snapshot["random"]
    game._set_off(parsed)
    for action in snapshot["actions"]:
        game.advance(action)
