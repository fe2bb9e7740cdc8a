"""Inputs of single observations ("rows"): batches from them, and rows from batches.

A row has a leading dimension of 1 in what has numbers per token, and no padding. What it has of
pictures may be split by picture, because many observations may show one picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

Row = dict[str, Tensor]
Pictures = Sequence[NDArray[np.uint8]]


def split_rows(inputs: Mapping[str, Tensor], count: int) -> list[Row] | None:
    """Splits a batch into the inputs of each observation, without padding.

    Args:
        inputs: Inputs of observations with equally many pictures, all of one size; prompts are
            padded on the left.
        count: Number of observations.

    Returns:
        One row per observation, views of the batch, or `None` if the inputs cannot be split.
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
            part = value[index * size : (index + 1) * size]
            row[name] = part[:, start:] if value.shape[:2] == shape else part
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
        if all(is_per_token(row, name) for row in rows):
            fill = pad_token if name == "input_ids" else 0
            parts = [_pad_left(part, longest - part.shape[1], fill) for part in parts]
        joined[name] = torch.cat(_padded_to_same_shape(parts))
    return joined


def is_per_token(row: Row, name: str) -> bool:
    """Returns whether an input has numbers for each token."""
    return row[name].shape[:2] == row["input_ids"].shape


def split_pictures(row: Row, pictures: Pictures) -> tuple[list[Row], int]:
    """Splits what a row has of its pictures by picture.

    Returns:
        Views of the row's inputs that are not per token, and the dimension along which
        concatenation restores them. Pictures that cannot be told apart, because their shapes differ
        or the processor treats them together, are a single part.
    """
    shown = {name: value for name, value in row.items() if not is_per_token(row, name)}
    count = len(pictures)
    if count > 1 and len({image.shape for image in pictures}) == 1 and shown:
        for axis in (0, 1):  # one is that of pictures; where it is the second, the first has size 1
            sizes = [value.shape[axis] if value.ndim > axis else 1 for value in shown.values()]
            if not any(size % count for size in sizes):
                chunks = {name: value.chunk(count, axis) for name, value in shown.items()}
                return [{n: each[index] for n, each in chunks.items()} for index in range(count)], (
                    axis
                )
    return ([shown] if shown else []), 0


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
