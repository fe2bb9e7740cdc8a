"""Identities of policies and functions, by which those of one name are told apart."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np


def identity_of(value: Any, *, whole: bool = False) -> str | None:
    """Returns a hash that changes with what a policy, or a function that makes environments, does.

    A function is known by its code, its defaults, the values that it encloses, and the constants,
    functions and weights of its own module that it names. An object is known by its weights, if it
    has a `state_dict`, and else by its class with the code of its methods, its public attributes
    that are numbers or text, and the weights and arrays among all attributes.

    Args:
        value: The policy or function. A word or an id has no more to it than its name: `None`.
        whole: Whether all attributes of objects count, also private ones and collections, and the
            collections of a function's module. They may change whenever the value is used.
    """
    if isinstance(value, str):
        return None
    text = json.dumps(_parts(value, {}, whole))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_COLLECTIONS = (list, set, dict)
_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), type(...), np.generic)


def _parts(value: Any, seen: dict[int, tuple[int, Any]], whole: bool) -> Any:
    """Returns text, or lists of it, that are the same for the same value in another process.

    Args:
        value: The value.
        seen: Number and value of all that was looked at before, by its `id`: values may refer to
            each other in circles. They are kept, so that no other gets the same `id`.
        whole: Whether all attributes count.
    """
    if isinstance(value, _CONSTANTS):
        return repr(value)
    if isinstance(value, type | ModuleType | BuiltinFunctionType):
        return value.__name__
    if id(value) in seen:
        return f"#{seen[id(value)][0]}"
    if not isinstance(value, tuple | frozenset | CodeType):  # equal ones may or may not be the same
        seen[id(value)] = len(seen), value
    several: list[Any]
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=8)
        return [str(value.dtype), repr(value.shape), digest.hexdigest()]
    if hasattr(type(value), "untyped_storage"):
        return [str(value.dtype), repr(tuple(value.shape)), _checksum(value)]
    if isinstance(value, set | frozenset):  # their order is another one in each process
        return sorted(json.dumps(_parts(each, seen, whole)) for each in value)
    if isinstance(value, list | tuple | np.ndarray):
        several = list(value.ravel()) if isinstance(value, np.ndarray) else list(value)
    elif isinstance(value, Mapping):
        several = [part for item in value.items() for part in item]
    elif isinstance(value, CodeType):
        several = [value.co_code, value.co_names, value.co_consts]
    elif isinstance(value, FunctionType):
        several = [
            value.__code__,
            value.__defaults__,
            value.__kwdefaults__,
            *_named_by(value, whole),
        ]
    elif isinstance(value, MethodType):
        several = [value.__func__, value.__self__]
    elif isinstance(value, functools.partial):
        several = [value.func, value.args, value.keywords]
    elif has_weights(value):
        several = [type(value), value.state_dict()]
    else:
        several = [type(value), *_attributes(value, whole)]
    return [_parts(each, seen, whole) for each in several]


def _named_by(function: FunctionType, whole: bool) -> Iterator[Any]:
    """Yields the values outside a function that it depends on; of its module what rarely changes.

    Not the caches of modules, for example, which differ from call to call.
    """
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with suppress(ValueError):  # not assigned yet
            yield name, cell.cell_contents
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        neighbour = isinstance(value, FunctionType) and value.__globals__ is function.__globals__
        known = (*_CONSTANTS, tuple, frozenset, *(_COLLECTIONS if whole else ()))
        if neighbour or isinstance(value, known) or has_weights(value):
            yield name, value


def _names(code: CodeType) -> list[str]:
    """Returns the names that code uses, with those of the functions inside it."""
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return [*code.co_names, *(name for each in inner for name in _names(each))]


def _attributes(value: Any, whole: bool) -> Iterator[Any]:
    """Yields what an object without weights of its own depends on."""
    own = getattr(value, "__dict__", {})
    kinds = [vars(kind) for kind in reversed(type(value).__mro__) if kind is not object]
    for name, each in {key: each for names in (*kinds, own) for key, each in names.items()}.items():
        public = not name.startswith("_")
        if (
            (public and isinstance(each, _CONSTANTS))
            or (whole and name in own)
            or isinstance(each, FunctionType | np.ndarray)
            or has_weights(each)
            or (name == "model" and name in own)
        ):
            yield name, each


def has_weights(value: Any) -> bool:
    """Returns whether an object is a module, or another one with weights of its own."""
    return callable(getattr(type(value), "state_dict", None))


def _checksum(tensor: Any) -> str:
    """Returns a checksum of a tensor's bits, computed where they are.

    The sum of integers is exact, and so the same on any device and with any number of threads. A
    factor for each position makes it depend on the order, and, being odd, on every bit.
    """
    import torch

    if tensor.is_meta:  # its values are elsewhere
        return "meta"
    with torch.no_grad():
        raw = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        if raw.numel() % 8 or raw.storage_offset() % 8:
            raw = torch.nn.functional.pad(raw, (0, -raw.numel() % 8)).clone()
        words = raw.view(torch.int64)
        size = min(2**18, len(words))  # what fits into a processor's cache
        odd = 2 * torch.arange(size, device=words.device) + 1
        sums = [(part * odd[: len(part)]).sum() for part in words.split(max(1, size))]
    return repr([int(each) for each in sums])
