"""Memory of what a processor made of observations, in few bytes and within a limit.

An observation is encoded when it is replied to, again in every epoch of an update, and, if games
repeat themselves, in other episodes. Resizing a picture takes longer than a small model's forward
pass, so its result is kept. Tokens are kept apart from pictures, which take most of the memory. A
picture is kept once, whichever observations show it, as the bytes that `packing` makes of it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from vlm_agent.models.inputs.packing import PackedTensor, Packer, content_digest
from vlm_agent.models.inputs.rows import Pictures, Row, split_pictures

# A prompt is out of date once there were this many times as many uses of prompts after its own as
# there are prompts. In an update, which uses each once an epoch, none is: they outlast pictures.
_OUTDATED = 3


class PictureKey:
    """A picture as a key: equal to those with the same pixels.

    The hash skips most pixels, because it is needed at every look-up; equality does not.
    """

    __slots__ = ("_hash", "image")

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image
        self._hash = hash((image.shape, image[::4, ::4].tobytes()))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PictureKey):
            return NotImplemented
        return self.image is other.image or np.array_equal(self.image, other.image)


Key = tuple[str, tuple[PictureKey, ...]]


def key_of(prompt: str, pictures: Pictures) -> Key:
    """Returns the key of a prompt with pictures."""
    return prompt, tuple(map(PictureKey, pictures))


@dataclass(frozen=True)
class PreparedPicture:
    """A processor's output for a picture, or for pictures that it treats together.

    Attributes:
        digest: Digest of the content.
        tensors: The output by name.
    """

    digest: bytes
    tensors: dict[str, PackedTensor]

    @property
    def nbytes(self) -> int:
        """Number of bytes."""
        return sum(value.nbytes for value in self.tensors.values())

    def unpack(self) -> Row:
        """Returns the processor's output."""
        return {name: value.unpack() for name, value in self.tensors.items()}


@dataclass(frozen=True)
class PreparedPrompt:
    """A processor's output for an observation, except for its pixels.

    Attributes:
        key: The prompt and its pictures.
        tensors: What belongs to tokens, and small tensors, such as the sizes of pictures.
        pictures: Digests of the prepared pictures.
        axis: Dimension along which pictures are concatenated.
    """

    key: Key
    tensors: dict[str, PackedTensor]
    pictures: tuple[bytes, ...]
    axis: int

    @property
    def length(self) -> int:
        """Number of tokens, including those of pictures."""
        return self.tensors["input_ids"].shape[1]

    @property
    def token_ids(self) -> list[int]:
        """The tokens, including those of pictures."""
        return cast(list[int], self.tensors["input_ids"].unpack()[0].tolist())

    @property
    def nbytes(self) -> int:
        """Number of bytes without the original pictures."""
        return len(self.key[0]) + sum(value.nbytes for value in self.tensors.values())

    def unpack(self) -> Row:
        """Returns the observation's inputs without its pixels."""
        return {name: value.unpack() for name, value in self.tensors.items()}


Prepared = tuple[PreparedPrompt, list[PreparedPicture]]


def pack_row(key: Key, row: Row, packer: Packer) -> Prepared:
    """Returns the inputs of an observation in few bytes."""
    images = [each.image for each in key[1]]
    parts, axis = split_pictures(row, images)
    pictures = []
    for part in parts:
        tensors = {name: packer.pack(value) for name, value in part.items()}
        pictures.append(PreparedPicture(content_digest(tensors), tensors))
    rest = {name: packer.pack(value) for name, value in row.items() if not is_pixels(name)}
    return PreparedPrompt(key, rest, tuple(each.digest for each in pictures), axis), pictures


def unpack_row(prompt: PreparedPrompt, pictures: Sequence[PreparedPicture]) -> Row:
    """Returns the inputs of an observation, bit by bit those that were packed."""
    row = prompt.unpack()
    parts = [
        {name: value.unpack() for name, value in each.tensors.items() if is_pixels(name)}
        for each in pictures
    ]
    for name in parts[0] if parts else ():
        values = [part[name] for part in parts]
        row[name] = values[0] if len(values) == 1 else torch.cat(values, prompt.axis)
    return row


def is_pixels(name: str) -> bool:
    """Returns whether an input has numbers for each pixel, and so takes most of the memory."""
    return name.startswith("pixel_")


class InputCache:
    """Least-recently-used cache of prepared prompts and pictures.

    Pictures make room first, unless there are prompts that have not been used for long.

    Args:
        capacity: Maximum size in bytes.

    Attributes:
        capacity: The same; `resize` sets it.
    """

    def __init__(self, capacity: int = 2**30) -> None:
        self.capacity = capacity
        self._prompts: OrderedDict[Key, PreparedPrompt] = OrderedDict()
        self._pictures: OrderedDict[bytes, PreparedPicture] = OrderedDict()
        # Original pictures, each once, and the number of prompts that have it.
        self._originals: dict[PictureKey, PictureKey] = {}
        self._uses: Counter[PictureKey] = Counter()
        self._used: dict[Key, int] = {}  # when, in uses of all prompts
        self._time = 0
        self._prompt_bytes = 0
        self._picture_bytes = 0

    @property
    def nbytes(self) -> int:
        """Number of bytes that are filled, including original pictures."""
        return self._prompt_bytes + self._picture_bytes

    def resize(self, capacity: int) -> None:
        """Sets the maximum size in bytes."""
        self.capacity = capacity
        self._make_room()

    def prompt(self, key: Key) -> PreparedPrompt | None:
        """Returns a prepared prompt, or `None`."""
        if (found := self._prompts.get(key)) is not None:
            self._touch(found)
        return found

    def peek(self, key: Key) -> PreparedPrompt | None:
        """Returns a prepared prompt, or `None`, without counting this as a use."""
        return self._prompts.get(key)

    def pictures(self, prompt: PreparedPrompt) -> list[PreparedPicture] | None:
        """Returns the prepared pictures of a prompt, or `None` if one is missing."""
        found = [self._pictures.get(digest) for digest in prompt.pictures]
        pictures = [each for each in found if each is not None]
        if len(pictures) < len(found):
            return None
        for digest in prompt.pictures:
            self._pictures.move_to_end(digest)
        return pictures

    def put(self, prompt: PreparedPrompt, pictures: Sequence[PreparedPicture]) -> Prepared:
        """Caches a prompt and its pictures; the least recently used ones make room for them.

        Returns:
            The same, or what was cached of equal content.
        """
        for index in range(len(pictures)):
            digest = pictures[index].digest
            if digest not in self._pictures:
                self._pictures[digest] = pictures[index]
                self._picture_bytes += pictures[index].nbytes
            self._pictures.move_to_end(digest)
        same = [self._pictures[each.digest] for each in pictures]
        known = self._prompts.get(prompt.key)
        if known is None or known.pictures != prompt.pictures:
            if known is not None:
                self._forget(prompt.key)
            originals = tuple(self._originals.setdefault(each, each) for each in prompt.key[1])
            prompt = known = replace(prompt, key=(prompt.key[0], originals))
            for original in originals:
                if not self._uses[original]:
                    self._prompt_bytes += original.image.nbytes
                self._uses[original] += 1
            self._prompts[prompt.key] = prompt
            self._prompt_bytes += prompt.nbytes
        self._touch(known)
        self._make_room()
        return known, same

    def _touch(self, prompt: PreparedPrompt) -> None:
        self._time += 1
        self._used[prompt.key] = self._time
        self._prompts.move_to_end(prompt.key)

    def _make_room(self) -> None:
        while self.nbytes > self.capacity:
            oldest = next(iter(self._prompts), None)
            if oldest is not None and (not self._pictures or self._is_outdated(oldest)):
                self._forget(oldest)
            else:
                self._picture_bytes -= self._pictures.popitem(last=False)[1].nbytes

    def _is_outdated(self, key: Key) -> bool:
        return self._time - self._used[key] > _OUTDATED * len(self._prompts)

    def _forget(self, key: Key) -> None:
        prompt = self._prompts.pop(key)
        del self._used[key]
        self._prompt_bytes -= prompt.nbytes
        for original in prompt.key[1]:
            self._uses[original] -= 1
            if not self._uses[original]:
                del self._uses[original], self._originals[original]
                self._prompt_bytes -= original.image.nbytes
