"""Nested plain values with arrays, stored as a JSON file and a safetensors file.

Reading them never runs code, and numbers come back bit-identical.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor

from vlm_agent.distributed.sharding import is_sharded

# A dictionary whose only key is one of these stands for something other than a dictionary.
_TENSOR, _ARRAY, _DICT = "$tensor", "$array", "$dict"


def write_tree(tree: Any, directory: Path, name: str) -> None:
    """Writes a tree to `NAME.json`, and its arrays to `NAME.safetensors`.

    Args:
        tree: Dictionaries with string keys, lists, strings, numbers, booleans and `None`, with
            tensors and NumPy arrays anywhere. Tuples come back as lists, NumPy scalars as plain
            numbers. Equal NumPy arrays are stored once.
        directory: Folder of the files.
        name: Name of both files, without extension.

    Raises:
        TypeError: If the tree holds anything else; names its place.
    """
    arrays: dict[str, Tensor] = {}
    packed = _pack(tree, arrays, "")
    known: set[int] = set()
    for place, tensor in arrays.items():
        memory = tensor.untyped_storage().data_ptr()
        if memory in known:  # safetensors refuses tensors that share memory
            arrays[place] = tensor.clone()
        known.add(memory)
    (directory / f"{name}.json").write_text(json.dumps(packed), encoding="utf-8")
    save_file(arrays, directory / f"{name}.safetensors")


def read_tree(directory: Path, name: str) -> Any:
    """Reads what `write_tree` wrote; tensors are on the CPU."""
    packed = json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
    return _unpack(packed, load_file(directory / f"{name}.safetensors"))


def snapshot(tree: Any) -> Any:
    """Copies a tree on the host, so that it stays as it is while training continues.

    Args:
        tree: As for `write_tree`. A tensor or array that occurs twice is copied once. Sharded
            tensors are left as they are: making them full copies them.
    """
    known: dict[int, Any] = {}

    def copied(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: copied(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [copied(each) for each in value]
        if isinstance(value, (Tensor, np.ndarray)) and not is_sharded(value):
            if id(value) not in known:
                known[id(value)] = (
                    value.detach().to("cpu", copy=True)
                    if isinstance(value, Tensor)
                    else value.copy()
                )
            return known[id(value)]
        return value

    return copied(tree)


def size_of(tree: Any) -> int:
    """Returns the size in bytes of a tree's tensors and arrays; what occurs twice counts once."""
    found: dict[int, int] = {}

    def add(value: Any) -> None:
        if isinstance(value, Mapping):
            for each in value.values():
                add(each)
        elif isinstance(value, (list, tuple)):
            for each in value:
                add(each)
        elif isinstance(value, (Tensor, np.ndarray)):
            found[id(value)] = value.nbytes

    add(tree)
    return sum(found.values())


def _pack(value: Any, arrays: dict[str, Tensor], place: str) -> Any:
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"{place or 'the value'} has the key {wrong[0]!r}: expected a text")
        packed = {key: _pack(each, arrays, f"{place}/{key}") for key, each in value.items()}
        return {_DICT: packed} if set(packed) & {_TENSOR, _ARRAY, _DICT} else packed
    if isinstance(value, (list, tuple)):
        return [_pack(each, arrays, f"{place}/{i}") for i, each in enumerate(value)]
    if isinstance(value, Tensor):
        arrays[place] = value.detach().cpu().contiguous()
        return {_TENSOR: place}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return {_ARRAY: _pack_array(value, arrays)}
    raise TypeError(
        f"{place or 'the value'} is a {type(value).__name__}: expected plain values, tensors and "
        "NumPy arrays"
    )


def _pack_array(array: NDArray[Any], arrays: dict[str, Tensor]) -> dict[str, Any]:
    """Stores an array once and compressed, because pictures are repetitive."""
    data = np.ascontiguousarray(array).tobytes()
    name = f"array {hashlib.blake2b(data, digest_size=16).hexdigest()}"
    if name not in arrays:
        packed = np.frombuffer(zlib.compress(data, level=1), np.uint8)
        arrays[name] = torch.from_numpy(packed.copy())
    return {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}


def _unpack(value: Any, arrays: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(each, arrays) for each in value]
    if not isinstance(value, dict):
        return value
    if _DICT in value:
        return {key: _unpack(each, arrays) for key, each in value[_DICT].items()}
    if _TENSOR in value:
        return arrays[value[_TENSOR]]
    if _ARRAY in value:
        about = value[_ARRAY]
        data = zlib.decompress(arrays[about["name"]].numpy().tobytes())
        return np.frombuffer(data, np.dtype(about["dtype"])).reshape(about["shape"]).copy()
    return {key: _unpack(each, arrays) for key, each in value.items()}
