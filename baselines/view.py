"""Observations of a network: smaller pictures, optionally with a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from PIL import Image

Text = Literal["none", "given", "state"]
Pictures = NDArray[np.uint8]
Observations = NDArray[np.uint8] | dict[str, NDArray[np.uint8]]

IMAGE = "image"


@dataclass(frozen=True)
class View:
    """Conversion of an environment's pictures and infos to a network's observations.

    It can be recovered from the observation space, so that a saved model needs no other files.

    Attributes:
        size: Height and width of the pictures in pixels.
        text: "none" for pictures only; "given" adds what prompts contain next to the picture:
            the environment's `given` fields, such as the formula so far, and the episode's goal;
            "state" adds all of the state, so that nothing has to be read in the picture.
        length: Length of the text in bytes; shorter texts are padded with zeros.
    """

    size: tuple[int, int]
    text: Text = "none"
    length: int = 64

    @classmethod
    def of(cls, space: spaces.Space[Any]) -> View:
        """Returns the view with a model's observation space.

        Args:
            space: The observation space.

        Raises:
            ValueError: If no view has this space.
        """
        parts: dict[str, Any] = (
            dict(space.spaces) if isinstance(space, spaces.Dict) else {IMAGE: space}
        )
        image = parts.pop(IMAGE, None)
        kinds: dict[str, Text] = {"given": "given", "state": "state"}
        known = len(parts) <= 1 and all(
            name in kinds and _is_bytes(part, 1) for name, part in parts.items()
        )
        if not known or not _is_bytes(image, 3) or image.shape[0] != 3:
            raise ValueError(
                f"the model observes {space}: expected one picture in colour as uint8, channels "
                "first, shape (3, height, width), alone or in a dictionary as 'image', with a text "
                "in bytes as 'given' or 'state'. Stacks of pictures, grey ones and numbers are not "
                "supported"
            )
        size = (int(image.shape[1]), int(image.shape[2]))
        for name, part in parts.items():
            return cls(size, kinds[name], int(part.shape[0]))
        return cls(size)

    def space(self) -> spaces.Space[Any]:
        """Returns the observation space of one environment, channels first."""
        image = spaces.Box(0, 255, (3, *self.size), np.uint8)
        if self.text == "none":
            return image
        tokens = spaces.Box(0, 255, (self.length,), np.uint8)
        return spaces.Dict({IMAGE: image, self.text: tokens})

    def observe(
        self, pictures: Sequence[Pictures] | Pictures, texts: Iterable[str]
    ) -> Observations:
        """Returns the observations of several environments; they share no memory with pictures.

        Args:
            pictures: Each uint8 of shape (height, width, 3).
            texts: The text of each; ignored with `text="none"`.

        Returns:
            uint8 of shape (environments, 3, *size); with a text, a dictionary of these as "image"
            and the texts, uint8 of shape (environments, length), as "given" or "state".

        Raises:
            ValueError: If a text is longer than `length` bytes.
        """
        image = shrink(pictures, self.size)
        if self.text == "none":
            return image
        return {IMAGE: image, self.text: encode(texts, self.length)}

    def describe(self, state: Mapping[str, str], given: Iterable[str], goal: str | None) -> str:
        """Returns the text of an observation.

        Args:
            state: What the picture shows, by field.
            given: Names of the fields that prompts contain.
            goal: The episode's goal, if it has one.
        """
        names = state if self.text == "state" else given
        lines = [f"{name}: {state[name]}" for name in names]
        return "\n".join(lines if goal is None else [goal, *lines])

    def describe_info(self, info: Mapping[str, Any]) -> str:
        """Returns the text of an environment's info."""
        if self.text == "none":
            return ""
        return self.describe(info.get("state", {}), info.get("given", ()), info.get("task"))


def _is_bytes(space: Any, axes: int) -> bool:
    """Returns whether a space holds uint8 arrays with a number of axes."""
    return (
        isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape or ()) == axes
    )


def shrink(pictures: Sequence[Pictures] | Pictures, size: tuple[int, int]) -> Pictures:
    """Shrinks pictures; each new pixel is the mean of the area that it covers.

    Args:
        pictures: Each uint8 of shape (height, width, 3).
        size: New height and width.

    Returns:
        A new array, uint8 of shape (pictures, 3, *size).
    """
    small = np.empty((len(pictures), *size, 3), np.uint8)
    for place, picture in zip(small, pictures, strict=True):
        place[:] = _shrink(picture, *size)
    return np.ascontiguousarray(small.transpose(0, 3, 1, 2))


def _shrink(picture: Pictures, height: int, width: int) -> Any:
    old_height, old_width = picture.shape[:2]
    if (old_height, old_width) == (height, width):
        return picture
    image = Image.fromarray(picture)
    if old_height % height == 0 and old_width % width == 0:
        # The same means, but faster; NumPy sums and torch pooling were two to seven times slower.
        return image.reduce((old_width // width, old_height // height))
    return image.resize((width, height), Image.Resampling.BOX)


def encode(texts: Iterable[str], length: int) -> NDArray[np.uint8]:
    """Encodes texts in UTF-8, padded with zeros: uint8 of shape (texts, length).

    Raises:
        ValueError: If a text has more than `length` bytes.
    """
    codes = [text.encode() for text in texts]
    longest = max(codes, key=len, default=b"")
    if len(longest) > length:
        raise ValueError(
            f"the text {longest.decode()!r} has {len(longest)} bytes: expected at most {length}; "
            "raise text_length"
        )
    padded = b"".join(code.ljust(length, b"\0") for code in codes)
    return np.frombuffer(padded, np.uint8).reshape(len(codes), length).copy()
