"""Space of texts that worker processes can share.

Gymnasium's `AsyncVectorEnv` passes observations through shared memory. It looks at that of a `Text`
space once, when it is made, so that its texts never change. For the space defined here, the
functions that Gymnasium asks for such a space are registered with it, and the texts are up to date.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.sharedctypes import SynchronizedArray
from types import ModuleType
from typing import Any, overload

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import (
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from numpy.typing import NDArray


class SharedText(spaces.Text):
    """`Text` whose samples keep up to date in the shared memory of `AsyncVectorEnv`.

    It is equal to a `Text` with the same arguments.
    """


class SharedTexts(Sequence[str]):
    """Texts of several environments, as their processes last wrote them; a deep copy is a tuple.

    Args:
        characters: uint32 of shape (environments, most characters), Unicode numbers; 0 is padding.
    """

    def __init__(self, characters: NDArray[np.uint32]) -> None:
        self._characters = characters

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...

    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        row = self._characters[index]
        text: str = row.astype("<u4").tobytes().decode("utf-32-le")
        return text.rstrip("\0")

    def __len__(self) -> int:
        return len(self._characters)

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        return repr(tuple(self))


@create_shared_memory.register(SharedText)
def _create(
    space: SharedText, n: int = 1, ctx: ModuleType = multiprocessing
) -> SynchronizedArray[int]:
    shared: SynchronizedArray[int] = ctx.Array("I", n * space.max_length)
    return shared


@read_from_shared_memory.register(SharedText)
def _read(space: SharedText, shared_memory: SynchronizedArray[int], n: int = 1) -> SharedTexts:
    return SharedTexts(_array(shared_memory).reshape(n, space.max_length))


@write_to_shared_memory.register(SharedText)
def _write(
    space: SharedText, index: int, value: str, shared_memory: SynchronizedArray[int]
) -> None:
    characters = np.frombuffer(value.encode("utf-32-le"), "<u4")
    if len(characters) > space.max_length:
        raise ValueError(
            f"the text {value!r:.80} has {len(characters)} characters: expected at most "
            f"{space.max_length}; make the space with a larger max_length"
        )
    row = _array(shared_memory).reshape(-1, space.max_length)[index]
    row[: len(characters)] = characters
    row[len(characters) :] = 0


def _array(shared_memory: SynchronizedArray[int]) -> NDArray[np.uint32]:
    return np.frombuffer(shared_memory.get_obj(), np.uint32)  # type: ignore[call-overload,no-any-return]
