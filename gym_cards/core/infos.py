"""Infos of several games in the form of Gymnasium's vector environments: arrays with masks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gym_cards.core.env import CardGameEnv


def columns_of_games(games: Sequence[CardGameEnv[Any]]) -> dict[str, Any]:
    """Returns what `info` returns for several games with equal arguments, key by key.

    Returns:
        A list with a value for each game; for the state a dictionary of lists, and for the action
        mask an int8 array of shape (games, actions).
    """
    kind = type(games[0])
    columns: dict[str, Any] = {
        name: list(map(value, games)) for name, value in kind.info_fields.items()
    }
    columns["state"] = {
        # Of the first game, because they may depend on its arguments.
        name: list(map(value, games))
        for name, value in games[0].state_fields.items()
    }
    columns["given"] = [game.given for game in games]
    columns["is_success"] = [game._return > 0 for game in games]
    masks: list[Any] = [game._action_mask() for game in games]
    # Joining bytes takes a fraction of the time of stacking arrays.
    joined = bytearray().join(masks)
    columns["action_mask"] = np.frombuffer(joined, np.int8).reshape(len(games), -1)
    return columns


def columns_of(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns infos with equal keys as one dictionary with a list for each key."""
    columns: dict[str, Any] = {}
    for key, example in infos[0].items():
        column = [info[key] for info in infos]
        columns[key] = columns_of(column) if isinstance(example, dict) else column
    return columns


def mask_of(indices: Iterable[int], num_envs: int) -> NDArray[np.bool_]:
    """Returns a mask of shape (num_envs,) that is true at some indices."""
    mask = np.zeros(num_envs, np.bool_)
    mask[list(indices)] = True
    return mask


def batch_infos(
    columns: Mapping[str, Any], indices: Sequence[int], num_envs: int
) -> dict[str, Any]:
    """Returns the infos of some games, given key by key, as arrays with masks.

    Args:
        columns: For each key the values of the games: a list, an array, or nested columns.
        indices: The places of these games among all.
        num_envs: The number of all games.
    """
    everywhere = len(indices) == num_envs
    keys, objects = _leaves(columns)
    # One array for the masks of all keys, and one for all objects, take a fraction of the time of
    # one for each key.
    masks_of_keys = np.ones((keys, num_envs), np.bool_)
    if not everywhere:
        masks_of_keys[:] = mask_of(indices, num_envs)
    masks = iter(masks_of_keys)
    values = np.fromiter(chain.from_iterable(objects), object, len(objects) * len(indices))
    rows = iter(values.reshape(-1, len(indices)))

    def batched(columns: Mapping[str, Any]) -> dict[str, Any]:
        batch: dict[str, Any] = {}
        for key, column in columns.items():
            if isinstance(column, dict):
                batch[key] = batched(column)
            else:
                array = next(rows) if _holds_objects(column) else _as_array(column)
                batch[key] = array if everywhere else _spread(array, indices, num_envs)
            batch[f"_{key}"] = next(masks)
        return batch

    return batched(columns)


def _leaves(columns: Mapping[str, Any]) -> tuple[int, list[Sequence[Any]]]:
    """Returns the number of keys, nested ones included, and the columns that hold objects."""
    keys, objects = len(columns), []
    for column in columns.values():
        if isinstance(column, dict):
            nested, more = _leaves(column)
            keys += nested
            objects += more
        elif _holds_objects(column):
            objects.append(column)
    return keys, objects


def _holds_objects(column: Sequence[Any] | NDArray[Any]) -> bool:
    plain = (np.ndarray, bool, int, float)
    return not isinstance(column, np.ndarray) and not isinstance(column[0], plain)


def _as_array(column: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(column, np.ndarray):
        return column
    example = column[0]
    if isinstance(example, np.ndarray):
        return np.stack(column)
    return np.array(column, dtype=type(example))


def _spread(values: NDArray[Any], indices: Sequence[int], num_envs: int) -> NDArray[Any]:
    """Puts values at their indices, and at the others what Gymnasium does: None or zeros."""
    array = np.zeros((num_envs, *values.shape[1:]), values.dtype)
    if values.dtype == object:
        array[...] = None
    array[list(indices)] = values
    return array
