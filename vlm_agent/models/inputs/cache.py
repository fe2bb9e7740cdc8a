"""Model inputs of single observations: a cache of them, and batches from rows and back.

An observation is encoded when it is replied to, again in every epoch of an update, and, if games
repeat themselves, in other episodes. Resizing a picture takes longer than a small model's forward
pass, so the most recent processor outputs are cached.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

Row = dict[str, Tensor]
Pictures = Sequence[NDArray[np.uint8]]


class EncodingCache:
    """Least-recently-used cache of encoded observations.

    Args:
        capacity: Maximum size of cached tensors and pictures, in bytes.
    """

    def __init__(self, capacity: int = 2**30) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[Pictures, Row]] = OrderedDict()

    def get(self, prompt: str, pictures: Pictures) -> Row | None:
        """Returns the cached inputs of a prompt with pictures, or `None`."""
        key = _key(prompt, pictures)
        if key not in self._kept:
            return None
        seen, row = self._kept[key]
        if not all(a is b or np.array_equal(a, b) for a, b in zip(seen, pictures, strict=True)):
            return None
        self._kept.move_to_end(key)
        return row

    def put(self, prompt: str, pictures: Pictures, row: Row) -> None:
        """Caches the inputs of a prompt; the least recently used ones make room for it."""
        key = _key(prompt, pictures)
        if key in self._kept:
            self._size -= _bytes(*self._kept.pop(key))
        self._kept[key] = (pictures, row)
        self._size += _bytes(pictures, row)
        while self._size > self._capacity:
            self._size -= _bytes(*self._kept.popitem(last=False)[1])


def split_rows(inputs: Mapping[str, Tensor], count: int) -> list[Row] | None:
    """Splits a batch into the inputs of each observation, without padding.

    Args:
        inputs: Inputs of observations with equally many pictures, all of one size; prompts are
            padded on the left.
        count: Number of observations.

    Returns:
        One row per observation, or `None` if the inputs cannot be split.
    """
    if any(len(value) % count for value in inputs.values()):
        return None
    shape = inputs["input_ids"].shape
    rows: list[Row] = []
    for index in range(count):
        start = shape[1] - int(inputs["attention_mask"][index].sum())
        row: Row = {}
        for name, value in inputs.items():
            size = len(value) // count
            # Copies, so that a row does not keep the memory of the whole batch.
            part = value[index * size : (index + 1) * size]
            row[name] = (part[:, start:] if value.shape[:2] == shape else part).clone()
        rows.append(row)
    return rows


def join_rows(rows: Sequence[Row], pad_token: int) -> dict[str, Tensor]:
    """Joins the inputs of observations to a batch, padded on the left.

    Pictures that were cut into fewer tiles than others are padded with zeros, as processors do.
    """
    longest = max(row["input_ids"].shape[1] for row in rows)
    joined: dict[str, Tensor] = {}
    for name in rows[0]:
        parts = [row[name] for row in rows]
        if all(_is_per_token(row, name) for row in rows):
            fill = pad_token if name == "input_ids" else 0
            parts = [_pad_left(part, longest - part.shape[1], fill) for part in parts]
        joined[name] = torch.cat(_padded_to_same_shape(parts))
    return joined


def _is_per_token(row: Row, name: str) -> bool:
    return row[name].shape[:2] == row["input_ids"].shape


def _pad_left(value: Tensor, count: int, fill: int) -> Tensor:
    return pad(value, (0, 0) * (value.ndim - 2) + (count, 0), value=fill) if count else value


def _padded_to_same_shape(parts: list[Tensor]) -> list[Tensor]:
    """Appends zeros up to the largest size of every dimension except for the first."""
    sizes = [max(part.shape[d] for part in parts) for d in range(1, parts[0].ndim)]
    if all(list(part.shape[1:]) == sizes for part in parts):
        return parts
    padded = []
    for part in parts:
        missing = [(0, size - own) for size, own in zip(sizes, part.shape[1:], strict=True)]
        # `pad` counts dimensions from the last.
        padded.append(pad(part, [n for pair in reversed(missing) for n in pair]))
    return padded


def _key(prompt: str, pictures: Pictures) -> Hashable:
    """Returns a key that is cheap, because it skips most pixels; hits are compared in full."""
    return prompt, tuple((image.shape, hash(image[::4, ::4].tobytes())) for image in pictures)


def _bytes(pictures: Pictures, row: Row) -> int:
    return sum(image.nbytes for image in pictures) + sum(value.nbytes for value in row.values())
