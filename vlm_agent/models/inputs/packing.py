"""Lossless storage of a processor's output in about a quarter of its bytes.

A processor maps the 256 levels of a picture's channels to floats. They are stored as these levels
(one byte) and a table that maps levels back, which is compared with the output bit by bit; what no
table reproduces is stored as it is. Integers are stored as narrow as their range allows, and once
if all are equal, as most masks are.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_NARROW = (torch.uint8, torch.int16, torch.int32)
# Tensors of fewer bytes are stored as they are: with a small model, every microsecond counts.
SMALL = 2**17


@dataclass(frozen=True)
class LevelTable:
    """Floats of a picture's levels, by channel.

    Attributes:
        values: float32 of shape (channels, 256); NaN for levels that were not seen.
        lineage: Tables of equal lineage agree on all levels that both have seen.
    """

    values: NDArray[np.float32]
    lineage: int


@dataclass(frozen=True)
class PackedTensor:
    """A tensor in few bytes.

    Attributes:
        data: The stored numbers: levels, integers, a single number, or the tensor itself.
        shape: Shape of the tensor.
        dtype: Its number format.
        table: If `data` are levels, of shape (outer, channels, inner): what they stand for.
        zeros: Bits of `data` that stand for 0 instead, such as padding; `None` if there are none.
    """

    data: Tensor
    shape: tuple[int, ...]
    dtype: torch.dtype
    table: LevelTable | None = None
    zeros: NDArray[np.uint8] | None = None

    @property
    def nbytes(self) -> int:
        """Number of bytes of what is stored, without the table, which many share."""
        return self.data.nbytes + (0 if self.zeros is None else self.zeros.nbytes)

    def unpack(self) -> Tensor:
        """Returns the tensor, bit by bit as it was packed; do not modify it."""
        if self.table is not None:
            levels = self.data.numpy()
            found = _looked_up(self.table.values, levels)
            if self.zeros is not None:
                zeros = np.unpackbits(self.zeros, count=levels.size).astype(bool)
                found[zeros.reshape(levels.shape)] = 0.0
            return torch.from_numpy(found).reshape(self.shape)
        return self.data.to(self.dtype).expand(self.shape).contiguous()

    def hash_into(self, digest: Any) -> None:
        """Feeds the content to a hash of `hashlib`; equal tensors give equal hashes."""
        lineage = None if self.table is None else self.table.lineage
        digest.update(f"{self.dtype} {self.shape} {self.data.dtype} {lineage}".encode())
        digest.update(self.data.flatten().view(torch.uint8).numpy().data)
        if self.zeros is not None:
            digest.update(self.zeros.data)


class Packer:
    """Packs tensors; safe to use from several threads.

    Args:
        image_processor: The image processor that floats come from.
    """

    def __init__(self, image_processor: Any) -> None:
        def setting(switch: str, name: str, default: float) -> NDArray[np.float32]:
            value = getattr(image_processor, name, None)
            used = getattr(image_processor, switch, False) and value is not None
            return np.atleast_1d(np.asarray(value if used else default, np.float32))

        self._scale = float(setting("do_rescale", "rescale_factor", 1.0)[0])
        mean, std = np.broadcast_arrays(
            setting("do_normalize", "image_mean", 0.0), setting("do_normalize", "image_std", 1.0)
        )
        if len(set(mean.tolist())) == len(set(std.tolist())) == 1:
            mean, std = mean[:1], std[:1]  # channels are alike
        self._mean, self._std = mean, std
        self._tables: dict[int, LevelTable] = {}
        self._lineages = 0
        self._learning = threading.Lock()

    def pack(self, value: Tensor) -> PackedTensor:
        """Returns a copy of a tensor in few bytes."""
        value = value.detach()
        shape, dtype = tuple(value.shape), value.dtype
        if value.nbytes < SMALL:
            pass
        elif dtype == torch.float32:
            values = np.ascontiguousarray(value.numpy())
            for kind, view in enumerate(self._views(shape)):
                if (packed := self._levels(values.reshape(view), shape, kind)) is not None:
                    return packed
        elif not dtype.is_floating_point and not dtype.is_complex:
            low, high = int(value.min()), int(value.max())
            if low == high:
                return PackedTensor(value.flatten()[0].clone(), shape, dtype)
            for narrow in _NARROW:
                limits = torch.iinfo(narrow)
                if narrow.itemsize < dtype.itemsize and limits.min <= low and high <= limits.max:
                    return PackedTensor(value.to(narrow), shape, dtype)
        return PackedTensor(value.clone(memory_format=torch.contiguous_format), shape, dtype)

    def _views(self, shape: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
        """Yields the ways to see a tensor as (outer, channels, inner)."""
        size, channels = math.prod(shape), len(self._mean)
        if channels == 1:
            yield 1, 1, size
            return
        if len(shape) >= 3 and shape[-3] == channels:
            yield math.prod(shape[:-3]), channels, shape[-2] * shape[-1]
        if shape and shape[-1] % channels == 0:  # patches, channel after channel or interleaved
            yield math.prod(shape[:-1]), channels, shape[-1] // channels
            yield size // channels, channels, 1

    def _levels(
        self, values: NDArray[np.float32], shape: tuple[int, ...], kind: int
    ) -> PackedTensor | None:
        levels = values * (self._std / self._scale)[:, None]
        levels += (self._mean / self._scale)[:, None]
        np.rint(levels, out=levels)
        np.clip(levels, 0, 255, out=levels)
        codes = levels.astype(np.uint8)
        table = self._tables.get(kind)
        wrong = _differing(table, codes, values)
        if table is None or wrong.any():
            with self._learning:
                table = self._learned(kind, codes, values)
                wrong = _differing(table, codes, values)
                if (wrong & (values.view(np.int32) != 0)).any():
                    return None
                self._tables[kind] = table
        zeros = np.packbits(wrong) if wrong.any() else None
        return PackedTensor(torch.from_numpy(codes), shape, torch.float32, table, zeros)

    def _learned(
        self, kind: int, codes: NDArray[np.uint8], values: NDArray[np.float32]
    ) -> LevelTable:
        """Returns the table with the levels of more floats, or another one if they contradict."""
        known = self._tables.get(kind)
        own = np.full((codes.shape[1], 256), np.nan, np.float32)
        for channel, row in enumerate(own):
            at, seen = codes[:, channel].ravel(), values[:, channel].ravel()
            row[at[seen == 0]] = 0.0
            row[at[seen != 0]] = seen[seen != 0]  # after it: a zero may also be padding
        if known is not None:
            both = ~np.isnan(known.values) & ~np.isnan(own) & (own != 0)
            if np.array_equal(known.values[both], own[both]):
                merged = np.where(np.isnan(known.values), own, known.values)
                return LevelTable(merged, known.lineage)
        self._lineages += 1
        return LevelTable(own, self._lineages)


def content_digest(tensors: dict[str, PackedTensor]) -> bytes:
    """Returns a digest of tensors by name, equal for equal content."""
    digest = hashlib.sha256()
    for name, value in tensors.items():
        digest.update(name.encode())
        value.hash_into(digest)
    return digest.digest()


def _looked_up(table: NDArray[np.float32], codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    if codes.shape[1] == 1:
        return np.take(table[0], codes)
    found = np.empty(codes.shape, np.float32)
    for channel in range(codes.shape[1]):  # one by one: numpy widens the indices to 8 bytes
        found[:, channel] = np.take(table[channel], codes[:, channel])
    return found


def _differing(
    table: LevelTable | None, codes: NDArray[np.uint8], values: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Returns where a table does not give the same bits; everywhere without a table."""
    if table is None:
        return np.ones(codes.shape, np.bool_)
    return np.not_equal(_looked_up(table.values, codes).view(np.int32), values.view(np.int32))
