"""Model inputs of single observations: kept for when they are asked for again, and put together.

An observation is encoded when it is replied to, again in every epoch of an update, and, where games
repeat themselves, in other episodes. Resizing a picture takes longer than a small model's forward
pass, so what a processor made of an observation is kept while memory for it lasts.
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
    """The latest encoded observations, as many as fit.

    Args:
        capacity: Bytes of tensors and pictures that are kept.
    """

    def __init__(self, capacity: int = 2**30) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: OrderedDict[Hashable, tuple[Pictures, Row]] = OrderedDict()

    def get(self, prompt: str, pictures: Pictures) -> Row | None:
        """What a prompt with pictures was encoded to, or `None`."""
        key = _key(prompt, pictures)
        if key not in self._kept:
            return None
        seen, row = self._kept[key]
        if not all(a is b or np.array_equal(a, b) for a, b in zip(seen, pictures, strict=True)):
            return None
        self._kept.move_to_end(key)
        return row

    def put(self, prompt: str, pictures: Pictures, row: Row) -> None:
        """Keeps what a prompt was encoded to; what was not asked for longest goes."""
        key = _key(prompt, pictures)
        if key in self._kept:
            self._size -= _bytes(*self._kept.pop(key))
        self._kept[key] = (pictures, row)
        self._size += _bytes(pictures, row)
        while self._size > self._capacity:
            self._size -= _bytes(*self._kept.popitem(last=False)[1])


def split_rows(inputs: Mapping[str, Tensor], count: int) -> list[Row] | None:
    """The inputs of each observation in a batch of alike ones, without padding.

    Args:
        inputs: Of observations with as many pictures each, all of one size; prompts are padded on
            the left.
        count: The number of observations.

    Returns:
        `None` where the inputs cannot be told apart.
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
            # Copies, so that a row does not keep the memory of all the others.
            part = value[index * size : (index + 1) * size]
            row[name] = (part[:, start:] if value.shape[:2] == shape else part).clone()
        rows.append(row)
    return rows


def join_rows(rows: Sequence[Row], pad_token: int) -> dict[str, Tensor]:
    """Inputs of observations as those of a batch, prompts padded on the left.

    Pictures that were cut into fewer tiles than others are filled up with zeros, as processors do.
    """
    longest = max(row["input_ids"].shape[1] for row in rows)
    joined: dict[str, Tensor] = {}
    for name in rows[0]:
        parts = [row[name] for row in rows]
        if all(_by_token(row, name) for row in rows):
            fill = pad_token if name == "input_ids" else 0
            parts = [_pad_left(part, longest - part.shape[1], fill) for part in parts]
        joined[name] = torch.cat(_same_shape(parts))
    return joined


def _by_token(row: Row, name: str) -> bool:
    """Whether an input has something for each token of the prompt."""
    return row[name].shape[:2] == row["input_ids"].shape


def _pad_left(value: Tensor, count: int, fill: int) -> Tensor:
    return pad(value, (0, 0) * (value.ndim - 2) + (count, 0), value=fill) if count else value


def _same_shape(parts: list[Tensor]) -> list[Tensor]:
    """Fills up with zeros, behind, to the largest size of every dimension but the first."""
    sizes = [max(part.shape[d] for part in parts) for d in range(1, parts[0].ndim)]
    if all(list(part.shape[1:]) == sizes for part in parts):
        return parts
    filled = []
    for part in parts:
        missing = [(0, size - own) for size, own in zip(sizes, part.shape[1:], strict=True)]
        # `pad` counts dimensions from the last.
        filled.append(pad(part, [n for pair in reversed(missing) for n in pair]))
    return filled


def _key(prompt: str, pictures: Pictures) -> Hashable:
    """Nearly always different for different inputs, and quick: it leaves out most pixels."""
    return prompt, tuple((image.shape, hash(image[::4, ::4].tobytes())) for image in pictures)


def _bytes(pictures: Pictures, row: Row) -> int:
    return sum(image.nbytes for image in pictures) + sum(value.nbytes for value in row.values())
